"""Which pipelines read an option of `--params=`, by the configuration files themselves."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from kedro.config import AbstractConfigLoader
from kedro.pipeline import Pipeline

from esm2_amp.app.options import SHARED_TRAINING, RunOptions
from esm2_amp.errors import InputError
from esm2_amp.parameters.model_training import ARCHITECTURES

_OF_EVERY_RUN: Final = {"output", "tracking"}
"""Options that hold for all pipelines."""

_NAMES_OF_DATA: Final = {"pairs", "data_name"}
"""Options that `params:run` takes the name of the data from, which counts only where a file of pairs is read."""


def check_options_are_read(
    given: Collection[str],
    names: Iterable[str],
    chosen: Collection[str],
    pipelines: Mapping[str, Pipeline],
    loader: AbstractConfigLoader,
) -> None:
    """Raise InputError for an option that none of the pipelines of a run reads, which would change nothing.

    Parameters
    ----------
    given : collection of str
        Names after `--params=`, without what follows a dot.
    names : iterable of str
        Pipelines as the user named them.
    chosen : collection of str
        Those that they may stand for.
    pipelines : dict
        All registered pipelines.
    loader : OmegaConfigLoader
        Whose files say which catalog entry and which parameters an option stands in.
    """
    options = sorted(set(given) - _OF_EVERY_RUN)
    entries = list(_entries(loader)) if options else []
    for option in options:
        places = {name for name, text in entries if option in re.findall(r"\$\{runtime_params:\s*(\w+)", text)}
        readers = [name for name, pipeline in pipelines.items() if _reads(pipeline, option, places)]
        if not set(readers).intersection(chosen):
            raise InputError(
                f"{option} (set in --params) is not read by the pipeline {' or '.join(names)}, so it would change "
                f"nothing; it is read by {', '.join(readers)}"
            )


def _reads(pipeline: Pipeline, option: str, places: Collection[str]) -> bool:
    """Whether a pipeline reads an option in one of the places, or the group of parameters of its name."""
    used = pipeline.inputs() | pipeline.all_outputs()
    if option in _NAMES_OF_DATA and not any(name.endswith("pairs_raw") for name in used):
        places = [place for place in places if place != "params:run"]
    if option not in RunOptions.model_fields:
        groups = [f"{model}.settings" for model in ARCHITECTURES] if option == SHARED_TRAINING else [option]
        places = [f"params:{group}" for group in groups]
    return any(name == place or name.startswith(f"{place}.") for name in used for place in places)


def _entries(loader: AbstractConfigLoader) -> Iterator[tuple[str, str]]:
    """Each catalog entry and each group of parameters, as the nodes name it, with its text before resolution."""
    for environment in filter(None, ("base", loader.env)):
        folder = Path(loader.conf_source) / environment
        for file in sorted(folder.rglob("*.yml")):
            kind = "params:" if file.name.startswith("parameters") else ""
            content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
            for name, entry in content.items() if isinstance(content, dict) else ():
                yield f"{kind}{name}", str(entry)
