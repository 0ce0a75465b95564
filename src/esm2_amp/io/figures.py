"""Figures for print, each as PNG and PDF."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import matplotlib as mpl
from kedro.io import AbstractDataset, DatasetError
from matplotlib.figure import Figure

SUFFIXES: Final = (".png", ".pdf")

_DPI = 300
_TRUETYPE = 42


class FigureDataset(AbstractDataset[Figure, NoReturn]):
    """A Matplotlib figure, saved as PNG (300 dpi) and as PDF with editable text.

    Parameters
    ----------
    filepath : str
        Without suffix.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, filepath: str, *, metadata: Mapping[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def save(self, data: Figure) -> None:
        """Write both files."""
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        # a font type of 42 keeps text as text: journals ask for it
        with mpl.rc_context({"pdf.fonttype": _TRUETYPE}):
            for path in self._paths():
                data.savefig(path, dpi=_DPI)

    def load(self) -> NoReturn:
        """Refuse."""
        raise DatasetError("FigureDataset is written only")

    def _paths(self) -> list[Path]:
        return [self._filepath.with_name(self._filepath.name + suffix) for suffix in SUFFIXES]

    def _exists(self) -> bool:
        return all(path.is_file() for path in self._paths())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class FigureFolderDataset(AbstractDataset[dict[str, Figure], NoReturn]):
    """Figures by name, each saved as `FigureDataset` does; those of an earlier run are removed.

    Parameters
    ----------
    filepath : str
        A folder of its own.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, filepath: str, *, metadata: Mapping[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def save(self, data: dict[str, Figure]) -> None:
        """Write all files."""
        shutil.rmtree(self._filepath, ignore_errors=True)
        self._filepath.mkdir(parents=True)
        for name, figure in data.items():
            FigureDataset(str(self._filepath / name)).save(figure)

    def load(self) -> NoReturn:
        """Refuse."""
        raise DatasetError("FigureFolderDataset is written only")

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
