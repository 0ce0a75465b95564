"""`report` in whole runs: its numbers are those of the tables, and what isn't there is named with its command."""

import json
import re
import shutil

import pandas as pd
import pytest
from reading import read_page

from conftest import kedro_run
from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION
from esm2_amp.models.registry import MODELS


def shown_in(folder):
    return read_page((folder / "08_reporting/report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shown(demonstration_run):
    return shown_in(demonstration_run.folder)


@pytest.fixture
def reporting(data):
    """The reports of a run of training and evaluation only."""
    folder = data / "08_reporting"
    for model in MODELS_WITH_ATTENTION:
        shutil.rmtree(folder / model / "explanation")
        shutil.rmtree(data / "07_model_output" / model / "explanation")
    shutil.rmtree(folder / "functional_regions")
    return folder


def table_of(shown, caption):
    (found,) = [rows for name, rows in shown.tables.items() if name.startswith(caption)]
    headings, *rows = found
    return pd.DataFrame([[value for _, value in row] for row in rows], columns=[text for text, _ in headings])


def test_comparison_is_that_of_the_table(shown, demonstration_run):
    expected = pd.read_csv(demonstration_run.folder / "08_reporting/model_comparison.csv")
    found = table_of(shown, "Test pairs")
    assert found["Model"].tolist() == [name if "ESM2" in name else name.replace("_", " ") for name in expected["Model"]]
    for metric in ("AUROC", "AUPR", "MCC", "ECE", "Brier"):
        pd.testing.assert_series_equal(found[metric].astype(float), expected[metric], check_names=False)
    low, high = expected.loc[0, ["AUROCLow", "AUROCHigh"]]
    assert f"{low:.3f} to {high:.3f}" in shown.text


def test_top_pairs_are_those_of_the_best_model(shown, demonstration_run):
    comparison = pd.read_csv(demonstration_run.folder / "08_reporting/model_comparison.csv")
    best = comparison.loc[comparison["Kind"] == "model", "Model"].iloc[0]
    scored = pd.read_csv(demonstration_run.folder / f"07_model_output/{best}/scored_pairs.csv").query("Split == 'test'")
    expected = scored.sort_values("Probability", ascending=False, kind="stable")[:25]
    found = table_of(shown, "The 25 with the highest probability of 60 test pairs")
    for name in ("Protein1", "Protein2"):
        assert found[name].tolist() == expected[name].tolist()
    assert found["Probability"].astype(float).tolist() == pytest.approx(expected["Probability"].tolist())


def test_run_is_told_with_hashes_seeds_and_versions(shown, demonstration_run):
    card = json.loads((demonstration_run.folder / "06_models/ESM2_AMPS/model/card.json").read_text())
    for told in (card["features"]["fingerprint"][:12], card["pairs_sha256"][:12], card["weights_sha256"][:12],
                 f"torch {card['versions']['torch']}", "42 of training, 42 of evaluation"):  # fmt: skip
        assert told in shown.text
    splits = table_of(shown, "Pairs by split")
    assert splits["Pairs"].astype(float).tolist() == [200, 60, 60]


def test_explanations_and_regions_are_told_in_numbers(shown, demonstration_run):
    folder = demonstration_run.folder / "08_reporting"
    for model in MODELS_WITH_ATTENTION:
        assert f"What the scores of {model} rest on" in shown.text
        masked = pd.read_csv(folder / model / "explanation/residue_deletion.csv").set_index("Method").loc["Attribution"]
        words = f"lowers the logit by {abs(masked['Difference']):.2f} {'more' if masked['Difference'] >= 0 else 'less'}"
        assert f"{words} than masking random windows of the same sizes (8 pairs, 95 % interval" in shown.text
        table = table_of(shown, f"{model}: fall of the logit")
        assert table["Residues named by"].tolist() == ["Integrated Gradients", "Changed sequence"]
        assert float(table["Difference"][0]) == pytest.approx(masked["Difference"])
    summary = pd.read_csv(folder / "functional_regions/summary.csv")
    told = summary[~summary["Summary"].str.contains("not annotated in these proteins")]
    assert len(told)
    for sentence in told["Summary"]:
        assert sentence.split(": ", 1)[1] in shown.text
    assert "weren't looked up" not in shown.text


def test_run_ends_with_the_path_of_the_report(demonstration_run):
    *_, before, last = demonstration_run.output.strip().splitlines()
    assert str(demonstration_run.folder / "08_reporting/report.html") in before + last


def test_report_of_training_and_evaluation_names_what_makes_the_rest(reporting, data, go):
    go("--pipeline=report")
    shown = shown_in(data)
    for words in (
        "The scores of ESM2_AMPS aren't explained yet. To make it: kedro run --pipeline=interpretability",
        "Important segments weren't looked up in annotated regions yet. To make it: kedro run --pipeline=functional",
        "No new pairs have been scored. To make it: kedro run --pipeline=prediction",
    ):
        assert words in shown.text
    assert table_of(shown, "Test pairs")["Model"][0]
    assert "again after" not in shown.text


def test_parts_that_are_there_are_shown_without_the_others(data, go):
    (data / "08_reporting/ESM2_AMPS/explanation/.report/explanation.json").unlink()
    (data / "08_reporting/.report/training.json").unlink()
    go("--pipeline=report")
    text = shown_in(data).text
    html = (data / "08_reporting/report.html").read_text()
    assert "The scores of ESM2_AMPS aren't explained yet." in text
    assert html.count("tokens by Integrated Gradients") == len(MODELS_WITH_ATTENTION) - 1
    assert text.count("Do the methods agree?") == len(MODELS_WITH_ATTENTION) - 1
    assert "How each model was trained" not in text


def hashes_of_weights(data):
    """Beginnings of the hashes of weights, by model, as the report shows them and as the models' cards have them."""
    table = table_of(shown_in(data), "Networks and their training").set_index("Model")["SHA-256 of weights"]
    cards = {model: json.loads((data / f"06_models/{model}/model/card.json").read_text()) for model in table.index}
    return table.str.rstrip("…").to_dict(), {model: card["weights_sha256"][:12] for model, card in cards.items()}


def test_a_model_that_was_trained_and_evaluated_alone_is_shown_as_it_is_now(data, go):
    before, _ = hashes_of_weights(data)
    alone = "--namespaces=ESM2_DPM"
    go(
        "--pipeline=model_training",
        alone,
        "--params=ESM2_DPM.settings.training.learning_rate=0.01,ESM2_DPM.settings.training.epochs=1",
    )
    go("--pipeline=report")
    assert "Trained again after they were measured: ESM2_DPM. Their figures" in shown_in(data).text
    go("--pipeline=evaluation", alone)
    go("--pipeline=report")
    assert "Trained again" not in shown_in(data).text
    assert "Measured again after the models were compared: ESM2_DPM. Tables" in shown_in(data).text
    html = (data / "08_reporting/report.html").read_text()
    for model in MODELS:
        epochs = 1 if model == "ESM2_DPM" else 2
        assert f'alt="Loss and MCC of {model} over {epochs} epochs"' in html
    found, expected = hashes_of_weights(data)
    assert found == expected
    assert {model for model in MODELS if found[model] != before[model]} == {"ESM2_DPM"}


def test_parts_of_a_run_of_one_model_alone_show_that_model(data, go):
    for model in [*MODELS][1:]:
        for layer in ("06_models", "07_model_output", "08_reporting"):
            shutil.rmtree(data / layer / model)
    for part in ("training", "models"):
        (data / f"08_reporting/.report/{part}.json").unlink()
    go("--namespaces=ESM2_AMPS")
    pictures = {
        part: set(
            re.findall("(?:MCC|calibration) of (ESM2_[A-Z]+)", (data / f"08_reporting/.report/{part}.json").read_text())
        )
        for part in ("training", "models")
    }
    assert pictures == {"training": {"ESM2_AMPS"}, "models": {"ESM2_AMPS"}}


def test_fits_and_figures_of_each_model_and_residues_are_folded(shown, demonstration_run):
    html = (demonstration_run.folder / "08_reporting/report.html").read_text()
    folded = re.findall(r"<summary>\s*(.*?)\s*</summary>", html)
    for title in (
        "Pairs of each protein, by split",
        "Each model&#39;s curves, decisions and calibration",
        "How each model was trained",
        *["Pair by pair", "The residues that add most to the scores"] * len(MODELS_WITH_ATTENTION),
    ):
        assert title in folded
        folded.remove(title)
    for model in MODELS:
        assert html.count(f'alt="Loss and MCC of {model} over 2 epochs"') == 1
    for model in MODELS_WITH_ATTENTION:
        windows = pd.read_csv(demonstration_run.folder / f"08_reporting/{model}/explanation/residue_windows.csv")
        found = table_of(shown, f"{model}: The windows of residues")
        assert found["Protein1"].tolist() == windows["Protein1"][:50].tolist()


def test_explanations_of_an_earlier_model_are_left_out(data, go):
    file = data / "07_model_output/ESM2_AMPS/explanation/explained_pairs.parquet"
    explained = pd.read_parquet(file)
    explained.assign(Probability=1 - explained["Probability"]).to_parquet(file)
    go("--pipeline=report")
    assert "The explanations that there are belong to an earlier ESM2_AMPS, with other scores." in shown_in(data).text


def test_new_pairs_are_shown_with_names_as_they_are(data, go):
    pairs = pd.DataFrame({"Protein1": ["NA", "<b>x</b>"], "Protein2": ["007", "y"], "Probability": [0.4, 0.9],
                          "Prediction": [0, 1], "Status": ["scored"] * 2})  # fmt: skip
    pairs.to_csv(data / "07_model_output/predicted_pairs.csv", index=False)
    go("--pipeline=report")
    found = table_of(shown_in(data), "The 2 with the highest probability of 2 new pairs")
    assert "What could not be scored" not in shown_in(data).text
    assert found[["Protein1", "Protein2"]].to_numpy().tolist() == [["<b>x</b>", "y"], ["NA", "007"]]


def test_missing_results_of_the_evaluation_are_told(tmp_path):
    exit_code, output = kedro_run(tmp_path, "--pipeline=report")
    assert exit_code == 1
    assert "run `kedro run --pipeline=" in output
