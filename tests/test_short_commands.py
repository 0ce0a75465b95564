"""The short commands: names for runs of pipelines, no second way of running."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from conftest import DATA_FOLDER, ROOT, Demonstration, kedro_run
from esm2_amp import cli
from esm2_amp.app.options import RunOptions
from esm2_amp.evaluation.baselines import BASELINES
from esm2_amp.models.registry import MODELS
from esm2_amp.pipeline_registry import PIPELINES

WORDS = {
    "predict p.fasta pairs.csv -m ppi_mini -o s.csv": (
        ["prediction"],
        {"proteins": "p.fasta", "pairs": "pairs.csv", "model": "ppi_mini", "predicted_pairs": "s.csv"},
    ),
    "predict p.fasta --device cpu": (["prediction"], {"proteins": "p.fasta", "device": "cpu"}),
    "screen p.fasta --queries q.txt --known k.csv -o out --params=screening.top=5": (
        ["screening"],
        {"proteins": "p.fasta", "queries": "q.txt", "known_pairs": "k.csv", "output": "out", "screening": {"top": 5}},
    ),
    "explain p.fasta pairs.csv --regions r.tsv -o why": (
        ["explanation"],
        {"proteins": "p.fasta", "pairs": "pairs.csv", "regions": "r.tsv", "output": "why"},
    ),
    "evaluate p.fasta pairs.csv -o out": (
        ["evaluation"],
        {"proteins": "p.fasta", "pairs": "pairs.csv", "model": "ppi_mini", "output": "out"},
    ),
    "train p.fasta pairs.csv --split random --epochs 3 -o out": (
        ["training", "evaluation", "report"],
        {
            "proteins": "p.fasta",
            "pairs": "pairs.csv",
            "output": "out",
            "pair_building": {"split": "random"},
            "training": {"epochs": 3},
        },
    ),
}


def invoked(*words: str) -> Any:
    return CliRunner().invoke(cli.cli, list(words))


@pytest.mark.parametrize(("words", "expected"), WORDS.items())
def test_command_stands_for_a_run(words, expected, monkeypatch):
    given: dict[str, Any] = {}
    monkeypatch.setattr(cli.run, "callback", lambda **options: given.update(options))
    assert invoked(*words.split()).exit_code == 0
    assert (given["pipelines"], given["params"]) == expected


def test_prediction_is_that_of_kedro_run(demonstration_run: Demonstration, tmp_path, monkeypatch):
    data = shutil.copytree(demonstration_run.folder, tmp_path / "data")
    planted = data / "01_raw/planted"
    files = [str(planted / "proteins.fasta"), str(planted / "test_pairs.csv")]
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(DATA_FOLDER, str(data))
    bootstrap_project(ROOT)
    short = invoked("predict", *files, "-m", "ESM2_AMPS", "-o", str(tmp_path / "short.csv"), "--env=test")
    assert short.exit_code == 0, short.output
    options = f"proteins={files[0]},pairs={files[1]},model=ESM2_AMPS,predicted_pairs={tmp_path / 'long.csv'}"
    long = kedro_run(data, "--pipeline=prediction", f"--params={options}")
    assert long.exit_code == 0, long.output
    assert (tmp_path / "short.csv").read_bytes() == (tmp_path / "long.csv").read_bytes()


def test_models_are_trained_measured_and_used_where_nothing_was_before(tmp_path, monkeypatch):
    proteins, trained = ROOT / "data/01_raw/planted/proteins.fasta", tmp_path / "trained"
    labelled = pd.read_csv(ROOT / "data/01_raw/planted/train_pairs.csv", dtype=str).head(400)
    labelled.to_csv(tmp_path / "pairs.csv", index=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(DATA_FOLDER, str(tmp_path / "data"))
    bootstrap_project(ROOT)
    options = ["--split=random", "--epochs=1", "-o", str(trained), "--env=test"]
    done = invoked("train", str(proteins), str(tmp_path / "pairs.csv"), *options)
    assert done.exit_code == 0, done.output
    measured = pd.read_csv(trained / "model_comparison.csv").set_index("Model")
    assert set(measured.index) == {*MODELS, *BASELINES}
    split = json.loads((trained / "05_model_input/split_report.json").read_text())
    assert (measured["Pairs"] == split["test"]["pairs"]).all()
    assert (trained / "report.html").exists()
    options = ["-m", "ESM2_AMPS", f"--params=output={trained}", "--env=test"]
    done = invoked("predict", str(proteins), str(tmp_path / "pairs.csv"), *options)
    assert done.exit_code == 0, done.output
    scored = pd.read_csv(trained / "ESM2_AMPS/scored_pairs.csv").set_index(["Protein1", "Protein2"])["Probability"]
    predicted = pd.read_csv(trained / "predicted_pairs.csv").set_index(["Protein1", "Protein2"])["Probability"]
    np.testing.assert_allclose(predicted[scored.index], scored, rtol=1e-5)


def test_commands_work_outside_of_the_project(tmp_path):
    entries = list(SeqIO.parse(ROOT / "data/01_raw/examples/proteins.fasta", "fasta"))[:2]
    SeqIO.write(entries, tmp_path / "mine.fasta", "fasta")
    words = ["mine.fasta", "-m", "ppi_mini", "--encoder", str(ROOT / "data/06_models/esm2_mini"), "-o", "scores.csv"]
    environment = os.environ | {DATA_FOLDER: str(tmp_path / "data"), "KEDRO_ENV": "test"}
    command = [sys.executable, "-m", "esm2_amp", "predict", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rich_logging" not in done.stdout
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 1


def test_help_lists_commands_pipelines_and_options():
    commands = invoked("--help").output
    assert all(name in commands for name in ("predict", "screen", "explain", "evaluate", "train", "run"))
    listed = CliRunner().invoke(cli.cli, ["run", "--help"], terminal_width=100).output
    assert all(f"  {name} " in listed for name in PIPELINES)
    assert all(name in listed for name in RunOptions.model_fields)


def test_mistyped_command_gets_a_hint():
    found = invoked("predit", "p.fasta")
    assert found.exit_code == 2
    assert "must be one of the commands evaluate, explain, predict, run, screen, train, got 'predit' " in found.output
    assert "(did you mean predict?)" in found.output


def test_options_alone_are_those_of_run(monkeypatch):
    given: dict[str, Any] = {}
    monkeypatch.setattr(cli.run, "callback", lambda **options: given.update(options))
    assert invoked("--pipelines=report", "--params=seed=3").exit_code == 0
    assert (given["pipelines"], given["params"]) == (["report"], {"seed": 3})
