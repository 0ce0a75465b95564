"""Runs recorded by MLflow: kedro-mlflow's record, with parameters one by one and with what the run made."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from esm2_amp.errors import InputError
from esm2_amp.io.kedro_adapter import dataset_path

try:
    import mlflow
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
except ModuleNotFoundError as error:
    raise InputError(
        "tracking.enabled needs MLflow, which isn't installed: pip install 'esm2_amp[mlflow]', or leave it out"
    ) from error

_RECORDED = ("06_models", "08_reporting")


class Tracking(MlflowHook):
    """kedro-mlflow's hooks, which begin and end the record of a run; each parameter gets a name of its own."""

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog, inputs: dict[str, Any], is_async: bool) -> None:
        """Record the parameters of a step."""
        plain = {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in inputs.items()}
        super().before_node_run(node=node, catalog=catalog, inputs=plain, is_async=is_async)

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Record metrics, models, tables and figures, then end the record."""
        for name in sorted(pipeline.all_outputs()):
            path = dataset_path(catalog.get(name))
            if path is not None and path.exists():
                _record(path)
            if name.endswith("metrics"):
                mlflow.log_metrics(dict(_numbers(name, catalog.load(name))))
        super().after_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)


def _record(path: Path) -> None:
    """Copy a result into the record, under the folders that it has below the data folder."""
    layer = next((row for row, part in enumerate(path.parts) if part in _RECORDED), None)
    if layer is None:
        return
    if path.is_dir():
        mlflow.log_artifacts(str(path), "/".join(path.parts[layer:]))
    else:
        mlflow.log_artifact(str(path), "/".join(path.parts[layer:-1]))


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Numbers of nested mappings, by the names of the way to them with dots between."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(f"{name}.{key}", inner)
    elif isinstance(value, int | float):
        yield name, float(value)
