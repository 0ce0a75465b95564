"""Pairs of a list have the network's own logits, however many proteins are prepared at a time, on any threads."""

import numpy as np
import pytest
import torch
from test_scorers import network_of, vectors_of

from esm2_amp.models.registry import MODELS
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.screening.rows import RowScorer
from esm2_amp.statistics.metrics import sigmoid

CPU = torch.device("cpu")
P, B = 30, 700


def pairs_of(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(P, size=(2, B))


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize("prepared_bytes", [1 << 30, 20_000])
def test_probabilities_and_decisions_are_those_of_the_network(architecture, prepared_bytes, monkeypatch):
    monkeypatch.setattr("esm2_amp.screening.rows.PREPARED_BYTES", prepared_bytes)
    network = network_of(architecture)
    table, (a, b), counted = vectors_of(network, P), pairs_of(), []
    exact = score_pairs(network, Pairs(table, *map(torch.from_numpy, (a, b))), batch_size=64, device=CPU)
    scorer = RowScorer(network, table, CPU)
    found = scorer.scores(a, b, counted.append).logit
    assert found.dtype == np.float32
    assert sum(counted) == B
    np.testing.assert_allclose(sigmoid(found), sigmoid(exact), rtol=0, atol=1e-5)
    for threshold in np.quantile(exact, [0.1, 0.5, 0.9]) + 1e-4:
        assert ((found >= threshold) == (exact >= threshold)).all()
    np.testing.assert_array_equal(scorer.scores(a, b).logit, found)


@pytest.mark.parametrize("architecture", ["ESM2_DPM", "ESM2_GRU", "ESM2_AMPS"])
def test_threads_change_nothing(architecture):
    network = network_of(architecture)
    table, (a, b), threads = vectors_of(network, P), pairs_of(), torch.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(RowScorer(network, table, CPU).scores(a, b).logit)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*found)


def test_no_pairs_have_no_logits():
    network = network_of("ESM2_MEAN")
    none = np.empty(0, np.int64)
    assert RowScorer(network, vectors_of(network, P), CPU).scores(none, none).logit.shape == (0,)


def test_what_decides_the_logits_is_in_the_fingerprint():
    network = network_of("ESM2_MEAN")
    table = vectors_of(network, P)
    first = RowScorer(network, table, CPU).fingerprint
    assert RowScorer(network_of("ESM2_MEAN"), table.clone(), CPU).fingerprint == first
    others = [(network_of("ESM2_MEAN", seed=1), table), (network, table + 1), (network, table.half())]
    assert all(RowScorer(*other, CPU).fingerprint != first for other in others)


def test_parts_of_slow_networks_are_smaller():
    networks = [network_of(name, 256) for name in ("ESM2_GRU", "ESM2_MEAN")]
    slow, fast = (RowScorer(network, vectors_of(network, 2, 256), CPU).part_rows for network in networks)
    assert 1024 < slow < fast == 65_536
