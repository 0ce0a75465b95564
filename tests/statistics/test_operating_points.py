"""Thresholds and prevalences against counting by hand and brute force."""

import numpy as np
import pytest

from esm2_amp.errors import InputError
from esm2_amp.statistics.metrics import pair_metrics, sigmoid
from esm2_amp.statistics.operating_points import best_threshold, precision_at_odds


def test_precision_at_rare_positives_is_that_counted_among_repeated_negatives():
    # Recall 8 of 10, specificity 9 of 10: of 10 positives and 100 negatives, 8 and 10 are said to interact.
    assert precision_at_odds(0.8, 0.9, 10) == pytest.approx(8 / 18)
    assert precision_at_odds(0.8, 0.9, 100) == pytest.approx(8 / 108)
    assert precision_at_odds(0.8, 0.9, 1) == pytest.approx(8 / 9)


def test_the_best_threshold_has_the_highest_mcc_of_all():
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, 80)
    logit = np.round(generator.normal(label - 1.5, 1.0), 1)
    every = {threshold: pair_metrics(label, logit, threshold)["mcc"] for threshold in sigmoid(np.unique(logit))}
    threshold = best_threshold(label, logit)
    assert every[threshold] == pytest.approx(max(every.values()))
    assert every[threshold] > pair_metrics(label, logit)["mcc"]


def test_of_equally_good_thresholds_the_highest_is_best():
    # One of one, or two of three, said to interact are right: an MCC of 1/√3 each, and between them 0.
    label, logit = [1, 0, 1, 0], [2.0, 1.0, -1.0, -2.0]
    every = [pair_metrics(label, logit, threshold)["mcc"] for threshold in sigmoid(logit)]
    assert every == pytest.approx([1 / np.sqrt(3), 0, 1 / np.sqrt(3), 0])
    assert best_threshold(label, logit) == sigmoid(2.0)


def test_logits_whose_probabilities_round_to_one_are_decided_alike():
    threshold = best_threshold([1, 1, 0, 0], [60.0, 50.0, 40.0, -3.0])
    assert pair_metrics([1, 1, 0, 0], [60.0, 50.0, 40.0, -3.0], threshold)["mcc"] == pytest.approx(1 / np.sqrt(3))


@pytest.mark.parametrize(("label", "count"), [(1, 3), (0, 0)])
def test_one_class_has_no_best_threshold(label, count):
    with pytest.raises(InputError, match=rf"pairs of both classes are, got 3 pairs of which {count} interact"):
        best_threshold([label] * 3, [1.0, 2.0, 3.0])
