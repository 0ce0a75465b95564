"""The chapters on results: ties, the pairs that come first, confident mistakes, predictions on other proteins."""

import numpy as np
import pandas as pd
import pytest
from reading import read_page

from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.report.new_pairs import new_pairs_chapter
from esm2_amp.report.page import render
from esm2_amp.report.results import comparison_chapter, pair_table, predictions_chapter, tied_models

PROTEINS = pd.DataFrame({"Entry": ["P01308", "P0DP23"], "Name": ["INS_HUMAN", ""]})


def models_of(*aurocs):
    rows = [(name, "model", 4, 2, value, value - 0.1, value + 0.1) for name, value in zip(ARCHITECTURES, aurocs,
                                                                                        strict=True)]  # fmt: skip
    rows.append(("composition", "baseline", 4, 2, 0.5, 0.4, 0.6))
    columns = ["Model", "Kind", "Pairs", "Positives", "AUROC", "AUROCLow", "AUROCHigh"]
    table = pd.DataFrame(rows, columns=columns).sort_values("AUROC", ascending=False, kind="stable", ignore_index=True)
    others = {f"{metric}{end}": 0.5 for metric in ("AUPR", "MCC", "PrecisionAt1To10", "PrecisionAt1To100")
              for end in ("", "Low", "High")}  # fmt: skip
    others |= {"ECE": 0.1, "ECECalibrated": 0.05, "Brier": 0.2, "AUROCSwapped": table["AUROC"]}
    return table.assign(**others)


def differences_of(tied):
    names = [*ARCHITECTURES, "composition"]
    rows = [(a, b, "AUROC", 0.1, 0.05, 0.15, "not distinguishable" if {a, b} in tied else f"{a} better")
            for i, a in enumerate(names) for b in names[i + 1 :]]  # fmt: skip
    return pd.DataFrame(rows, columns=["ModelA", "ModelB", "Metric", "Difference", "Low", "High", "Verdict"])


def scored_of(logit):
    logit = np.asarray(logit, dtype=float)
    return pd.DataFrame({
        "Protein1": ["P01308", "P0DP23", "X", "Y"], "Protein2": ["P0DP23", "X", "Y", "P01308"], "Split": "test",
        "Seen": "C3", "Label": [1, 0, 0, 1], "Logit": logit, "Probability": 1 / (1 + np.exp(-logit)),
        "Prediction": (logit > 0).astype(int),
    })  # fmt: skip


MODELS = models_of(0.9, 0.95, 0.6, 0.5, 0.5, 0.5)
TIE = differences_of([{"ESM2_AMPS", "ESM2_AMP_CSE"}])


def test_models_tie_with_the_best_where_the_difference_may_be_chance():
    assert tied_models(MODELS, TIE) == ["ESM2_AMP_CSE", "ESM2_AMPS"]
    assert tied_models(MODELS, differences_of([])) == ["ESM2_AMP_CSE"]
    assert tied_models(MODELS, differences_of([{"ESM2_AMPS", "ESM2_GRU"}])) == ["ESM2_AMP_CSE"]


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        (
            TIE,
            "ESM2_AMP_CSE with an AUROC of 0.950 (95 % interval 0.850 to 1.050) and ESM2_AMPS with an AUROC of 0.900",
        ),
        (differences_of([]), "On 4 test pairs the best model is ESM2_AMP_CSE with an AUROC of 0.950"),
    ],
)
def test_comparison_names_a_best_model_only_where_there_is_one(differences, words):
    scores = scored_of([1, -1, 1, -1])[["Protein1", "Protein2", "Split", "Seen", "Label"]].assign(Composition=0.0)
    strata = pd.DataFrame({"Model": MODELS["Model"], "Metric": "AUROC", "Stratum": "C3", "Pairs": 4, "Value": 0.5,
                           "Low": 0.4, "High": 0.6})  # fmt: skip
    chapter = comparison_chapter(MODELS, differences, strata, scores, *[scored_of([1, -1, 1, -1])] * len(ARCHITECTURES))
    shown = read_page(render("data", [chapter]))
    assert words in shown.text
    assert ("tie:" in shown.text) == (differences is TIE)
    assert "All 4 pairs have no protein in training pairs (C3)." in shown.text
    (table,) = [rows for caption, rows in shown.tables.items() if caption.startswith("Test pairs")]
    assert [heading for heading, _ in table[0]] == [
        "Model", "AUROC", "AUPR", "MCC", "Precision at 1:10", "Precision at 1:100", "ECE", "Brier",
    ]  # fmt: skip


def test_most_confident_mistakes_are_listed_the_surest_first():
    chapter = predictions_chapter(MODELS, TIE, PROTEINS, *[scored_of([-2, 1, 5, -9])] * len(ARCHITECTURES))
    shown = read_page(render("data", [chapter]))
    (mistakes,) = [rows for caption, rows in shown.tables.items() if "mistakes" in caption]
    assert [[value for _, value in row][:2] for row in mistakes[1:]] == [
        ["Y", "P01308"], ["X", "Y"], ["P01308", "P0DP23"], ["P0DP23", "X"],
    ]  # fmt: skip
    assert mistakes[1][-1][0] == "doesn't interact"
    assert "by ESM2_AMP_CSE, which ties with ESM2_AMPS" in shown.text
    assert "INS_HUMAN" in shown.text


def test_without_mistakes_none_are_listed():
    chapter = predictions_chapter(MODELS, TIE, None, *[scored_of([2, -1, -5, 9])] * len(ARCHITECTURES))
    assert "mistakes" not in read_page(render("data", [chapter])).text


@pytest.mark.parametrize(
    ("probability", "logits"),
    [([0.9, 0.8], None), ([1 - 1e-7, 1 - 1e-8], ["18.421", "16.118"])],
)
def test_probabilities_that_print_alike_have_logits_beside_them(probability, logits):
    pairs = pd.DataFrame({"Protein1": ["A", "B"], "Protein2": ["C", "D"], "Probability": probability})
    table = pair_table(pairs, "of 2 pairs", {})
    assert ("Logit" in table.headings) == (logits is not None)
    if logits:
        place = list(table.headings).index("Logit")
        assert [row[place].text for row in table.rows] == logits


def test_new_pairs_name_their_model_its_quality_and_what_has_no_score():
    scored = pd.DataFrame({"Protein1": ["P01308"], "Protein2": ["P0DP23"], "Probability": [0.7], "Prediction": [1]})
    reasons = pd.DataFrame({"Status": ["no sequence of Z"], "Pairs": [2], "Protein1": ["P01308"], "Protein2": ["Z"]})
    predicted = (scored, 1, reasons)
    summary = {"model": "mini", "architecture": "ESM2_DPM", "trained_on": "gold", "measured_on": "52 test pairs",
               "metrics": {"auroc": [0.6, 0.55, 0.65], "precision_at_1_10": [0.2, None, None]}}  # fmt: skip
    chapter = new_pairs_chapter(predicted, summary, PROTEINS)
    shown = read_page(render("data", [chapter]))
    for words in ("mini (ESM2_DPM), trained on gold",
                  "AUROC 0.600 (95 % interval 0.550 to 0.650), Precision at 1:10 0.200",
                  "1 scored, 2 could not be scored", "INS_HUMAN", "an AUROC of 0.60 on its 52 test pairs"):  # fmt: skip
        assert words in shown.text
    (reasons,) = [rows for caption, rows in shown.tables.items() if "without a score" in caption]
    assert [value for _, value in reasons[1]] == ["no sequence of Z", "2.0", "P01308", "Z"]


def test_new_pairs_of_a_good_model_are_not_warned_of():
    scored = pd.DataFrame({"Protein1": ["A"], "Protein2": ["B"], "Probability": [0.7]})
    predicted = (scored, 1, pd.DataFrame({"Status": [], "Pairs": [], "Protein1": [], "Protein2": []}))
    summary = {"model": "m", "architecture": "a", "trained_on": "t", "measured_on": "p", "metrics": {"auroc": [0.9]}}
    assert not new_pairs_chapter(predicted, summary, None).cautions
    assert len(new_pairs_chapter(predicted, summary | {"metrics": {}}, None).cautions) == 1
    assert not new_pairs_chapter(predicted, None, None).cautions
