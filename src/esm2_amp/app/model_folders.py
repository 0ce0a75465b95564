"""Which folder `model=` means, decided in one place for the catalog, the parameters and the checks."""

import json
from pathlib import Path
from typing import Literal

from kedro.utils import find_kedro_project, is_kedro_project

from esm2_amp.errors import InputError, did_you_mean
from esm2_amp.parameters.model_training import ARCHITECTURES

_LAYER = Path("06_models")
_SHIPPED = Path("data") / _LAYER
"""Where the models lie that come with the project, whatever the data folder of the environment."""


def find_project() -> Path | None:
    """The project around the working directory, or else the checkout that this package is in; None without either."""
    checkout = Path(__file__).parents[3]
    return find_kedro_project(Path.cwd()) or (checkout if is_kedro_project(checkout) else None)


def project_folder() -> Path:
    """The project of `find_project`; without one, the working directory."""
    return find_project() or Path.cwd()


def model_folder(name: str, data: str, project: Path | None = None) -> Path:
    """The folder of the model that a name means.

    The name of an architecture is the model trained in this data folder. Another name is looked up among the folders
    in the data folder's `06_models`, then among those that come with the project, and last as a path.

    Parameters
    ----------
    name : str
        The model, as after `model=`.
    data : str
        Data folder of the environment.
    project : Path, optional
        Folder that relative paths start from; by default the project around the working directory.

    Returns
    -------
    folder : Path
        The one with the weights, relative where its parts are. Where there is none of the name, the one in the data
        folder's `06_models` that would have it.
    """
    project = project or project_folder()
    by_name = Path(data) / _LAYER / name
    if name not in ARCHITECTURES:
        for folder in (by_name, _SHIPPED / name, Path(name)):
            for place in (folder / "model", folder):
                if _holds_a_model(project / place):
                    return place
    return by_name / "model"


def check_model(name: str, data: str, project: Path) -> None:
    """Raise InputError for a model that is neither an architecture nor a folder of a model.

    Parameters
    ----------
    name : str
        The model, as after `model=`.
    data : str
        Data folder of the environment.
    project : Path
        Folder that relative paths start from.
    """
    if name in ARCHITECTURES or _holds_a_model(project / model_folder(name, data, project)):
        return
    parents = (project / data / _LAYER, project / _SHIPPED)
    folders = {file.parts[-3] for parent in parents for file in parent.glob("*/model/config.json")}
    known = [*ARCHITECTURES, *sorted(folders - {*ARCHITECTURES})]
    raise InputError(
        f"A model must be one of {', '.join(known)}, or the folder of a model, got {name!r}"
        f"{did_you_mean(name, known)}; weights in a .pth file are given as checkpoint=FILE.pth"
    )


def resolve_model(wanted: Literal["folder", "architecture", "name"], model: str | None, data: str = "") -> str | None:
    """What the resolver `${model:...}` of the configuration files gives.

    Parameters
    ----------
    wanted : {"folder", "architecture", "name"}
        The folder with the weights; the architecture, where it is `model` that names it; what the model is called.
    model : str, optional
        As after `model=`.
    data : str
        Data folder of the environment, for the folder.

    Examples
    --------
    >>> resolve_model("folder", "ESM2_GRU", "data/bernett")
    'data/bernett/06_models/ESM2_GRU/model'
    >>> resolve_model("architecture", "ESM2_GRU")
    'ESM2_GRU'
    >>> resolve_model("name", "data/06_models/ppi_mini/model")
    'ppi_mini'
    """
    if model is None:
        return None
    if wanted == "folder":
        return model_folder(model, data).as_posix()
    if wanted == "architecture":
        return model if model in ARCHITECTURES else None
    path = Path(model)
    return path.parent.name if path.name == "model" else path.name


def _holds_a_model(folder: Path) -> bool:
    try:
        return "architecture" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
