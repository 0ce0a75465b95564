"""The session of a run: a user's mistake ends in one message, not in a traceback."""

import logging
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.utils import KedroCliError
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.validation import ParameterValidationError
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from esm2_amp.app.options import check_groups, check_options, check_pair_files
from esm2_amp.errors import InputError
from esm2_amp.parameters.hyperparameter_search import SearchParameters
from esm2_amp.parameters.tracking import TrackingParameters

logger = logging.getLogger(__name__)

_BUILD_PAIRS = {"__default__", "training", "pair_building"}
"""Pipelines that read pair files with a split."""

_STEPS_BEFORE_TRAINING = ("feature_extraction", "pair_building")

_LOOK_AT_REGIONS = {"__default__", "results"}
_OTHER_PROTEINS = {"proteins", "features", "pairs"}
"""Files of a user in whose place the configured regions don't stand."""


class UserError(KedroCliError):
    """An InputError as the command line shows it: its words in red, and the traceback only with `--verbose`."""

    def show(self, file: Any = None) -> None:
        """Print the message; with `--verbose` the traceback before it."""
        if self.VERBOSE_ERROR:
            click.secho("".join(traceback.format_exception(self)), fg="yellow", err=True)
        click.secho(f"\nError: {self.message}", fg="red", err=True)


class Session(KedroSession):
    """Kedro's session, which also refuses unknown names after `--params=`, `--pipeline=` and `--namespaces=`."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run a pipeline; InputError and wrong parameters end as UserError."""
        try:
            names = list(kwargs.get("pipeline_names") or ["__default__"])
            _check_names("--pipeline", names, pipelines)
            self._check_params(names)
            check_groups(self._get_config_loader()["parameters"], _groups_read())
            kwargs["pipeline_names"] = self._expanded(names)
            namespaces = {node.namespace for name in kwargs["pipeline_names"] for node in pipelines[name].nodes}
            _check_names("--namespaces", kwargs.get("namespaces"), sorted(filter(None, namespaces)))
            return super().run(*args, **kwargs)
        except Exception as error:
            message = _message_for_user(error, self._where)
            if message is None:
                raise
            raise UserError(message) from error

    def load_context(self) -> KedroContext:
        """Kedro's context; where `tracking.enabled`, runs are recorded by MLflow."""
        parameters = self._get_config_loader()["parameters"]["tracking"]
        if TrackingParameters.model_validate(parameters).enabled and not self._hook_manager.has_plugin("tracking"):
            from esm2_amp.app.tracking import Tracking  # noqa: PLC0415 - an extra

            self._hook_manager.register(Tracking(), "tracking")
        return super().load_context()

    def _check_params(self, pipeline_names: Iterable[str]) -> None:
        """Check what follows `--params=` before anything reads it."""
        if given := self.store.get("runtime_params"):
            loader = self._get_config_loader()
            loader.runtime_params = {}
            configured = loader["parameters"]
            check_options(given, configured)
            if _BUILD_PAIRS.intersection(pipeline_names):
                check_pair_files(given, configured["pair_building"]["split"])

    def _where(self, report: str) -> str:
        """Where the groups of parameters that a report names are set; of several places the last one counts."""
        groups = set(re.findall(r"Parameter '(\w+)", report))
        folders = [Path(self._conf_source) / environment for environment in ("base", self.store.get("env") or "local")]
        files = [file for folder in folders for file in sorted(folder.rglob("parameters*.yml"))]
        places = [str(file) for file in files if groups.intersection(re.findall(r"^(\w+):", file.read_text(), re.M))]
        given = self.store.get("runtime_params") or {}
        return ", then ".join([*map(_shortest, places), *(["--params"] if groups.intersection(given) else [])])

    def _expanded(self, names: list[str]) -> list[str]:
        """The pipelines asked for, in the steps that suit the parameters.

        Where `search.enabled`, those that train search first and then refit. `functional_regions` is left out of
        `results` where no regions are given for the proteins.
        """
        training, results = ["training"], ["results"]
        steps = {}
        if SearchParameters.model_validate(self._get_config_loader()["parameters"]["search"]).enabled:
            training = [*_STEPS_BEFORE_TRAINING, "hyperparameter_search", "refit"]
            steps = {"training": training, "model_training": training[2:]}
        if _LOOK_AT_REGIONS.intersection(names) and not self._has_regions():
            logger.info("Functional regions are left out: none are given for these proteins (--params=regions=FILE)")
            results = ["evaluation", "interpretability", "report"]
        steps |= {"__default__": [*training, *results], "results": results}
        return [step for name in names for step in steps.get(name, [name])]

    def _has_regions(self) -> bool:
        given = self.store.get("runtime_params") or {}
        configured = self._get_config_loader()["globals"].get("regions")
        return "regions" in given or (configured is not None and not _OTHER_PROTEINS.intersection(given))


def _message_for_user(error: BaseException, where: Callable[[str], str]) -> str | None:
    """The words of the mistake that caused an error, if it was a user's."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return str(cause)
        if isinstance(cause, MissingConfigException):
            return f"--env must name a folder in conf/ such as base, bernett or esm2_650m: {cause}"
        if isinstance(cause, YAMLError | OmegaConfBaseException):
            return f"The configuration can't be read: {cause}"
        if isinstance(cause, ParameterValidationError | ValidationError):
            report = str(cause)
            places = where(report) or "conf/base/parameters_*.yml, the environment's, or --params"
            return f"Parameters are wrong (set in {places}):{_in_plain_words(report)}"
    return None


def _groups_read() -> set[str]:
    """Groups of parameters that some pipeline or the session reads."""
    read = {name for pipeline in pipelines.values() for name in pipeline.inputs() if name.startswith("params:")}
    return {name.removeprefix("params:") for name in read} | {"search", "tracking"}


def _check_names(option: str, given: Iterable[str] | None, known: Iterable[str]) -> None:
    for name in given or ():
        if name not in known:
            raise InputError(f"{option} must be one of {', '.join(known)}, got {name!r}")


def _in_plain_words(report: str) -> str:
    """Pydantic's report as a line for each mistake: the parameter's whole name, what it should be, what it is."""
    mistakes, group, place = [], "", ""
    for line in report.splitlines():
        if found := re.match(r"- Parameter '([\w.]+)'", line):
            group, place = found[1], ""
        elif re.match(r"\d+ validation error|Parameter validation failed", line):
            continue
        elif not line.startswith("  "):
            place = line
        elif "For further information" not in line:
            words = re.sub(r" \[type=value_error, .*\]$", "", line.strip().removeprefix("Value error, "))
            words = re.sub(r" \[type=\w+, input_value=(.*), input_type=\w+\]$", r", got \1", words)
            words = words.replace("Extra inputs are not permitted", "There is no parameter of this name")
            mistakes.append(": ".join(filter(None, [".".join(filter(None, [group, place])), words])))
    return f" {mistakes[0]}" if len(mistakes) == 1 else "".join(f"\n- {mistake}" for mistake in mistakes)


def _shortest(path: str) -> str:
    return path.removeprefix(f"{Path.cwd()}/")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
