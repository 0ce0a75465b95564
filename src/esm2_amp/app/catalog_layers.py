"""Layers and previews of Kedro-Viz, from where a catalog entry lies."""

import re
from typing import Any, Final

from kedro.config import OmegaConfigLoader

_LAYER: Final = re.compile(r"/0\d_([a-z_]+)(?:/|$)")
_PREVIEWED: Final = ("pandas.CSVDataset", "pandas.ExcelDataset", "pandas.ParquetDataset")
_PREVIEWED_ROWS: Final = 10


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, by which every catalog entry has the layer that its folder names, and tables have a preview.

    What an entry's own `metadata` gives stays. Kedro-Viz runs no hooks unless asked to, so this is no hook. It draws no
    layers at all where datasets lead from a later layer to an earlier one; an entry that does so names another layer.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The configuration of a kind, such as `catalog` or `parameters`."""
        configured: dict[str, Any] = super().__getitem__(key)
        if key != "catalog":
            return configured
        return {name: _with_layer(entry) for name, entry in configured.items()}


def _with_layer(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    shown: dict[str, Any] = {}
    if found := _LAYER.search(str(entry.get("filepath", entry.get("path", "")))):
        shown["layer"] = found[1]
    if entry.get("type") in _PREVIEWED:
        shown["preview_args"] = {"nrows": _PREVIEWED_ROWS}
    given = entry.get("metadata") or {}
    shown |= given.get("kedro-viz", {})
    return {**entry, "metadata": {**given, "kedro-viz": shown}} if shown else entry
