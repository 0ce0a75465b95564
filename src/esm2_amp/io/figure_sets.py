"""Figures that one step draws, as one catalog entry: written beside other files, each under its own name."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from esm2_amp.checked_json import read_json, with_checksum
from esm2_amp.files import reading, write_atomically
from esm2_amp.io.figures import FigureFolderDataset, as_preview, read_png, write_figure
from esm2_amp.io.kedro_adapter import ImagePreview, PlotlyPreview
from esm2_amp.io.local import LocalDataset


class FigureSetDataset(LocalDataset[Mapping[str, Any], dict[str, Any]]):
    """Figures by name in a folder that may hold other files, too.

    A Matplotlib figure is written as `<name>.png` and `<name>.pdf`; a Plotly figure as `<name>.json`; a
    mapping of figures into the folder `<name>`, which they have to themselves. An index tells which figures there are,
    so that those of an earlier run that this one doesn't draw are removed.

    Loads as the PNGs, and mappings of PNGs, by name; Plotly figures aren't loaded.

    Parameters
    ----------
    filepath : str
        The index, a JSON file in the folder of the figures.
    dpi : int
        Of the PNGs.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, filepath: str, dpi: int = 300, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._folder, self._dpi = self._filepath.parent, dpi

    @override
    def load(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, kind in self._index().items():
            if kind == "folder":
                found[name] = FigureFolderDataset(filepath=str(self._folder / name)).load()
            elif kind == "png":
                found[name] = read_png(self._folder / f"{name}.png")
        return found

    @override
    def save(self, data: Mapping[str, Any]) -> None:
        kinds = {name: self._write(name, figure) for name, figure in data.items()}
        for name, kind in self._index().items():
            if kinds.get(name) != kind:
                self._remove(name, kind)
        write_atomically(self._filepath, json.dumps(with_checksum(kinds), indent=2).encode())

    def files(self) -> list[Path]:
        """The figures that were saved last: PNGs, JSON files of Plotly figures, folders."""
        endings = {"png": ".png", "json": ".json", "folder": ""}
        return [self._folder / f"{name}{endings[kind]}" for name, kind in self._index().items()]

    def preview(self) -> ImagePreview:
        """The first PNG, as Kedro-Viz shows it."""
        first = next(name for name, kind in self._index().items() if kind == "png")
        return as_preview(self._folder / f"{first}.png")

    def _index(self) -> dict[str, str]:
        if not self._filepath.exists():
            return {}
        with reading(self._filepath):
            index: dict[str, str] = read_json(self._filepath)
        return index

    def _write(self, name: str, figure: Any) -> str:
        if isinstance(figure, Mapping):
            FigureFolderDataset(filepath=str(self._folder / name), dpi=self._dpi).save(figure)
            return "folder"
        if hasattr(figure, "to_plotly_json"):
            write_atomically(self._folder / f"{name}.json", figure.to_json().encode())
            return "json"
        write_figure(figure, self._folder / f"{name}.png", self._dpi)
        return "png"

    def _remove(self, name: str, kind: str) -> None:
        path = self._folder / name
        if kind == "folder":
            shutil.rmtree(path, ignore_errors=True)
        for ending in {"png": ("png", "pdf"), "json": ("json",)}.get(kind, ()):
            Path(f"{path}.{ending}").unlink(missing_ok=True)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dpi": self._dpi}


class InteractiveFigureSetDataset(FigureSetDataset):
    """Figures by name, of which Kedro-Viz shows the first that Plotly draws."""

    def preview(self) -> PlotlyPreview:  # type: ignore[override]  # Kedro-Viz goes by this annotation
        """The first Plotly figure, as Kedro-Viz shows it."""
        first = next(name for name, kind in self._index().items() if kind == "json")
        return PlotlyPreview(json.loads((self._folder / f"{first}.json").read_text(encoding="utf-8")))
