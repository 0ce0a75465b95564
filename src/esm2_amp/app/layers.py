"""Layers and previews of Kedro-Viz, from where a catalog entry lies."""

import re
from typing import Any, Final

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

_LAYER: Final = re.compile(r"/0\d_([a-z_]+)(?:/|$)")
_PREVIEWED: Final = ("pandas.CSVDataset", "pandas.ExcelDataset", "pandas.ParquetDataset")
_PREVIEWED_ROWS: Final = 10


class CatalogLayers:
    """Gives every catalog entry the layer that its folder names, and tables a preview, unless the entry says otherwise.

    Kedro-Viz draws no layers at all where datasets lead from a later layer to an earlier one, so an entry that does so
    has another layer in its own `metadata`.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Complete the `metadata` of the catalog's entries before the catalog is made."""
        loader = context.config_loader
        loader["catalog"] = {name: _with_layer(entry) for name, entry in loader["catalog"].items()}


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
