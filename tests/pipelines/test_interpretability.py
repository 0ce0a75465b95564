import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import kedro_run
from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION, READINGS
from esm2_amp.models.registry import network_class
from esm2_amp.protein import pair_token_names
from esm2_amp.statistics.metrics import sigmoid

METHODS = (*READINGS, "integrated_gradients")


@pytest.fixture(scope="module")
def chosen(demonstration_run):
    pairs = pd.read_csv(demonstration_run.folder / "01_raw/planted/test_pairs.csv")
    return pairs["Protein1"].str.cat(pairs["Protein2"], "-").tolist()[5:7]


@pytest.fixture(scope="module")
def explained(demonstration_run, chosen, tmp_path_factory):
    """The data folder of a run in which two pairs were chosen by their swapped names."""
    folder = Path(shutil.copytree(demonstration_run.folder, tmp_path_factory.mktemp("explained") / "data"))
    swapped = " ".join("-".join(name.split("-")[::-1]) for name in chosen)
    done = kedro_run(folder, "--pipeline=interpretability", f"--params=interpretability.chosen_pairs={swapped}")
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("model", MODELS_WITH_ATTENTION)
def test_every_method_explains_the_same_pairs_by_the_models_tokens(model, explained):
    of_model = explained / f"07_model_output/{model}/explanation"
    pairs = pd.read_parquet(of_model / "explained_pairs.parquet")
    assert list(pairs) == ["Protein1", "Protein2", "Label", "Probability", "Prediction"]
    assert len(pairs) == 16
    tokens = pair_token_names(network_class(model).protein_tokens)
    scored = pd.read_csv(explained / f"07_model_output/{model}/scored_pairs.csv").query("Split == 'test'")
    merged = pairs.merge(scored, on=["Protein1", "Protein2"], suffixes=("", "Evaluated"))
    np.testing.assert_allclose(merged["Probability"], merged["ProbabilityEvaluated"], rtol=1e-5)
    assert merged["Prediction"].equals(merged["PredictionEvaluated"])
    for method in METHODS:
        table = pd.read_parquet(of_model / f"{method}_importance.parquet")
        assert table.columns.tolist() == [*pairs.columns[:5], *tokens]
        assert table["Protein1"].equals(pairs["Protein1"])
        assert (table[tokens] >= 0).all(axis=None)
        ranked = pd.read_csv(explained / f"08_reporting/{model}/explanation/{method}_tokens.csv")
        assert ranked["Importance"].is_monotonic_decreasing
        np.testing.assert_allclose(ranked.set_index("Token")["Importance"][tokens], table[tokens].mean(), rtol=1e-5)


def test_arrays_carry_the_names_of_their_axes(explained, chosen):
    of_model = explained / "07_model_output/ESM2_AMPS/explanation"
    pairs = pd.read_parquet(of_model / "explained_pairs.parquet")
    ids = (pairs["Protein1"] + "-" + pairs["Protein2"]).tolist()
    with np.load(of_model / "attention_weights.npz") as weights:
        assert weights["pair"].tolist() == ["mean of all pairs", *chosen]
        assert weights["values"].shape == (3, 1, 20, 20)
        np.testing.assert_allclose(weights["values"].sum(axis=-1), 1, rtol=1e-5)
    with np.load(of_model / "integrated_gradients_attributions.npz") as attributions:
        assert attributions["pair"].tolist() == ids
        assert attributions["values"].shape == (16, 20, 32)
        contributions = pd.read_parquet(of_model / "integrated_gradients_contributions.parquet")
        sums = attributions["values"].sum(axis=-1)
        np.testing.assert_allclose(contributions[attributions["token"].tolist()], sums, rtol=1e-5, atol=1e-7)
    difference = contributions["Logit"] - contributions["BaselineLogit"]
    np.testing.assert_allclose(abs(sums.sum(axis=1) / difference - 1), contributions["Error"], rtol=1e-2, atol=1e-4)
    check = json.loads((explained / "08_reporting/ESM2_AMPS/explanation/integrated_gradients_check.json").read_text())
    assert check["share_within_tolerance"] == pytest.approx((contributions["Error"] <= 0.01).mean())


def test_each_chosen_pair_has_its_figures(explained, chosen):
    of_model = explained / "08_reporting/ESM2_AMPS/explanation"
    assert {file.stem for file in (of_model / "attention_maps").glob("*.pdf")} == {"all_pairs", *chosen}
    assert {file.stem for file in (of_model / "integrated_gradients_pairs").glob("*.pdf")} == set(chosen)


@pytest.mark.parametrize("model", MODELS_WITH_ATTENTION)
def test_scanned_pairs_are_masked_and_their_measures_compared(model, explained):
    residues = pd.read_csv(explained / f"07_model_output/{model}/explanation/residues.csv")
    pairs = pd.read_parquet(explained / f"07_model_output/{model}/explanation/explained_pairs.parquet")
    assert len(residues[["Protein1", "Protein2"]].drop_duplicates()) == len(pairs)
    scanned = residues[residues["ScanEffect"].notna()][["Protein1", "Protein2"]].drop_duplicates()
    positive = (pairs["Label"] == 1) & (pairs["Prediction"] == 1)
    of_scanned = pairs.merge(scanned, on=["Protein1", "Protein2"])
    assert len(of_scanned) == 8
    assert ((of_scanned["Label"] == 1) & (of_scanned["Prediction"] == 1)).sum() == min(8, positive.sum())
    reports = explained / f"08_reporting/{model}/explanation"
    masked = pd.read_csv(reports / "residue_deletion_pairs.csv")
    for _, of_method in masked.groupby("Method"):
        assert of_method[["Protein1", "Protein2"]].to_numpy().tolist() == scanned.to_numpy().tolist()
    areas = pd.read_csv(reports / "residue_deletion.csv").set_index("Method")
    means = masked.groupby("Method")[["Fall", "RandomFall", "Difference"]].mean()
    pd.testing.assert_frame_equal(areas.loc[means.index, means.columns], means, atol=1e-6)
    # the order of the scan is found by masking, so that masking in that order lowers the logit
    assert areas.loc["ScanEffect", "Low"] > 0
    curves = pd.read_csv(reports / "residue_deletion_curves.csv")
    assert curves.groupby(["Method", "Order"])["Share"].agg(list).tolist() == [[0, 0.1, 0.3]] * 4
    agreement = pd.read_csv(reports / "residue_agreement.csv")
    assert len(agreement) == 2 * 8
    assert agreement["Correlation"].between(-1, 1).all()
    assert (reports / "residue_deletion.pdf").exists()
    planted = set(pd.read_csv(reports / "planted_residues.csv")["Method"])
    assert planted >= {"residues", "changed sequence"} if positive.any() else not planted


def test_residues_are_masked_again_from_files_alone(data, go):
    file = data / "08_reporting/ESM2_AMPS/explanation/residue_deletion.csv"
    before = pd.read_csv(file)
    go("--nodes=ESM2_AMPS.mask_residues", "--params=interpretability.residues.random_windows=3")
    after = pd.read_csv(file)
    np.testing.assert_allclose(after["Fall"], before["Fall"], rtol=1e-3)
    assert not np.allclose(after["RandomFall"], before["RandomFall"], rtol=1e-3)


def test_the_scan_can_be_left_out(data, go):
    options = "--params=interpretability.residues.scanned_pairs=0"
    assert "No pair is scanned" in " ".join(
        go("--pipeline=interpretability", options, "--namespaces=ESM2_AMPS").split()
    )
    assert pd.read_csv(data / "07_model_output/ESM2_AMPS/explanation/residues.csv")["ScanEffect"].isna().all()
    reports = data / "08_reporting/ESM2_AMPS/explanation"
    assert pd.read_csv(reports / "residue_deletion.csv").empty
    assert not (reports / "residue_deletion.png").exists()
    assert set(pd.read_csv(reports / "planted_residues.csv")["Method"]) == {
        "residues", "residues, averaged with their neighbours",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["attention", "integrated_gradients"])
def test_one_method_runs_alone(method, data, go):
    shutil.rmtree(data / "07_model_output/ESM2_AMPS/explanation")
    methods = f"--params=interpretability.methods={method}"
    go("--pipeline=interpretability", methods, "--to-outputs=ESM2_AMPS.explanations")
    made = {file.name for file in (data / "07_model_output/ESM2_AMPS/explanation").glob("*_importance.parquet")}
    assert made == {f"{method}_importance.parquet"}


def test_training_pairs_are_explained_with_the_scores_of_the_model(data, go):
    training = pd.read_csv(data / "01_raw/planted/train_pairs.csv")
    chosen = "-".join(training.loc[7, ["Protein1", "Protein2"]])
    options = f"--params=interpretability.split=train,interpretability.chosen_pairs={chosen}"
    go("--pipeline=interpretability", options, "--to-outputs=ESM2_AMPS.explanations,ESM2_AMPS.explanation_plots")
    pairs = pd.read_parquet(data / "07_model_output/ESM2_AMPS/explanation/explained_pairs.parquet")
    assert len(pairs.merge(training, on=["Protein1", "Protein2", "Label"])) == len(pairs) == 16
    contributions = data / "07_model_output/ESM2_AMPS/explanation/integrated_gradients_contributions.parquet"
    np.testing.assert_allclose(pairs["Probability"], sigmoid(pd.read_parquet(contributions)["Logit"]), rtol=1e-5)
    assert pairs["Prediction"].equals((pairs["Probability"] >= 0.5).astype("int64"))
    assert (data / f"08_reporting/ESM2_AMPS/explanation/attention_maps/{chosen}.png").exists()


def test_data_without_known_sites_is_explained_all_the_same(data, go):
    (data / "01_raw/planted/sites.csv").unlink()
    output = go("--pipeline=interpretability", "--namespaces=ESM2_AMPS")
    assert "nothing to check the methods against" in " ".join(output.split())
    of_model = data / "08_reporting/ESM2_AMPS/explanation"
    assert pd.read_csv(of_model / "planted_truth.csv").empty
    assert not (of_model / "planted_truth.png").exists()
