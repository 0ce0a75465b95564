"""Explanations of an ensemble are the means of those of its members, and add up to the ensemble's logit."""

import numpy as np
import pytest
import torch

from esm2_amp.explanation.attention import READINGS, read_attention
from esm2_amp.explanation.gradients import integrated_gradients, mean_pair
from esm2_amp.explanation.randomisation import cascade, randomised_weights
from esm2_amp.models.ensemble import Ensemble, members_of
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import GradientParameters

CPU, WIDTH = torch.device("cpu"), 8
SIZES = {
    "ESM2_AMPS": {"h1": 10, "h2": 6, "layers": 2, "heads": 2, "feed_forward": 20},
    "ESM2_AMP_CSE": {"h1": 10, "h2": 6, "layers": 2, "heads": 2, "feed_forward": 20},
    "ESM2_DPM": {"h1": 12, "h2": 8, "h3": 5},
    "ESM2_GRU": {"h1": 10, "h2": 6, "layers": 1},
    "ESM2_MEAN": {"h1": 10, "h2": 6},
    "ESM2_SIAM": {"h1": 12, "h2": 8, "h3": 6},
}


def ensemble_of(name: str, members: int = 3) -> Ensemble:
    torch.manual_seed(3)
    config = MODELS[name].config(architecture=name, **SIZES[name])
    return Ensemble([build_network(config, WIDTH).eval() for _ in range(members)])


def pairs_of(network) -> Pairs:
    generator = torch.Generator().manual_seed(2)
    table = torch.randn(9, len(range(13)[network.protein_tokens]), WIDTH, generator=generator)
    return Pairs(table, *torch.randint(9, (2, 7), generator=generator))


def attributions(network, pairs: Pairs, steps: int):
    parameters = GradientParameters(steps=steps, internal_batch=4, tolerance=0.01, share=1.0, max_steps=steps)
    options = {"baseline": mean_pair(pairs), "parameters": parameters, "device": CPU, "keep_gradient": True}
    return integrated_gradients(network, pairs, **options)


@pytest.mark.parametrize("name", MODELS)
def test_attributions_are_the_mean_of_the_members_and_complete(name):
    ensemble = ensemble_of(name)
    pairs = pairs_of(ensemble)
    found = attributions(ensemble, pairs, 150)
    of_members = [attributions(member, pairs, 150) for member in members_of(ensemble)]
    for part in ("attribution", "gradient", "logit", "baseline_logit"):
        mean = np.mean([getattr(of_member, part) for of_member in of_members], axis=0)
        np.testing.assert_allclose(getattr(found, part), mean, atol=1e-5)
    total = found.attribution.sum(axis=(1, 2), dtype=np.float64)
    np.testing.assert_allclose(total, found.logit - found.baseline_logit, atol=0.01)
    np.testing.assert_allclose(found.logit, score_pairs(ensemble, pairs, batch_size=9, device=CPU), atol=1e-6)


@pytest.mark.parametrize("name", ["ESM2_AMPS", "ESM2_AMP_CSE"])
def test_attention_is_the_mean_of_the_members(name):
    ensemble = ensemble_of(name)
    pairs = pairs_of(ensemble)
    found = read_attention(ensemble, pairs, chosen=[5, 0], batch_size=3, device=CPU)
    alone = [read_attention(m, pairs, chosen=[5, 0], batch_size=7, device=CPU) for m in members_of(ensemble)]
    for part in ("logit", "mean", "chosen"):
        mean = np.mean([getattr(of_member, part) for of_member in alone], axis=0)
        np.testing.assert_allclose(getattr(found, part), mean, atol=1e-6)
    for reading in READINGS:
        mean = np.mean([of_member.importance[reading] for of_member in alone], axis=0)
        np.testing.assert_allclose(found.importance[reading], mean, atol=1e-6)
        np.testing.assert_allclose(found.importance[reading].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.logit, score_pairs(ensemble, pairs, batch_size=9, device=CPU), atol=1e-5)


def test_members_are_randomised_together_each_from_its_own_seed():
    ensemble = ensemble_of("ESM2_AMPS", members=2)
    pairs, seen = pairs_of(ensemble), []

    def explain(network):
        seen.append([{name: weight.clone() for name, weight in m.state_dict().items()} for m in members_of(network)])
        return read_attention(network, pairs, batch_size=7, device=CPU).importance

    table = randomised_weights(ensemble, explain, seed=5)
    assert table["Module"].unique().tolist() == ["head", "layer 2", "layer 1"]
    for number, member in enumerate(members_of(ensemble)):
        for (_, expected), found in zip(cascade(member, 5 + number), seen[1:], strict=True):
            assert all(torch.equal(weight, found[number][name]) for name, weight in expected.state_dict().items())
    assert all(torch.equal(w, seen[0][0][name]) for name, w in members_of(ensemble)[0].state_dict().items())
