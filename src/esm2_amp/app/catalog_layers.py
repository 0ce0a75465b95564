"""Layers and previews of Kedro-Viz, from where a catalog entry lies."""

import re
from pathlib import Path
from typing import Any, Final

from kedro.config import OmegaConfigLoader

from esm2_amp.app.given_paths import from_here
from esm2_amp.app.model_folders import project_folder

_LAYER: Final = re.compile(r"/0\d_([a-z_]+)(?:/|$)")
_PREVIEWED: Final = ("esm2_amp.io.whole_files.CSVDataset", "esm2_amp.io.whole_files.ParquetDataset")
_PREVIEWED_ROWS: Final = 10
_PATHS: Final = ("reports", "source", "entry_list")
"""Arguments that are paths; `source` may be a name on the hub, too."""


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, by which every catalog entry has the layer that its folder names, and tables have a preview.

    What an entry's own `metadata` gives stays. Kedro-Viz runs no hooks unless asked to, so this is no hook. It draws no
    layers at all where datasets lead from a later layer to an earlier one; an entry that does so names another layer.
    Paths of the command line start from the working directory, those of the files from the project.
    """

    def __init__(
        self, conf_source: str, env: str | None = None, runtime_params: dict[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(conf_source, env, from_here(runtime_params or {}), **options)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The configuration of a kind, such as `catalog` or `parameters`."""
        configured: dict[str, Any] = super().__getitem__(key)
        if key != "catalog":
            return configured
        project = project_folder()
        return {name: _from_project(_with_layer(entry), project) for name, entry in configured.items()}


def _is_of_project(source: str, path: Path) -> bool:
    """Whether an encoder is a folder or file of the project, not one of the working directory or of the hub."""
    return path.exists() and not Path(source).exists()


def _from_project(entry: Any, project: Path) -> Any:
    """An entry whose paths under the project's own names for them start from the project, as Kedro's own do."""
    if not isinstance(entry, dict):
        return entry
    given = {name: project / entry[name] for name in _PATHS if entry.get(name)}
    return entry | {
        name: str(path) for name, path in given.items() if name != "source" or _is_of_project(entry[name], path)
    }


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
