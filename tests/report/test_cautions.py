"""Warnings of the report: each where it holds, none where it doesn't."""

import copy

import pandas as pd
import pytest

from esm2_amp.report import cautions
from esm2_amp.report.parts import Caution, sentences_of

SOUND = {
    "train": {"pairs": 8000, "positives": 4000},
    "validation": {"pairs": 1000, "positives": 500},
    "test": {"pairs": 1000, "positives": 500},
    "audit": {
        "splits": {
            "train": {"order_auroc": 0.5},
            "validation": {"order_auroc": 0.51},
            "test": {"order_auroc": 0.49, "seen_in_training": {"C1": 0, "C2": 0, "C3": 1000}},
        },
        "shared": {"train-test": {"proteins": 0, "identical_sequences": 0}},
    },
}
"""`leakage_audit` as far as the warnings read it."""


def test_sound_split_gives_no_warning():
    assert list(cautions.of_split(SOUND)) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("splits", "test", "seen_in_training"), {"C1": 700, "C2": 200, "C3": 100}, "900 of 1,000 test pairs have a"),
        (
            ("splits", "train", "order_auroc"),
            0.7,
            "(AUROC by which of them has more pairs: train 0.700)",
        ),
        (("shared", "train-test"), {"proteins": 0, "identical_sequences": 3}, "3 sequences are in training and test"),
        (
            ("shared", "train-test"),
            {"proteins": 0, "identical_sequences": 0, "similar_proteins": 5},
            "5 times a test protein is similar",
        ),
    ],
)
def test_leaking_split_is_warned_of(path, value, words):
    report = copy.deepcopy(SOUND)
    place = report["audit"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (told,) = cautions.of_split(report)
    assert words in told


def row(model, kind="model", auroc=0.8, reach=0.02, **changes):
    usual = {"Model": model, "Kind": kind, "Pairs": 1000, "AUROC": auroc, "AUROCLow": auroc - reach,
             "AUROCHigh": auroc + reach, "AUROCSwapped": auroc, "ECECalibrated": 0.02}  # fmt: skip
    return usual | changes


def told_of(verdict="better", **changes):
    models = pd.DataFrame([row("ESM2_GRU", **changes), row("composition", "baseline", 0.5)])
    against = pd.DataFrame({"Model": ["ESM2_GRU"], "Verdict": [verdict]})
    return list(cautions.of_comparison(models, against, "composition"))


def test_model_that_stands_up_gives_no_warning():
    assert told_of() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verdict": "not distinguishable"}, "Not distinguishable from the baseline composition by AUROC: ESM2_GRU"),
        ({"verdict": "worse"}, "Worse than the baseline composition by AUROC: ESM2_GRU"),
        ({"auroc": 0.51}, "No better than chance, whose AUROC is 0.5: ESM2_GRU"),
        ({"reach": 0.1}, "1,000 pairs leave intervals of AUROC up to 0.20 wide"),
        ({"AUROCSwapped": 0.7}, "which protein is named first, enough to change AUROC: ESM2_GRU"),
        ({"ECECalibrated": 0.2}, "off by more than 0.1 on average, even calibrated: ESM2_GRU"),
    ],
)
def test_weak_model_is_warned_of(changes, words):
    (told,) = told_of(**changes)
    assert words in told


FAITHFUL = pd.DataFrame(
    [("attention", "deletion", "better than random"), ("attention", "insertion", "not distinguishable"),
     ("gini", "deletion", "worse than random"), ("gini", "insertion", "not distinguishable"),
     ("random", "deletion", "")],
    columns=["Method", "Curve", "Verdict"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "auroc", "words"),
    [
        ({}, 0.55, ["hardly separates interacting pairs from others, so that what its scores rest on shows little "
                    "about interaction: ESM2_AMPS (AUROC 0.55)."]),
        ({}, None, ["ESM2_AMPS (AUROC undefined)."]),
        ({}, 0.9, []),
        ({"faithfulness": FAITHFUL}, 0.9, ["no more than on random ones: Forest: Gini (ESM2_AMPS)."]),
        (
            {"randomised_weights": pd.DataFrame({"Stage": [1, 2, 2], "Method": ["attention", "attention", "gini"],
                                                 "Correlation": [0.9, 0.1, 0.8]})},
            0.9,
            ["Hardly changed by random weights, and so not of what the model learnt: Forest: Gini (ESM2_AMPS)."],
        ),
    ],
)  # fmt: skip
def test_explanation_that_should_not_be_trusted_is_warned_of(tables, auroc, words):
    told = sentences_of(cautions.of_explanation("ESM2_AMPS", tables, auroc))
    assert len(told) == len(words)
    assert all(part in sentence for part, sentence in zip(words, told, strict=True))


@pytest.mark.parametrize(
    ("verdicts", "count"),
    [
        (["better than random", "worse than random"], 0),
        (["too few pairs", "too few pairs"], 0),
        (["not distinguishable", "better than random"], 1),
        (["worse than random", "better than random"], 1),
        ([], 0),
    ],
)
def test_residues_named_no_better_than_at_random_are_warned_of(verdicts, count):
    masked = pd.DataFrame({"Method": ["Attribution", "ScanEffect"][: len(verdicts)], "Verdict": verdicts})
    told = sentences_of(cautions.of_residues("ESM2_AMPS", masked))
    assert len(told) == count
    assert all("residues that Integrated Gradients name no more than on random windows" in words for words in told)


@pytest.mark.parametrize(
    ("aurocs", "words"),
    [
        ({"AE_RF": 0.48, "AE_DNN": 0.9}, ["Tree SHAP and Gini explain a classifier, AE_RF"]),
        ({"AE_RF": 0.9, "AE_DNN": None}, ["a classifier, AE_DNN, that is hardly better than chance"]),
        ({"AE_RF": 0.9, "AE_DNN": 0.9}, []),
    ],
)
def test_poor_classifiers_of_latents_are_warned_of(aurocs, words):
    told = sentences_of(cautions.of_latents("ESM2_AMPS", aurocs))
    assert len(told) == len(words)
    assert all(part in sentence for part, sentence in zip(words, told, strict=True))


def test_cautions_of_the_same_words_become_one_sentence_in_the_place_of_the_first():
    told = sentences_of(
        [Caution("Weak", "A"), "Alone.", Caution("Weak", "B"), Caution("Weak", "A"), Caution("Odd", "A")]
    )
    assert told == ["Weak: A; B.", "Alone.", "Odd: A."]


def test_no_better_than_chance_and_than_the_baseline_is_one_sentence():
    (told,) = told_of(verdict="not distinguishable", auroc=0.51)
    assert told == (
        "No better than chance, whose AUROC is 0.5, nor distinguishable from the baseline composition by AUROC: "
        "ESM2_GRU."
    )


@pytest.mark.parametrize(
    ("name", "count"), [("the planted interactome (synthetic)", 1), ("Bernett's gold standard", 0)]
)
def test_synthetic_data_is_warned_of(name, count):
    assert len(cautions.of_data(name)) == count
