import numpy as np
import pytest
from scipy.stats import binomtest, norm

from esm2_amp.statistics.intervals import mean_intervals, rate_intervals


def apart(pairs):
    """Proteins of pairs that share none."""
    return np.arange(pairs), np.arange(pairs) + pairs


def test_pairs_that_share_no_protein_have_the_interval_of_independent_ones():
    values = np.random.default_rng(0).normal(size=(400, 2))
    found = mean_intervals(values, *apart(400))
    reach = norm.ppf(0.975) * values.std(axis=0) / np.sqrt(400)
    np.testing.assert_allclose(found.mean, values.mean(axis=0))
    np.testing.assert_allclose(found.high - found.mean, reach, rtol=0.01)
    np.testing.assert_allclose(found.mean - found.low, reach, rtol=0.01)


def test_intervals_hold_the_mean_as_often_as_they_say_where_proteins_have_effects():
    rng, held = np.random.default_rng(1), []
    for _ in range(300):
        a, b = rng.integers(60, size=(2, 300))
        effect = rng.normal(size=60)
        values = effect[a] + effect[b] + rng.normal(size=300)
        found = mean_intervals(values[:, None], a, b)
        held.append(found.low[0] <= 0 <= found.high[0])
    assert 0.9 < np.mean(held) < 0.99


def test_rates_have_wilsons_interval():
    # 8 of 10 and 10 of 10, as tables of Wilson's interval give them (Newcombe 1998)
    hits = np.zeros((10, 2), bool)
    hits[:8, 0] = hits[:, 1] = True
    found = rate_intervals(hits, *apart(10))
    assert found.mean.tolist() == [0.8, 1.0]
    assert found.low == pytest.approx([0.4902, 0.7225], abs=1e-4)
    assert found.high == pytest.approx([0.9433, 1.0], abs=1e-4)


def test_rates_over_shared_proteins_are_less_certain():
    hits = np.repeat([True, False], [60, 20])[:, None]
    shared = rate_intervals(hits, np.repeat(np.arange(8), 10), np.arange(80) + 8)
    alone = rate_intervals(hits, *apart(80))
    assert shared.high[0] - shared.low[0] > 1.5 * (alone.high[0] - alone.low[0])


def test_pairs_given_twice_with_opposite_results_are_no_more_certain_than_independent_ones():
    # Opposite results cancel, so that the variance is that of more pairs than there are.
    hits = np.append(np.tile([True, False], 10), True)[:, None]
    a, b = np.append(np.repeat(np.arange(10), 2), 10), np.append(np.repeat(np.arange(10), 2), 10) + 11
    found, wilson = rate_intervals(hits, a, b), binomtest(11, 21).proportion_ci(method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((wilson.low, wilson.high))
