"""Paths and values as users write them after `--params=`."""

import doctest
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from conftest import ROOT, kedro_run
from esm2_amp.app import given_paths
from esm2_amp.app.given_paths import from_here, hide_commas, show_commas
from esm2_amp.cli import run

MODEL = f"model={ROOT}/data/06_models/ppi_mini,encoder={ROOT}/data/06_models/esm2_mini"
EXAMPLES = ROOT / "data/01_raw/examples"
PROTEINS = (EXAMPLES / "proteins.fasta").read_text()


def test_examples():
    assert doctest.testmod(given_paths).failed == 0


def test_paths_start_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "mine").mkdir()
    given = {"pairs": "p.csv", "proteins": "~/up.fasta", "output": "../out", "checkpoint": "m.pth", "model": "./mine"}
    here = str(tmp_path)
    assert from_here(given) == {
        "pairs": f"{here}/p.csv",
        "proteins": f"{here}/home/up.fasta",
        "output": f"{here}/../out",
        "checkpoint": f"{here}/m.pth",
        "model": f"{here}/mine",
    }


@pytest.mark.parametrize("text", ['a="1, 2",b=3', 'a=x"y,b=3', "a=1,b=2"])
def test_commas_are_hidden_only_between_quotation_marks(text):
    parts = hide_commas(text).split(",")
    assert [show_commas(part) for part in parts] == {
        'a="1, 2",b=3': ["a=1, 2", "b=3"],
        'a=x"y,b=3': ['a=x"y', "b=3"],
        "a=1,b=2": ["a=1", "b=2"],
    }[text]


def test_files_with_blanks_commas_and_equals_signs(tmp_path):
    folder = tmp_path / "run, 2 = last"
    folder.mkdir()
    (folder / "my proteins.fasta").write_text(PROTEINS)
    (folder / "p,q.csv").write_text("Protein1,Protein2\nP63165,P63279\n")
    options = f'proteins="{folder}/my proteins.fasta",pairs="{folder}/p,q.csv",output="{folder}/out",{MODEL}'
    done = kedro_run(tmp_path / "data", "--pipeline=prediction", f"--params={options}")
    assert done.exit_code == 0, done.output
    assert pd.read_csv(folder / "out/predicted_pairs.csv")["Status"].tolist() == ["scored"]


def test_a_comma_without_quotation_marks():
    done = CliRunner().invoke(run, ["--params=proteins=run, 2/up.fasta"])
    assert done.exit_code == 2
    assert re.search(r"""'proteins="run, 2/my.fasta",seed=1'""", done.output)


def test_runs_from_a_folder_inside_the_project_read_the_files_there(project, monkeypatch):
    inside = Path(project) / "notebooks"
    (inside / "p.csv").write_text("Protein1,Protein2\nP63165,P63279\n")
    (Path(project) / "p.csv").write_text("Protein1,Protein2\nP63165,P63279\nP63279,P63165\n")
    monkeypatch.setenv("ESM2_AMP_TEST_DATA", str(project / "data"))
    monkeypatch.chdir(inside)
    done = CliRunner().invoke(
        run,
        [
            "--env=test",
            "--pipeline=prediction",
            f"--params=pairs=p.csv,proteins={EXAMPLES}/proteins.fasta,output=out,{MODEL}",
        ],
    )
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(inside / "out/predicted_pairs.csv")) == 1
