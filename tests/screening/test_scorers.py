"""Scorers give the network's own logits, for whatever proteins are scored together."""

import numpy as np
import pytest
import torch

from esm2_amp.errors import InputError
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.screening.scorers import pairs_at_once, scorer_of

SIZES = {
    "ESM2_AMPS": {"h1": 7, "h2": 5, "layers": 3, "heads": 4, "feed_forward": 24},
    "ESM2_AMP_CSE": {"h1": 7, "h2": 5, "layers": 1, "heads": 2, "feed_forward": 24},
    "ESM2_DPM": {"h1": 20, "h2": 9, "h3": 5},
    "ESM2_GRU": {"h1": 7, "h2": 5, "layers": 3},
    "ESM2_MEAN": {"h1": 7, "h2": 5},
    "ESM2_SIAM": {"h1": 11, "h2": 7, "h3": 5},
}


def network_of(architecture: str, width: int = 16, seed: int = 0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(MODELS[architecture].config(architecture=architecture, **SIZES[architecture]), width)
        for parameter in network.parameters():  # biases and norms that start as 0 and 1 would hide mistakes
            parameter.data += 0.1 * torch.randn_like(parameter)
        if architecture == "ESM2_AMP_CSE":
            network = network.for_vectors_as_they_are(torch.randn(width), 1 + torch.rand(width))
    return network.eval()


def vectors_of(network, proteins: int, width: int = 16) -> torch.Tensor:
    tokens = len(range(13)[network.protein_tokens])
    return torch.randn(proteins, tokens, width, generator=torch.Generator().manual_seed(1))


def logits_of(network, table: torch.Tensor) -> np.ndarray:
    """All ordered pairs through `score_pairs`: shape (P, P), rows are A."""
    a, b = (part.flatten() for part in torch.meshgrid(*[torch.arange(len(table))] * 2, indexing="ij"))
    scores = score_pairs(network, Pairs(table, a, b), batch_size=64, device=torch.device("cpu"))
    return scores.reshape(len(table), len(table))


@pytest.mark.parametrize("architecture", MODELS)
@torch.inference_mode()
def test_scores_are_the_mean_of_the_logits_of_both_orders(architecture):
    network = network_of(architecture)
    table = vectors_of(network, 11)
    expected = logits_of(network, table)
    if network.symmetric:
        np.testing.assert_allclose(expected, expected.T, atol=1e-5 * np.abs(expected).max())
    scorer = scorer_of(network)
    a, b = scorer.prepare(table[:4]), scorer.prepare(table[4:])
    found = scorer.score(a, b)
    assert found.shape == (4, 7) and found.dtype == torch.float32
    mean = (expected + expected.T) / 2
    np.testing.assert_allclose(found.numpy(), mean[:4, 4:], atol=1e-5 * np.abs(mean).max(), rtol=0)


@pytest.mark.parametrize("architecture", MODELS)
@torch.inference_mode()
def test_pairs_of_a_list_are_read_in_their_one_order(architecture):
    network = network_of(architecture)
    table = vectors_of(network, 11)
    expected = torch.from_numpy(logits_of(network, table))
    a, b = torch.randint(11, (2, 40), generator=torch.Generator().manual_seed(2))
    scorer = scorer_of(network)
    prepared = scorer.prepare(table)
    for _ in range(2):  # prepared proteins stay as they are
        found = scorer.score_rows(prepared, a, b)
        assert found.shape == (40,) and found.dtype == torch.float32
        torch.testing.assert_close(found, expected[a, b], rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("architecture", MODELS)
@torch.inference_mode()
def test_scoring_leaves_prepared_proteins_as_they_are(architecture):
    network = network_of(architecture)
    scorer = scorer_of(network)
    prepared = scorer.prepare(vectors_of(network, 5))
    first = scorer.score(prepared, prepared)
    torch.testing.assert_close(scorer.score(prepared, prepared), first, rtol=0, atol=0)
    torch.testing.assert_close(first, first.T, rtol=0, atol=1e-5 * float(first.abs().max()))


@pytest.mark.parametrize("architecture", MODELS)
@torch.inference_mode()
def test_bfloat16_is_near(architecture):
    network = network_of(architecture)
    vectors = vectors_of(network, 6)
    exact = scorer_of(network).score(*[scorer_of(network).prepare(vectors)] * 2)
    coarse = scorer_of(network.to(torch.bfloat16))
    prepared = coarse.prepare(vectors)
    found = coarse.score(prepared, prepared)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0, atol=0.05 * float(exact.abs().max()))


@pytest.mark.parametrize("architecture", MODELS)
@torch.inference_mode()
def test_prepared_proteins_have_the_size_announced(architecture):
    network = network_of(architecture)
    scorer = scorer_of(network)
    assert sum(part[0].numel() for part in scorer.prepare(vectors_of(network, 3))) == scorer.floats_per_protein
    assert pairs_at_once(scorer) >= 1


def test_network_without_a_scorer_is_an_error():
    with pytest.raises(InputError, match=r"Screening must be by a network of ESM2DPM, .*, got AEDNN"):
        scorer_of(AEDNN(8, 4, 2))
