"""Risk and coverage against a naive loop, and intervals against those that evaluation has."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esm2_amp.statistics.intervals import bootstrap, bootstrap_means, intervals
from esm2_amp.statistics.metrics import sigmoid
from esm2_amp.statistics.risk_coverage import COVERAGES, kept_shares, risk_coverage

SEED, REPLICATES = 3, 200


def drawn(seed=0, pairs=300, proteins=50, ties=True):
    """Labels, logits, sureness with ties, and proteins."""
    generator = np.random.default_rng(seed)
    a, b = generator.integers(proteins, size=(2, pairs))
    label = generator.integers(0, 2, pairs)
    logit = generator.normal(label - 0.5, 1.5)
    sureness = np.abs(logit)
    return label, logit, np.round(sureness, 1) if ties else sureness, a, b


def losses_of(label, logit):
    error = ((sigmoid(logit) >= 0.5) != label).astype(float)
    return pd.DataFrame({"Error": error, "Brier": (sigmoid(logit) - label) ** 2})


def naive_mean(values, sureness, coverage, weight):
    """Mean of the surest, taken one after the other; of a group of equal ones each counts in the same part."""
    wanted, total, taken = coverage * len(values), 0.0, 0.0
    used = 0.0
    for level in sorted(set(sureness), reverse=True):
        rows = [row for row in range(len(values)) if sureness[row] == level]
        part = min(1.0, max(0.0, (wanted - used) / len(rows)))
        used += part * len(rows)
        for row in rows:
            total += part * weight[row] * values[row]
            taken += part * weight[row]
    return total / taken


@pytest.mark.parametrize("ties", [True, False])
def test_values_are_those_of_a_naive_loop(ties):
    label, logit, sureness, a, b = drawn(ties=ties)
    losses = losses_of(label, logit)
    curves, less = risk_coverage({"probability": sureness}, losses, a, b, replicates=REPLICATES, seed=SEED)
    assert curves["Measure"].unique().tolist() == ["probability"]
    assert curves["Coverage"].tolist() == list(COVERAGES)
    assert curves["Pairs"].tolist() == [15 * number for number in range(1, 21)]
    for name in losses:
        expected = [naive_mean(losses[name], sureness, at, np.ones(len(label))) for at in COVERAGES]
        np.testing.assert_allclose(curves[name], expected)
        np.testing.assert_allclose(less[name], np.array(expected) - losses[name].mean(), atol=1e-12)
        assert (curves[f"{name}Low"] <= curves[name]).all() and (curves[name] <= curves[f"{name}High"]).all()
    assert curves["Error"].iloc[0] < curves["Error"].iloc[-1]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 10**6))
def test_shares_add_up_and_do_not_depend_on_the_order(sureness, seed):
    shares = kept_shares(sureness)
    np.testing.assert_allclose(shares.sum(axis=0), len(sureness) * np.array(COVERAGES))
    assert (np.diff(shares, axis=1) >= 0).all() and shares.min() >= 0 and shares.max() <= 1
    order = np.random.default_rng(seed).permutation(len(sureness))
    np.testing.assert_array_equal(kept_shares(np.array(sureness)[order]), shares[order])
    surer = np.array(sureness)[:, None] > np.array(sureness)
    assert ((shares[:, None] == 1) | (shares[None] == 0))[surer].all()


def test_replicates_are_those_of_evaluation():
    label, logit, sureness, a, b = drawn()
    losses = losses_of(label, logit)
    found = bootstrap_means(losses, kept_shares(sureness), a, b, replicates=REPLICATES, seed=SEED)
    sample = bootstrap(label, {"model": logit}, a, b, replicates=REPLICATES, seed=SEED)
    table = intervals(sample).set_index("Metric")
    low, high = found.limits()
    accuracy, brier = table.loc["Accuracy"], table.loc["Brier"]
    np.testing.assert_allclose(1 - found.values[-1, 0], accuracy["Value"])
    np.testing.assert_allclose([found.values[-1, 1], low[-1, 1], high[-1, 1]], brier[["Value", "Low", "High"]].tolist())
    np.testing.assert_allclose([1 - high[-1, 0], 1 - low[-1, 0]], accuracy[["Low", "High"]].tolist())


def test_each_replicate_is_a_naive_weighted_mean():
    label, logit, sureness, a, b = drawn(pairs=60, proteins=15)
    losses = losses_of(label, logit)
    found = bootstrap_means(losses, kept_shares(sureness), a, b, replicates=5, seed=SEED)
    names, rows = np.unique(np.concatenate([a, b]), return_inverse=True)
    count = np.random.default_rng(SEED).multinomial(len(names), np.full(len(names), 1 / len(names)), 5)
    for replicate, of_proteins in zip(found.replicates, count, strict=True):
        weight = of_proteins[rows[: len(a)]] + of_proteins[rows[len(a) :]]
        for at in (4, 9, 19):
            expected = [naive_mean(losses[name], sureness, COVERAGES[at], weight) for name in losses]
            np.testing.assert_allclose(replicate[at], expected)


def test_influence_is_the_derivative_in_each_weight():
    label, logit, sureness, a, b = drawn(pairs=40, proteins=12)
    losses, shares = losses_of(label, logit), kept_shares(sureness)
    found = bootstrap_means(losses, shares, a, b, replicates=2, seed=SEED)
    step, weight = 1e-6, np.ones(len(label))
    for row in (0, 17, 39):
        weight[row] += step
        for at in (3, 12):
            moved = [naive_mean(losses[name], sureness, COVERAGES[at], weight) for name in losses]
            np.testing.assert_allclose((moved - found.values[at]) / step, found.influence[row, at], atol=1e-5)
        weight[row] -= step


def test_gain_of_an_informative_measure_is_told_from_none():
    label, logit, sureness, a, b = drawn(pairs=3000, proteins=400, ties=False)
    nothing = np.random.default_rng(1).normal(size=len(label))
    _, less = risk_coverage(
        {"sure": sureness, "nothing": nothing}, losses_of(label, logit), a, b, replicates=REPLICATES, seed=SEED
    )
    half = less[less["Coverage"] == 0.5].set_index("Measure")
    assert half.loc["sure", "ErrorHigh"] < 0
    assert half.loc["nothing", "ErrorLow"] < 0 < half.loc["nothing", "ErrorHigh"]
    whole = less[less["Coverage"] == 1]
    np.testing.assert_allclose(whole[["Error", "ErrorLow", "ErrorHigh"]], 0, atol=1e-12)
