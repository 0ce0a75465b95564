"""Figures as catalog entries: an image to look at and a vector file for print."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import matplotlib as mpl
from kedro.io import AbstractDataset, DatasetError
from matplotlib.figure import Figure
from typing_extensions import override


class FigureDataset(AbstractDataset[Figure, NoReturn]):
    """A Matplotlib figure, written as PNG and as PDF with its text as text.

    Parameters
    ----------
    filepath : str
        Without its ending.
    dpi : int
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, filepath: str, dpi: int = 300, metadata: Mapping[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath, self._dpi = Path(filepath), dpi

    @override
    def load(self) -> NoReturn:
        raise DatasetError(f"{self._filepath} is for people to look at")

    @override
    def save(self, data: Figure) -> None:
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"pdf.fonttype": 42}):
            for ending in (".png", ".pdf"):
                data.savefig(self._filepath.with_name(self._filepath.name + ending), dpi=self._dpi)

    def _exists(self) -> bool:
        return self._filepath.with_name(f"{self._filepath.name}.png").exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "dpi": self._dpi}
