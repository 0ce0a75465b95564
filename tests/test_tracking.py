"""Runs recorded by MLflow."""

import json
from importlib import import_module
from importlib.util import find_spec

import pytest

from conftest import kedro_run, kedro_run_alone

needs_mlflow = pytest.mark.skipif(find_spec("kedro_mlflow") is None, reason="needs the extra esm2_amp[mlflow]")


@needs_mlflow
def test_run_is_recorded_with_parameters_metrics_models_and_figures(data):
    done = kedro_run_alone(data, "--pipeline=evaluation", "--params=tracking.enabled=true")
    assert done.exit_code == 0, done.output
    assert "Traceback" not in done.output
    assert "mlflow" not in done.output.lower()
    client = import_module("mlflow.tracking").MlflowClient(f"sqlite:///{data}/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("esm2_amp").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["evaluation.replicates"] == "100"
    metrics = json.loads((data / "08_reporting/ESM2_AMPS/metrics.json").read_text())
    assert run.data.metrics["ESM2_AMPS.metrics.test.auroc"] == pytest.approx(metrics["test"]["auroc"])
    recorded = {file.path for file in client.list_artifacts(run.info.run_id, "08_reporting/ESM2_AMPS")}
    assert {f"08_reporting/ESM2_AMPS/{name}" for name in ("metrics.json", "summary.png", "roc.json")} <= recorded
    go = kedro_run_alone(data, "--pipeline=model_release", "--params=tracking.enabled=true,model=ESM2_DPM")
    assert go.exit_code == 0, go.output
    released, _ = client.search_runs([run.info.experiment_id])
    assert client.list_artifacts(released.info.run_id, "06_models/released/model")


@needs_mlflow
def test_nothing_is_recorded_unless_asked_for(data):
    done = kedro_run_alone(data, "--pipeline=model_release", "--params=model=ESM2_DPM")
    assert done.exit_code == 0, done.output
    assert not (data / "mlflow.db").exists()


@pytest.mark.skipif(find_spec("kedro_mlflow") is not None, reason="MLflow is installed")
def test_missing_mlflow_is_told(tmp_path):
    exit_code, output = kedro_run(tmp_path, "--pipeline=planted_data", "--params=tracking.enabled=true")
    assert exit_code == 1
    assert "tracking.enabled needs MLflow, which isn't installed: pip install 'esm2_amp[mlflow]'" in output
    assert not list(tmp_path.iterdir())


def test_mistyped_switch_is_told(tmp_path):
    exit_code, output = kedro_run(tmp_path, "--pipeline=planted_data", "--params=tracking.enable=true")
    assert exit_code == 1
    assert "There is no parameter of this name" in output
