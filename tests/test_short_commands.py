"""The short commands: names for runs of pipelines, no second way of running."""

import shutil
from typing import Any

import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from conftest import DATA_FOLDER, ROOT, Demonstration, kedro_run
from esm2_amp import cli
from esm2_amp.app.options import RunOptions
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
