"""Calibration against numbers worked out by hand and temperatures known from simulation."""

import logging

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

from esm2_amp.statistics.calibration import (
    COLDEST,
    HOTTEST,
    calibration_interval,
    expected_calibration_error,
    fit_temperature,
)
from esm2_amp.statistics.metrics import sigmoid


def test_expected_calibration_error_worked_out_by_hand():
    # Bin 0.1–0.2: mean 0.15, one of two interacts; bin 0.9–1: mean 0.975, one of two; bin 0–0.1: exact.
    label, probability = [0, 1, 0, 1, 0], [0.0, 0.12, 0.18, 1.0, 0.95]
    assert expected_calibration_error(label, probability) == pytest.approx((2 * 0.35 + 2 * 0.475) / 5)
    assert expected_calibration_error(label, probability, n_bins=1) == pytest.approx(abs(2 / 5 - 2.25 / 5))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature):
    generator = np.random.default_rng(0)
    true_logit = generator.normal(0, 2, 50_000)
    label = generator.random(50_000) < sigmoid(true_logit)
    assert fit_temperature(label, temperature * true_logit) == pytest.approx(temperature, rel=0.03)


def test_the_temperature_is_the_slope_of_unpenalised_logistic_regression():
    generator = np.random.default_rng(1)
    label = np.arange(200) % 2
    logit = generator.normal(3 * label - 1, 4)
    regression = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(logit[:, None], label)
    assert fit_temperature(label, logit) == pytest.approx(1 / regression.coef_[0, 0], rel=1e-4)


@pytest.mark.parametrize(
    ("label", "temperature", "reason"),
    [([0, 0, 1, 1], COLDEST, "separate the labels perfectly"), ([1, 1, 0, 0], HOTTEST, "no information")],
)
def test_a_temperature_without_an_optimum_stops_at_its_limit_and_says_so(label, temperature, reason, caplog):
    with caplog.at_level(logging.INFO):
        assert fit_temperature(label, [-2.0, -1.0, 1.0, 2.0], "ESM2_GRU") == temperature
    assert "The logits of ESM2_GRU" in caplog.text
    assert reason in caplog.text


def test_the_interval_reaches_zero_for_errors_as_large_as_noise_and_not_for_larger():
    noise = np.random.default_rng(2).normal(0, 0.01, (1000, 10))
    signs = np.resize([1, -1], 10)
    low, high = calibration_interval(0.008 * signs, noise, 0.95)
    assert low == 0
    assert 0.08 < high < 0.16
    low, high = calibration_interval(0.1 * signs, noise, 0.95)
    # Far from 0 the absolute values don't bend, and the interval is the usual one.
    half = 1.96 * 0.01 * np.sqrt(10)
    assert (low, high) == pytest.approx((1 - half, 1 + half), abs=0.01)


def test_even_errors_as_large_as_noise_lie_in_the_interval_as_often_as_it_says():
    """The bound is what 95 % coverage undercuts once in a thousand times."""
    generator, n_bins, held = np.random.default_rng(5), 40, 0
    errors = np.resize([1.0, -1.0], n_bins)
    for _ in range(400):
        noise = generator.normal(size=(199, n_bins))
        low, high = calibration_interval(errors + generator.normal(size=n_bins), noise, 0.95)
        held += low <= n_bins <= high
    assert held >= binom.ppf(0.001, 400, 0.95)


def test_errors_of_zero_have_an_interval():
    assert calibration_interval(np.zeros(3), np.zeros((5, 3)), 0.95) == (0, 0)
