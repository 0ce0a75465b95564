"""Figures for papers as catalog entries: each as PNG to look at and as PDF to print."""

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image
from typing_extensions import override

from esm2_amp.files import as_file_name, reading, replacing, replacing_file
from esm2_amp.io.kedro_adapter import ImagePreview
from esm2_amp.io.local import LocalDataset

_PDF_OPTIONS: Any = {"pdf.fonttype": 42}
"""Text stays text that editors can change."""


class FigureDataset(LocalDataset[Figure, bytes | None]):
    """A figure, written as `<filepath>.png` and `<filepath>.pdf`. Loads as the PNG, or None where nothing was drawn.

    One without axes shows nothing: it isn't written, and one of an earlier run is removed.

    Parameters
    ----------
    filepath : str
        Without an ending.
    dpi : int
        Of the PNG.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, filepath: str, dpi: int = 300, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(filepath=f"{filepath}.png", metadata=metadata)
        self._dpi = dpi

    @override
    def load(self) -> bytes | None:
        return read_png(self._filepath) if self._filepath.is_file() else None

    @override
    def save(self, data: Figure) -> None:
        if data.axes:
            write_figure(data, self._filepath, self._dpi)
        else:
            self._filepath.unlink(missing_ok=True)
            self._filepath.with_suffix(".pdf").unlink(missing_ok=True)

    def preview(self) -> ImagePreview:
        """The PNG, as Kedro-Viz shows it."""
        return as_preview(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dpi": self._dpi}


class FigureFolderDataset(LocalDataset[Mapping[str, Figure], dict[str, bytes]]):
    """Figures by name, written into a folder of their own, which a later run's take the place of.

    Loads as the PNGs by the names of their files.

    Parameters
    ----------
    filepath : str
        The folder.
    dpi : int
        Of the PNGs.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, filepath: str, dpi: int = 300, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._dpi = dpi

    @override
    def load(self) -> dict[str, bytes]:
        return {file.stem: read_png(file) for file in sorted(self._filepath.glob("*.png"))}

    @override
    def save(self, data: Mapping[str, Figure]) -> None:
        with replacing(self._filepath) as folder:
            for name, figure in data.items():
                write_figure(figure, folder / f"{as_file_name(name)}.png", self._dpi)

    def preview(self) -> ImagePreview:
        """The first PNG by name, as Kedro-Viz shows it."""
        return as_preview(min(self._filepath.glob("*.png")))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dpi": self._dpi}


def as_preview(image: Path) -> ImagePreview:
    """A PNG as Kedro-Viz shows it."""
    return ImagePreview(b64encode(image.read_bytes()).decode())


def read_png(file: Path) -> bytes:
    """The content of a PNG, whose parts are compared with their checksums.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with reading(file):
        content = file.read_bytes()
        with Image.open(BytesIO(content)) as image:
            image.verify()
    return content


def write_figure(figure: Figure, file: Path, dpi: int) -> None:
    """Write a figure as PNG, and as PDF beside it."""
    with mpl.rc_context(_PDF_OPTIONS):
        with replacing_file(file) as part:
            figure.savefig(part, dpi=dpi, format="png")
        figure.set_layout_engine("none")  # both have the places that were found for the first
        with replacing_file(file.with_suffix(".pdf")) as part:
            figure.savefig(part, format="pdf", metadata={"CreationDate": None})
