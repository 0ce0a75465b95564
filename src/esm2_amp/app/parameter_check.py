"""The check of all parameters against the types of the nodes that read them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline
from kedro.validation import TypeExtractor
from pydantic import TypeAdapter, ValidationError

from esm2_amp.app.mistakes import one_or_a_list, place_and_words
from esm2_amp.app.options import SHARED_TRAINING, check_groups
from esm2_amp.errors import InputError
from esm2_amp.parameters.hyperparameter_search import SearchParameters
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.parameters.tracking import TrackingParameters

_OF_THE_RUN = {"search": SearchParameters, "tracking": TrackingParameters}
"""Groups that decide what a run consists of, before any node."""


def check_parameters(
    parameters: Mapping[str, Any],
    pipelines: Mapping[str, Pipeline],
    loader: OmegaConfigLoader,
    shared: Mapping[str, Any],
) -> None:
    """Raise InputError for groups that nothing reads, and for values that the types of the nodes refuse.

    Parameters
    ----------
    parameters : dict
        As the nodes will read them.
    pipelines : dict
        By name; their nodes' type hints say what a group must be.
    loader : OmegaConfigLoader
        Where the parameters came from; a message names the files that set a wrong one.
    shared : dict
        Values that stand in the settings of every model: a wrong one is reported once, as `training.name`.
    """
    read = {name.removeprefix("params:") for pipeline in pipelines.values() for name in pipeline.inputs()}
    types = TypeExtractor(dict(pipelines)).extract_types_from_pipelines() | _OF_THE_RUN
    check_groups(parameters, read | types.keys())
    mistakes = [
        (_as_given(name, shared, loader.runtime_params), words)
        for group, expected in sorted(types.items())
        for name, words in _mistakes(group, expected, parameters)
    ]
    if mistakes:
        places = _places({name.split(".")[0] for name, _ in mistakes}, loader)
        raise InputError(f"Parameters are wrong (set in {places}):{one_or_a_list(mistakes)}")


def _mistakes(group: str, expected: Any, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and words for each mistake in a group. One that isn't configured has none: Kedro says so of a run's own."""
    if not _has(parameters, group):
        return
    value: Any = parameters
    for part in group.split("."):
        value = value[part]
    try:
        TypeAdapter(expected).validate_python(value)
    except ValidationError as error:
        for mistake in error.errors():
            yield place_and_words(group, value, mistake)


def _as_given(name: str, shared: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The name under which a value was given: `training.epochs` for a model's that comes from all models' group."""
    model, _, inner = name.partition(".settings.")
    within = inner.removeprefix(f"{SHARED_TRAINING}.")
    return inner if model in ARCHITECTURES and _has(shared, within) and not _has(given, name) else name


def _has(values: Any, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _places(groups: set[str], loader: OmegaConfigLoader) -> str:
    """Where groups of parameters are set; of several places the last one counts."""
    folders = [Path(loader.conf_source) / name for name in (loader.base_env, loader.env or loader.default_run_env)]
    files = [file for folder in dict.fromkeys(folders) for file in sorted(folder.rglob("parameters*.yml"))]
    places = [
        str(file).removeprefix(f"{Path.cwd()}/")
        for file in files
        if groups.intersection(re.findall(r"^(\w+):", file.read_text(encoding="utf-8"), re.MULTILINE))
    ]
    if groups.intersection(loader.runtime_params):
        places.append("--params")
    return ", then ".join(places) or "conf/base/parameters_*.yml, the environment's, or --params"
