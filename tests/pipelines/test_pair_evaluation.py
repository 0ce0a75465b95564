"""An existing model on labelled pairs of the user."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, kedro_run
from esm2_amp.models.storage import SEQUENCE_DIGITS, TRAINING_PROTEINS


@pytest.fixture
def files(data):
    """The proteins and test pairs of the demonstration, as a user's own."""
    planted = data / "01_raw/planted"
    return f"proteins={planted}/proteins.fasta,pairs={planted}/test_pairs.csv"


def test_the_test_pairs_given_as_files_have_the_figures_of_the_evaluation(data, go, files, tmp_path):
    go("--pipeline=evaluation", f"--params={files},model=ESM2_GRU,output={tmp_path}")
    found = pd.read_csv(tmp_path / "model_comparison.csv").iloc[0]
    expected = pd.read_csv(data / "08_reporting/model_comparison.csv").set_index("Model").loc["ESM2_GRU"]
    assert found["Model"] == "ESM2_GRU"
    assert found["Kind"] == "model"
    # these decisions are at 0.5, as those of the evaluation are by default; a model is read in one order here
    columns = [name for name in expected.index if name not in ("Kind", "AUROCSwapped", "Temperature")]
    np.testing.assert_allclose(found[columns].astype(float), expected[columns].astype(float), rtol=1e-4)
    scored = pd.read_csv(tmp_path / "scored_pairs.csv")
    earlier = pd.read_csv(data / "07_model_output/ESM2_GRU/scored_pairs.csv").query("Split == 'test'")
    np.testing.assert_allclose(scored["Logit"], earlier["Logit"], atol=1e-5)
    assert scored["Seen"].tolist() == earlier["Seen"].tolist()
    page = (tmp_path / "report.html").read_text()
    assert "ESM2_GRU on test_pairs.csv" in page
    assert (tmp_path / "summary.png").stat().st_size > 0


def test_strata_are_those_of_the_models_own_training(data, go, files, tmp_path):
    stored = data / "06_models/ESM2_GRU/model" / TRAINING_PROTEINS
    seen = set(stored.read_text().split())
    training = pd.read_csv(data / "01_raw/planted/train_pairs.csv")
    assert len(seen) == len({*training["Protein1"], *training["Protein2"]})
    assert {len(digits) for digits in seen} == {SEQUENCE_DIGITS}
    stored.unlink()
    output = go("--pipeline=evaluation", f"--params={files},model=ESM2_GRU,output={tmp_path}")
    assert set(pd.read_csv(tmp_path / "scored_pairs.csv")["Seen"]) == {"unknown"}
    assert "strata are unknown" in " ".join(output.split())
    assert "which pairs it saw in training is unknown" in (tmp_path / "report.html").read_text()


def test_shipped_models_hold_the_proteins_they_were_trained_on():
    for name in ("ppi_mini", "ppi_mini_amps"):
        folder = ROOT / "data/06_models" / name / "model"
        split = json.loads((folder / "card.json").read_text())["split"]
        assert len((folder / TRAINING_PROTEINS).read_text().split()) == split["train"]["proteins"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1, 1, 1], "must be 0 and 1, got only 1"),
        ([0.2, 0.9, 1], "must be 0 or 1"),
        (None, "must have a column Label"),
    ],
)
def test_labels_that_measure_nothing(data, labels, words, tmp_path):
    first = pd.read_csv(data / "01_raw/planted/test_pairs.csv")[["Protein1", "Protein2"]][:3]
    (first if labels is None else first.assign(Label=labels)).to_csv(tmp_path / "p.csv", index=False)
    shutil.rmtree(data / "08_reporting/pair_evaluation", ignore_errors=True)
    proteins = data / "01_raw/planted/proteins.fasta"
    done = kedro_run(data, "--pipeline=evaluation", f"--params=proteins={proteins},pairs={tmp_path}/p.csv")
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    assert not (data / "08_reporting/pair_evaluation/model_comparison.csv").exists()


@pytest.mark.parametrize("option", ["model=ESM2_GRU", "pairs={}/test_pairs.csv", "proteins={}/proteins.fasta"])
def test_half_of_what_an_evaluation_of_given_pairs_needs(data, option):
    option = option.format(data / "01_raw/planted")
    done = kedro_run(data, "--pipeline=evaluation", f"--params={option}")
    assert done.exit_code == 1
    assert "needs pairs=FILE, with labels, and proteins=FILE" in " ".join(done.output.split())
