"""What a run checks before it starts, and what it says: the step it is at, and at the end where the results are."""

import logging
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from esm2_amp.app.optional_inputs import does_without
from esm2_amp.errors import InputError
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.models import ModelDataset
from esm2_amp.progress import in_words

logger = logging.getLogger("esm2_amp.run")

_WORKING_LAYERS = ("02_intermediate", "03_primary", "04_feature", "05_model_input")
_ROOM = 320
"""Characters for the names of a folder's results; of a fuller folder their number is told."""


class InputCheck:
    """Refuses to start a run that lacks an input, before hours go into the steps that don't need it.

    What every step that reads it can do without is None where it isn't there.
    """

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Raise InputError for an input that isn't there, naming the pipeline that makes it."""
        for name in sorted(pipeline.inputs()):
            dataset = catalog.get(name)
            path = getattr(dataset, "_filepath", getattr(dataset, "_path", None))
            if dataset is None or path is None or dataset.exists():
                continue
            if all(does_without(node, name) for node in pipeline.nodes if name in node.inputs):
                catalog[name] = MemoryDataset(None)
                continue
            if makers := [maker for maker, made in pipelines.items() if name in made.all_outputs()]:
                maker = min(makers, key=lambda maker: len(pipelines[maker].nodes))
                raise InputError(f"{name} isn't at {path} yet; run `kedro run --pipeline={maker}` first")
            if isinstance(dataset, InputFileDataset | ModelDataset):
                catalog.load(name)  # says in its own words what is missing
            raise InputError(f"{name}: there is nothing at {path}; put it there first")


class RunDiary:
    """Logs each step as it begins, and after a run the files that it wrote for people to read or use."""

    def __init__(self) -> None:
        self._total = self._begun = 0
        self._started = time.monotonic()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Count the steps."""
        self._total, self._begun, self._started = len(pipeline.nodes), 0, time.monotonic()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Say which step begins."""
        self._begun += 1
        logger.info("[%d/%d] %s", self._begun, self._total, node.name)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Say how long it took, and where the results are."""
        logger.info("Done in %s. Results:", in_words(time.monotonic() - self._started))
        results: dict[Path, list[str]] = defaultdict(list)
        for name in pipeline.all_outputs():
            filepath = getattr(catalog.get(name), "_filepath", None)
            if filepath is not None and not any(layer in str(filepath) for layer in _WORKING_LAYERS):
                results[_shortest(Path(str(filepath))).parent].append(Path(str(filepath)).name)
        for folder in sorted(results):
            names = ", ".join(sorted(results[folder]))
            logger.info("  %s: %s", folder, names if len(names) <= _ROOM else f"{len(results[folder])} results")
        if "report" in pipeline.all_outputs():
            path = Path(str(getattr(catalog.get("report"), "_filepath", "")))
            logger.info("The report, to open in a browser or to send: %s", _shortest(path))


def _shortest(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
