"""What a run checks before it starts, and what it says: the step it is at, and at the end where the results are."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines, settings
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pluggy import PluginManager

from esm2_amp.app.optional_inputs import does_without
from esm2_amp.app.options import SHARED_TRAINING, check_options, check_pair_files, with_shared_training
from esm2_amp.app.parameter_check import check_parameters
from esm2_amp.app.step_names import short_name
from esm2_amp.cluster import Cluster
from esm2_amp.errors import InputError
from esm2_amp.io.kedro_adapter import dataset_path
from esm2_amp.pipeline_registry import SUMS
from esm2_amp.progress import in_words
from esm2_amp.threads import limit_threads

logger = logging.getLogger("esm2_amp.run")

_WORKING_LAYERS = ("02_intermediate", "03_primary", "04_feature", "05_model_input")
_ROOM = 120
"""Characters for the names of a folder's results; of a fuller folder only their number is logged."""
_MOST_FOLDERS = 4
"""Lines for folders; where there are more, the deepest are told by those that hold them."""


class ParameterCheck:
    """Checks the parameters as soon as there is a configuration, and hands out those of all models to each."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Raise InputError for what is wrong after `--params=` and in the parameter files."""
        loader = cast("OmegaConfigLoader", context.config_loader)  # the class that settings.py names
        given = loader.runtime_params
        if given:
            of_files = type(loader)(conf_source=loader.conf_source, env=loader.env, **settings.CONFIG_LOADER_ARGS)
            check_options(given, of_files["parameters"], loader["globals"]["data"], context.project_path)
        configured = loader["parameters"]
        loader["parameters"] = parameters = with_shared_training(configured, given)
        single = {name: pipelines[name] for name in pipelines if name not in SUMS}
        check_parameters(parameters, single, loader, configured.get(SHARED_TRAINING, {}))


class InputCheck:
    """Refuses to start a run that lacks an input, before hours go into the steps that don't need it.

    What every step that reads it can do without is None where it isn't there.
    """

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Raise InputError for an input or a cluster that isn't there; of an input, name the pipeline that makes it."""
        from esm2_amp.io.local import InputFileDataset  # not needed to report a mistyped option
        from esm2_amp.io.models import ModelDataset

        if "pairs_raw" in pipeline.inputs():
            check_pair_files(run_params["runtime_params"], catalog.load("params:pair_building").split)
        for name in sorted(pipeline.inputs()):
            dataset = catalog.get(name)
            path = dataset_path(dataset)
            if dataset is None or path is None or dataset.exists():
                continue
            if all(does_without(node, name) for node in pipeline.nodes if name in node.inputs):
                catalog[name] = MemoryDataset(None)
                continue
            if makers := [maker for maker, made in pipelines.items() if name in made.all_outputs()]:
                maker = min(makers, key=lambda maker: len(pipelines[maker].nodes))
                raise InputError(f"{name} isn't at {path} yet; run `kedro run --pipeline={maker}` first")
            if isinstance(dataset, InputFileDataset | ModelDataset):
                catalog.load(name)  # raises an error that says what is missing
            raise InputError(f"{name}: there is nothing at {path}; put it there first")
        if "params:run" in pipeline.inputs() and (cluster := Cluster.of(catalog.load("params:run"))):
            cluster.check()


class RunDiary:
    """Logs each step as it begins, and after a run the files that it wrote for people to read or use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._started = time.monotonic()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Count the steps, before any of them loads a library that starts threads."""
        limit_threads()
        self._numbers = {node.name: number for number, node in enumerate(pipeline.nodes, start=1)}
        self._started = time.monotonic()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Say which step begins."""
        logger.info("[%d/%d] %s", self._numbers[node.name], len(self._numbers), short_name(node))

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Say how long it took, and where the results are."""
        logger.info("Done in %s. Results:", in_words(time.monotonic() - self._started))
        written = {_shortest(file) for file in _written(pipeline, catalog)}
        for folder, files in _by_folder(
            file for file in written if not any(layer in str(file) for layer in _WORKING_LAYERS)
        ).items():
            names = ", ".join(sorted(str(file.relative_to(folder)) for file in files))
            folders = {file.parent for file in files}
            count = f"{len(files)} results" + (f" in {len(folders)} folders" if len(folders) > 1 else "")
            logger.info("  %s: %s", folder, names if len(names) <= _ROOM else count)
        if "report" in pipeline.all_outputs() and (path := dataset_path(catalog.get("report"))):
            logger.info("The report, to open in a browser or to send: %s", _shortest(path))


class TrackingWhereEnabled:
    """Passes Kedro's calls on to the record of MLflow where `tracking.enabled`; elsewhere MLflow isn't imported."""

    def __init__(self) -> None:
        self._recorders = PluginManager("kedro")

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Begin to record, if that is asked for."""
        self._recorders = PluginManager("kedro")
        if context.config_loader["parameters"]["tracking"]["enabled"]:
            from esm2_amp.app.tracking import Tracking  # an extra

            self._recorders.register(Tracking())
        self._pass_on("after_context_created", context=context)

    @hook_impl
    def after_catalog_created(
        self,
        catalog: DataCatalog,
        conf_catalog: dict[str, Any],
        conf_creds: dict[str, Any],
        parameters: dict[str, Any],
        save_version: str,
        load_versions: dict[str, str],
    ) -> None:
        """Pass the call on to the record of MLflow, where there is one."""
        self._pass_on(
            "after_catalog_created",
            catalog=catalog,
            conf_catalog=conf_catalog,
            conf_creds=conf_creds,
            parameters=parameters,
            save_version=save_version,
            load_versions=load_versions,
        )

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Pass the call on to the record of MLflow, where there is one."""
        self._pass_on("before_pipeline_run", run_params=run_params, pipeline=pipeline, catalog=catalog)

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: DataCatalog, inputs: dict[str, Any], is_async: bool, run_id: str
    ) -> None:
        """Pass the call on to the record of MLflow, where there is one."""
        self._pass_on("before_node_run", node=node, catalog=catalog, inputs=inputs, is_async=is_async, run_id=run_id)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], run_result: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Pass the call on to the record of MLflow, where there is one."""
        self._pass_on(
            "after_pipeline_run", run_params=run_params, run_result=run_result, pipeline=pipeline, catalog=catalog
        )

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Pass the call on to the record of MLflow, where there is one."""
        self._pass_on("on_pipeline_error", error=error, run_params=run_params, pipeline=pipeline, catalog=catalog)

    def _pass_on(self, name: str, **arguments: Any) -> None:
        if (hook := getattr(self._recorders.hook, name, None)) is not None:
            hook(**arguments)


def _written(pipeline: Pipeline, catalog: DataCatalog) -> Iterator[Path]:
    """The files and folders of what a pipeline makes; of a set of figures, each figure."""
    for name in pipeline.all_outputs():
        dataset = catalog.get(name)
        if (
            files := getattr(dataset, "files", None)
        ) is not None:  # of a FigureSetDataset, whose module loads Matplotlib
            yield from files()
        elif path := dataset_path(dataset):
            yield path


def _by_folder(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """Files by the folder that they are in, at any depth: those of the deepest folders are told by what holds these."""
    found: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        found[file.parent].append(file)
    while len(found) > _MOST_FOLDERS and len(depths := {len(folder.parts) for folder in found}) > 1:
        for folder in [folder for folder in found if len(folder.parts) == max(depths)]:
            found[folder.parent] += found.pop(folder)
    return dict(sorted(found.items()))


def _shortest(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
