"""Metrics against numbers worked out by hand, scikit-learn on probabilities, and torch."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from esm2_amp.errors import InputError
from esm2_amp.statistics.metrics import comparison_table, decisions, pair_metrics, sigmoid, undefined

# Four positives, six negatives; at probability 0.5: 3 true and 2 false positives, 4 true and 1 false negatives.
LABEL = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
LOGIT = [3.0, 2.0, 1.0, -1.0, 2.5, 0.5, -0.5, -2.0, -2.5, -3.0]


def test_counts_at_the_threshold_give_the_metrics_worked_out_by_hand():
    metrics = pair_metrics(LABEL, LOGIT)
    assert metrics["n_pairs"] == 10
    assert metrics["n_positives"] == 4
    assert metrics["accuracy"] == pytest.approx(7 / 10)
    assert metrics["precision"] == pytest.approx(3 / 5)
    assert metrics["recall"] == pytest.approx(3 / 4)
    assert metrics["specificity"] == pytest.approx(4 / 6)
    assert metrics["balanced_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert metrics["f1"] == pytest.approx(6 / 9)
    assert metrics["mcc"] == pytest.approx((3 * 4 - 2 * 1) / np.sqrt(5 * 4 * 6 * 5))


def test_ranking_metrics_worked_out_by_hand():
    metrics = pair_metrics(LABEL, LOGIT)
    # The four positives score above 6, 5, 5 and 3 of the six negatives.
    assert metrics["auroc"] == pytest.approx(19 / 24)
    # Positives stand at ranks 1, 3, 4 and 7.
    assert metrics["aupr"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 4 + 4 / 7) / 4)


def test_loss_and_brier_score_agree_with_torch_and_scikit_learn():
    metrics = pair_metrics(LABEL, LOGIT)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(LOGIT), torch.tensor(LABEL).float())
    assert metrics["loss"] == pytest.approx(expected.item(), rel=1e-6)
    probability = 1 / (1 + np.exp(-np.array(LOGIT)))
    assert metrics["loss"] == pytest.approx(sk.log_loss(LABEL, probability))
    assert metrics["brier"] == pytest.approx(sk.brier_score_loss(LABEL, probability))


def test_logits_far_out_give_the_exact_loss_where_probabilities_round_to_one():
    assert pair_metrics([1, 0], [-800.0, 800.0])["loss"] == pytest.approx(800.0)
    assert sigmoid([-800.0, 0.0, 800.0]).tolist() == [0.0, 0.5, 1.0]


def test_a_probability_at_the_threshold_is_a_decision_for_interaction():
    assert decisions([0.49, 0.5, 0.51]).tolist() == [0, 1, 1]
    assert pair_metrics([1, 0], [0.0, -1.0])["accuracy"] == 1.0


def test_the_threshold_moves_decisions_and_not_ranks():
    strict, usual = pair_metrics(LABEL, LOGIT, threshold=0.9), pair_metrics(LABEL, LOGIT)
    assert strict["recall"] == pytest.approx(1 / 4)
    assert strict["precision"] == pytest.approx(1 / 2)  # logits 3.0 and 2.5 have probability above 0.9
    assert all(strict[name] == usual[name] for name in ("loss", "brier", "auroc", "aupr"))


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(-20, 20)), min_size=1, max_size=30))
def test_metrics_are_json_numbers_within_their_range_whatever_the_pairs(pairs):
    metrics = pair_metrics(*zip(*pairs, strict=True))
    json.dumps(metrics, allow_nan=False)
    for name in set(metrics) - {"n_pairs", "n_positives", "loss", "mcc"}:
        assert metrics[name] is None or 0 <= metrics[name] <= 1
    assert metrics["mcc"] is None or -1 <= metrics["mcc"] <= 1


@pytest.mark.parametrize(
    ("label", "names", "reason"),
    [
        (1, {"specificity", "balanced_accuracy", "mcc", "auroc", "aupr"}, "no pair is labelled 0"),
        (0, {"recall", "balanced_accuracy", "mcc", "auroc", "aupr"}, "no pair is labelled 1"),
    ],
)
def test_one_class_leaves_metrics_undefined_and_says_why(label, names, reason):
    metrics = pair_metrics([label] * 3, [1.0, 2.0, -3.0])
    assert {name for name, value in metrics.items() if value is None} == names
    said, why = undefined(metrics).split(" (")
    assert set(said.split(", ")) == names
    assert why == f"{reason})"


def test_a_model_that_never_says_interaction_has_no_precision_and_mcc_zero():
    metrics = pair_metrics([1, 0], [-1.0, -2.0])
    assert metrics["precision"] is None
    assert metrics["mcc"] == 0
    assert undefined(metrics) == "precision (no pair is predicted to interact)"
    assert undefined(pair_metrics(LABEL, LOGIT)) == ""


@pytest.mark.parametrize(
    ("label", "logit", "message"),
    [
        ([], [], "at least one labelled pair, got none"),
        ([1, 2, 0], [0, 0, 0], r"Label must be 0 or 1, got 2 in pair 2 of 3 \(1 such pairs\)"),
        ([1, 0, np.nan], [0, 0, 0], r"Label must be 0 or 1, got nan in pair 3"),
        ([1, 0, 1], [0, np.nan, np.inf], r"logit must be a finite number, got nan in pair 2 of 3 \(2 such pairs\)"),
    ],
)
def test_pairs_that_cannot_be_measured_are_refused(label, logit, message):
    with pytest.raises(InputError, match=message):
        pair_metrics(label, logit)


def test_comparison_puts_the_best_auroc_first_and_undefined_last():
    scores = {"worse": 0.6, "undefined": None, "best": 0.8}
    table = comparison_table({name: {"Pairs": 10, "AUROC": auroc} for name, auroc in scores.items()})
    assert table["Model"].tolist() == ["best", "worse", "undefined"]
    assert table["AUROC"].tolist()[:2] == [0.8, 0.6]
    assert np.isnan(table["AUROC"].iloc[2])
    assert table["Pairs"].dtype == np.int64
