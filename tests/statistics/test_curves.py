"""Curves against scikit-learn and counting by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics as sk

from esm2_amp.statistics.curves import MAX_POINTS, confusion, precision_recall, reliability, roc, wilson_interval


@pytest.fixture
def many():
    generator = np.random.default_rng(0)
    label = np.arange(20_000) % 2
    return label, 1 / (1 + np.exp(-generator.normal(label - 0.5)))


def test_curves_of_few_pairs_are_scikit_learns():
    label, probability = [1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.3, 0.1]
    expected_x, expected_y, _ = sk.roc_curve(label, probability)
    curve = roc(label, probability)
    np.testing.assert_array_equal(curve.x, expected_x)
    np.testing.assert_array_equal(curve.y, expected_y)
    curve = precision_recall(label, probability)
    precision, recall, _ = sk.precision_recall_curve(label, probability, drop_intermediate=True)
    np.testing.assert_array_equal(curve.x, recall[::-1])
    np.testing.assert_array_equal(curve.y, precision[::-1])


def test_long_curves_are_thinned_without_changing_area_or_ends(many):
    for curve, area in [
        (roc(*many), sk.roc_auc_score(*many)),
        (precision_recall(*many), sk.average_precision_score(*many)),
    ]:
        assert len(curve.x) == len(curve.y) <= MAX_POINTS
        assert curve.area == pytest.approx(area)
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(area, abs=2e-3)
        assert (curve.x[0], curve.x[-1]) == (0, 1)


def test_one_class_has_no_curve():
    assert roc([1, 1], [0.2, 0.8]) is None
    assert precision_recall([0, 0], [0.2, 0.8]) is None


def test_confusion_counts_labels_by_decision():
    cells = confusion([1, 1, 1, 0, 0], [0.9, 0.5, 0.1, 0.2, 0.7])
    assert cells.counts.tolist() == [[1, 1], [1, 2]]
    np.testing.assert_allclose(cells.percent, [[50, 50], [100 / 3, 200 / 3]])
    assert cells.texts("\n")[1] == ["1\n33.3 %", "2\n66.7 %"]


def test_a_label_without_pairs_has_counts_but_no_percentage():
    cells = confusion([1, 1], [0.9, 0.1])
    assert cells.texts("\n") == [["0", "0"], ["1\n50.0 %", "1\n50.0 %"]]


def test_reliability_counts_pairs_by_probability():
    bins = reliability([0, 1, 1, 1, 0], [0.0, 0.12, 0.18, 1.0, 0.95])
    assert bins["Pairs"].tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert bins["Probability"].iloc[[0, 1, 9]].tolist() == pytest.approx([0, 0.15, 0.975])
    assert bins["Fraction"].iloc[[0, 1, 9]].tolist() == pytest.approx([0, 1, 0.5])
    assert bins[["Probability", "Fraction"]].iloc[2:9].isna().all().all()


def test_reliability_of_calibrated_probabilities_is_the_diagonal():
    generator = np.random.default_rng(1)
    probability = generator.random(100_000)
    bins = reliability(generator.random(100_000) < probability, probability)
    assert (bins["Fraction"] - bins["Probability"]).abs().max() < 0.02


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (3, 10), (0, 50), (499, 500)])
def test_interval_of_a_share_is_scipys(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    low, high = wilson_interval([successes], [trials])
    np.testing.assert_allclose([low[0], high[0]], expected, atol=1e-9)
