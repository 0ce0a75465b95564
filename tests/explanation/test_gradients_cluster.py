"""Integrated Gradients by the workers of a Dask cluster: the same numbers as here, whatever happens to a worker."""

import numpy as np
import pytest
from test_gradients import CPU, parameters_of, some_pairs, transformer

from esm2_amp.cluster import Cluster
from esm2_amp.explanation.gradients import Attributions, integrated_gradients, mean_pair
from esm2_amp.pairs import Pairs

PARAMETERS = parameters_of(steps=4, max_steps=40, tolerance=1e-3)


@pytest.fixture
def pairs() -> Pairs:
    return some_pairs(pairs=42)


def attributions(pairs: Pairs, cluster: Cluster | None = None) -> Attributions:
    given = {"baseline": mean_pair(pairs), "parameters": PARAMETERS, "device": CPU, "keep_gradient": True}
    return integrated_gradients(transformer(), pairs, **given, cluster=cluster)


def assert_same(found: Attributions, expected: Attributions) -> None:
    for values, of_one in zip(found, expected, strict=True):
        np.testing.assert_array_equal(values, of_one)


def test_two_workers_find_the_same_attributions(cluster, pairs):
    expected = attributions(pairs)
    assert (expected.steps > 4).any()
    assert_same(attributions(pairs, cluster), expected)


def test_parts_of_a_killed_worker_go_to_another(cluster, losing_a_worker, pairs):
    assert_same(attributions(pairs, cluster), attributions(pairs))
    assert len(losing_a_worker) == 11  # of 42 pairs, 4 at a time
