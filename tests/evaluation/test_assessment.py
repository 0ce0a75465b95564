"""What is said of a model: chosen on validation pairs alone, and counted by hand or by scikit-learn."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import metrics as sk

from esm2_amp.errors import InputError
from esm2_amp.evaluation.assessment import assess
from esm2_amp.statistics.calibration import expected_calibration_error, fit_temperature


@pytest.fixture
def pairs():
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, 400)
    return pd.DataFrame(
        {"Split": np.repeat(["validation", "test"], 200), "Label": label, "logit": generator.normal(3 * label - 3, 4)}
    )


def test_temperature_and_threshold_are_chosen_on_validation_pairs_alone(pairs):
    first = assess("ESM2_GRU", pairs, pairs["logit"], "validation").metrics
    other = pairs.assign(logit=pairs["logit"].where(pairs["Split"] == "validation", -pairs["logit"]))
    second = assess("ESM2_GRU", other, other["logit"], "validation").metrics
    assert first["test"] != second["test"]
    assert all(first[name] == second[name] for name in ("threshold", "temperature", "validation"))
    validation = pairs[pairs["Split"] == "validation"]
    assert first["temperature"] == fit_temperature(validation["Label"], validation["logit"])
    mcc = [
        sk.matthews_corrcoef(validation["Label"], expit(validation["logit"]) >= threshold)
        for threshold in (first["threshold"], 0.5)
    ]
    assert first["validation"]["mcc"] == pytest.approx(mcc[0])
    assert mcc[0] > mcc[1]


def test_decisions_and_calibrated_probabilities_follow_from_what_was_chosen(pairs):
    scores, metrics = assess("ESM2_GRU", pairs, pairs["logit"], "validation")
    assert (scores["Prediction"] == (expit(pairs["logit"]) >= metrics["threshold"])).all()
    np.testing.assert_allclose(scores["CalibratedProbability"], expit(pairs["logit"] / metrics["temperature"]))
    assert metrics["temperature"] > 1.5  # the logits are drawn too far apart


def test_calibration_errors_and_precision_among_rare_positives_are_those_of_the_split(pairs):
    scores, metrics = assess("ESM2_GRU", pairs, pairs["logit"], 0.5)
    for split, found in pairs.join(scores).groupby("Split"):
        measured = metrics[split]
        assert measured["ece"] == expected_calibration_error(found["Label"], found["Probability"])
        assert measured["ece_calibrated"] == expected_calibration_error(found["Label"], found["CalibratedProbability"])
        assert measured["ece_calibrated"] < measured["ece"]
        weight = np.where(found["Label"] == 1, 1, 10 * (found["Label"] == 1).sum() / (found["Label"] == 0).sum())
        expected = sk.precision_score(found["Label"], found["Prediction"], sample_weight=weight)
        assert measured["precision_at_1_10"] == pytest.approx(expected)


def test_what_is_undefined_is_none_and_told_with_the_model_and_split(pairs, caplog):
    one_class = pairs.assign(Label=pairs["Label"].where(pairs["Split"] == "validation", 0))
    with caplog.at_level(logging.INFO):
        metrics = assess("ESM2_GRU", one_class, one_class["logit"], 0.5).metrics["test"]
    assert metrics["auroc"] is metrics["precision_at_1_10"] is None
    assert metrics["brier"] is not None
    assert "ESM2_GRU, test pairs: undefined are recall," in caplog.text
    assert "(no pair is labelled 1)" in caplog.text


def test_a_split_without_pairs_is_refused(pairs):
    with pytest.raises(InputError, match="at least one labelled pair, got none"):
        assess("ESM2_GRU", pairs[:200], pairs["logit"][:200], 0.5)
