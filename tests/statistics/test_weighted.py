"""Weighted metrics against scikit-learn's, and their derivatives against differences of scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as sk

from esm2_amp.statistics.calibration import expected_calibration_error
from esm2_amp.statistics.metrics import decisions, pair_metrics, sigmoid
from esm2_amp.statistics.weighted import METRICS, RANK_METRICS, SUM_METRICS, Ranking, metrics_of_sums, pair_terms
from esm2_amp.statistics.weighted import sum_influence as influence_of_sums

THRESHOLD = 0.6


@pytest.fixture(params=["distinct", "tied"])
def pairs(request):
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, 60)
    logit = generator.normal(2 * label - 1, 2)
    return label, logit if request.param == "distinct" else np.round(logit)


def weighted(label, logit, weight):
    ranking = Ranking(label, logit)
    of_sums = metrics_of_sums(weight @ pair_terms(label, logit, THRESHOLD))
    return dict(zip(METRICS, [*ranking.areas(weight[ranking.order]), *of_sums], strict=False))


def scikit_learns(label, logit, weight):
    y, probability = label, sigmoid(logit)
    d = decisions(probability, THRESHOLD)
    w = {"sample_weight": weight}
    recall, specificity = sk.recall_score(y, d, **w), sk.recall_score(y, d, pos_label=0, **w)
    return {
        "loss": sk.log_loss(y, probability, **w),
        "accuracy": sk.accuracy_score(y, d, **w),
        "precision": sk.precision_score(y, d, **w),
        "recall": recall,
        "specificity": specificity,
        "f1": sk.f1_score(y, d, **w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, d, **w),
        "mcc": sk.matthews_corrcoef(y, d, **w),
        "brier": sk.brier_score_loss(y, probability, **w),
        "auroc": sk.roc_auc_score(y, logit, **w),
        "aupr": sk.average_precision_score(y, logit, **w),
        "precision_at_1_10": sk.precision_score(y, d, sample_weight=weight * rare(y, weight, 10)),
        "precision_at_1_100": sk.precision_score(y, d, sample_weight=weight * rare(y, weight, 100)),
    }


def rare(y, weight, negatives):
    """Weights that make `negatives` negatives of each positive."""
    return np.where(y == 1, 1, negatives * weight[y == 1].sum() / weight[y == 0].sum())


def test_weighted_metrics_are_scikit_learns_ties_and_zero_weights_included(pairs):
    weight = np.random.default_rng(1).integers(0, 4, 60).astype(float)
    weight[np.argmax(pairs[1])] = 0
    ours, expected = weighted(*pairs, weight), scikit_learns(*pairs, weight)
    assert ours.keys() - expected.keys() == {"ece"}
    assert {name: ours[name] for name in expected} == pytest.approx(expected)


def test_equal_weights_give_the_unweighted_metrics(pairs):
    ours, expected = weighted(*pairs, np.ones(60)), pair_metrics(*pairs, THRESHOLD)
    assert {name: expected[name] for name in expected if not name.startswith("n_")} == pytest.approx(
        {name: ours[name] for name in expected if not name.startswith("n_")}
    )
    assert ours["ece"] == pytest.approx(expected_calibration_error(pairs[0], sigmoid(pairs[1])))


def test_a_pair_of_weight_two_counts_as_that_pair_twice(pairs):
    weight = np.random.default_rng(2).integers(1, 3, 60)
    ours = weighted(*pairs, weight.astype(float))
    repeated = [np.repeat(part, weight) for part in pairs]
    assert ours["ece"] == pytest.approx(expected_calibration_error(repeated[0], sigmoid(repeated[1])))


def test_influence_is_the_derivative_of_scikit_learns_metric(pairs):
    label, logit = pairs
    influence = np.hstack([Ranking(label, logit).influence(), influence_of_sums(pair_terms(label, logit, THRESHOLD))])
    step = 1e-5
    for pair in range(0, 60, 7):
        up, down = (scikit_learns(label, logit, np.where(np.arange(60) == pair, 1 + h, 1.0)) for h in (step, -step))
        derivative = {name: (up[name] - down[name]) / (2 * step) for name in up}
        ours = dict(zip(METRICS, influence[pair], strict=False))
        assert {name: ours[name] for name in derivative} == pytest.approx(derivative, abs=1e-7)


def test_influence_on_the_calibration_error_is_its_derivative(pairs):
    label, logit = pairs
    influence = influence_of_sums(pair_terms(label, logit, THRESHOLD))[:, SUM_METRICS.index("ece")]
    many = 20_000  # one pair more among as many copies of all pairs
    for pair in (0, 31):
        weight = np.full(60, float(many))
        before, weight[pair] = weighted(label, logit, weight)["ece"], many + 1
        assert influence[pair] == pytest.approx(many * (weighted(label, logit, weight)["ece"] - before), rel=1e-3)


def test_a_class_without_weight_leaves_ranks_undefined(pairs):
    label, logit = pairs
    ours = weighted(label, logit, (label == 1).astype(float))
    assert all(np.isnan(ours[name]) for name in (*RANK_METRICS, "specificity", "mcc"))
