"""The session of a run: which pipelines the names given stand for, and a user's mistake as one message."""

import logging
import os
import traceback
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.config import AbstractConfigLoader
from kedro.framework.cli.utils import KedroCliError
from kedro.framework.context import KedroContext
from kedro.framework.project import LOGGING, pipelines
from kedro.framework.session import KedroSession
from kedro.utils import find_config_file

from esm2_amp.app.mistakes import message_for_user
from esm2_amp.app.model_folders import find_project
from esm2_amp.app.step_names import check_names, full_names, full_namespaces
from esm2_amp.errors import InputError
from esm2_amp.pipeline_registry import PIPELINES, pipelines_for

logger = logging.getLogger(__name__)

_LOOK_AT_REGIONS = {"__default__", "results"}
_OF_PAIR_EVALUATION = {"proteins", "features", "pairs", "model", "checkpoint", "encoder"}
"""Options by which `evaluation` measures a model on given pairs, not the models trained here on their test pairs."""

_SPLITTING = {"training", "pair_building"}
"""Pipelines that split the given pairs; `evaluation` beside them is that of the test pairs."""

_OF_NODES = ("node_names", "from_nodes", "to_nodes")
"""Options that name steps."""

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
    """Kedro's session, which runs the pipelines that suit the parameters, and refuses unknown names of pipelines."""

    def __init__(self, *, project_path: Path | str | None = None, **options: Any) -> None:
        super().__init__(project_path=project_path or find_project(), **options)

    def run(
        self, pipeline_name: str | None = None, pipeline_names: list[str] | None = None, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Run pipelines; a user's mistake ends as UserError."""
        try:
            names = pipeline_names or [pipeline_name or "__default__"]
            check_names("--pipeline", names, PIPELINES)
            self._check_environment()
            loader = self.load_context().config_loader
            names = _of_given_pairs(names, loader.runtime_params)
            _check_options(names, loader)
            _check_device(loader["parameters"])
            names = _pipelines_of_run(names, loader)
            pipelines.set_requested(names)
            nodes = [node for name in names for node in pipelines[name].nodes]
            kwargs |= {option: full_names(kwargs.get(option), nodes) for option in _OF_NODES}
            kwargs["namespaces"] = full_namespaces(kwargs.get("namespaces"), nodes)
            return super().run(None, names, *args, **kwargs)
        except Exception as error:
            message = message_for_user(error)
            if message is None:
                raise
            raise UserError(message) from error

    def _check_environment(self) -> None:
        conf, environment = Path(self._conf_source), self.store.get("env")
        if not conf.is_dir():
            raise InputError(
                f"{conf} must be a folder of configuration files; start in the project's folder, or give another as "
                "--conf-source=DIR"
            )
        if environment:
            check_names("--env", [environment], sorted(path.name for path in conf.iterdir() if path.is_dir()))

    def load_context(self) -> KedroContext:
        """The context of this session, which is made once: hooks see it when it is."""
        return self._context

    @cached_property
    def _context(self) -> KedroContext:
        if find_config_file("conf/logging") is None and "KEDRO_LOGGING_CONFIG" not in os.environ:
            # Kedro looks for it in the working directory alone, which may be a folder of the project
            text = (self._project_path / "conf/logging.yml").read_text(encoding="utf-8")
            LOGGING.configure(yaml.safe_load(text))
        return super().load_context()


def _pipelines_of_run(names: list[str], loader: AbstractConfigLoader) -> list[str]:
    """The registered pipelines that names stand for, with what the parameters and files given say of them."""
    given = loader.runtime_params
    configured = loader["globals"].get("regions")
    regions = "regions" in given or (configured is not None and not _OTHER_PROTEINS.intersection(given))
    if not regions and _LOOK_AT_REGIONS.intersection(names):
        logger.info("Functional regions are left out: none are given for these proteins (--params=regions=FILE)")
    parameters = loader["parameters"]
    return pipelines_for(
        names,
        search=parameters["search"]["enabled"],
        latents=parameters["latent_explanation"]["enabled"],
        regions=regions,
    )


def _of_given_pairs(names: list[str], given: Mapping[str, Any]) -> list[str]:
    """The names, with those in place of `evaluation` and `explanation` that suit the files given."""
    if "regions" in given:
        names = ["explanation_in_regions" if name == "explanation" else name for name in names]
    if "evaluation" not in names or _SPLITTING.intersection(names) or not _OF_PAIR_EVALUATION.intersection(given):
        return names
    if "pairs" not in given or not {"proteins", "features"}.intersection(given):
        raise InputError(
            "The evaluation of a model on given pairs needs pairs=FILE, with labels, and proteins=FILE (or "
            f"features=FILE) in --params, got only {', '.join(sorted(given))}"
        )
    return ["pair_evaluation" if name == "evaluation" else name for name in names]


def _check_options(names: list[str], loader: AbstractConfigLoader) -> None:
    """Raise InputError for an option that the pipelines of the run don't read, whatever parameters leave out of it."""
    given = loader.runtime_params
    if given:
        from esm2_amp.app.read_options import check_options_are_read

        chosen = {*names, *pipelines_for(names, search=True, latents=True, regions=True)}
        check_options_are_read(given, names, chosen, pipelines, loader)


def _check_device(parameters: Mapping[str, Any]) -> None:
    """Raise InputError for a device that this machine lacks, before any step."""
    device = parameters["run"]["device"]
    if device not in ("auto", "cpu"):
        from esm2_amp.devices import resolve_device  # imports torch

        resolve_device(device)
