"""What a run says: which step it is at, and at the end where the results are."""

import logging
import time
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from esm2_amp.progress import in_words

logger = logging.getLogger("esm2_amp.run")

_RESULT_LAYERS = ("06_models", "07_model_output", "08_reporting")


class RunDiary:
    """Logs each step as it begins, and after a run the files of the result layers that it wrote."""

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
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Say how long it took, and where the results are."""
        logger.info("Done in %s. Results:", in_words(time.monotonic() - self._started))
        for name in sorted(pipeline.all_outputs()):
            filepath = getattr(catalog.get(name), "_filepath", None)
            if filepath is not None and any(layer in str(filepath) for layer in _RESULT_LAYERS):
                logger.info("  %s: %s", name, _shortest(Path(str(filepath))))


def _shortest(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
