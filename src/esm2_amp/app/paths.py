"""Where the data sets of a catalog lie."""

from pathlib import Path

from kedro.io import DataCatalog


def path_of(catalog: DataCatalog, name: str) -> Path | None:
    """The file or folder of a data set, as the catalog configures it; None for one in memory, or left out."""
    configured = catalog.config_resolver.resolve_pattern(name)
    path = configured.get("filepath", configured.get("path"))
    return None if path is None else Path(path)
