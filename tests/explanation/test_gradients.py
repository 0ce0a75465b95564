import logging

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from esm2_amp.explanation.gradients import integrated_gradients, log_error, mean_pair
from esm2_amp.explanation.paths import POINTS
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import GradientParameters

CPU = torch.device("cpu")
WIDTH = 8


def parameters_of(**given):
    usual = {"steps": 25, "internal_batch": 4, "tolerance": 0.01, "share": 1.0, "max_steps": 25}
    return GradientParameters(**(usual | given))


def some_pairs(half=10, pairs=7):
    generator = torch.Generator().manual_seed(2)
    table = torch.randn(9, half, WIDTH, generator=generator)
    return Pairs(table, *torch.randint(9, (2, pairs), generator=generator))


def transformer(name="ESM2_AMPS"):
    torch.manual_seed(3)
    sizes = {"h1": 10, "h2": 6, "layers": 2, "heads": 2, "feed_forward": 20, "dropout": 0.3}
    return build_network(MODELS[name].config(architecture=name, **sizes), WIDTH)


def attribute(network, pairs, parameters=None, baseline=None):
    baseline = mean_pair(pairs) if baseline is None else baseline
    parameters = parameters or parameters_of()
    return integrated_gradients(network, pairs, baseline=baseline, parameters=parameters, device=CPU)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1)))

    def forward(self, tokens):
        return (tokens * self.weight).sum(dim=(1, 2))


class Kinked(nn.Module):
    """Bends once on the way to each pair."""

    def forward(self, tokens):
        return (tokens.sum(dim=(1, 2)) - 1).relu()


def test_baseline_is_the_mean_of_the_pairs_in_both_orders():
    pairs = some_pairs()
    both = torch.cat([pairs.tokens(), pairs.swapped().tokens()])
    torch.testing.assert_close(mean_pair(pairs), both.mean(dim=0))


def test_linear_network_has_weight_times_distance_from_the_baseline():
    network, pairs = Linear(), some_pairs()
    baseline = torch.randn(20, WIDTH)
    found = attribute(network, pairs, baseline=baseline)
    expected = network.weight.detach() * (pairs.tokens() - baseline)
    np.testing.assert_allclose(found.attribution, expected, atol=1e-5)
    np.testing.assert_allclose(found.importance, expected.abs().mean(dim=2), atol=1e-5)
    assert found.error.max() < 1e-4


@pytest.mark.parametrize("name", ["ESM2_AMPS", "ESM2_AMP_CSE"])
def test_attributions_are_the_path_integral_of_the_gradient(name):
    network = transformer(name).eval()
    half = len(range(*network.protein_tokens.indices(13)))
    pairs = some_pairs(half, pairs=2)
    baseline = mean_pair(pairs)
    found = attribute(network, pairs, parameters_of(steps=200, max_steps=200))
    tokens, sums = pairs.tokens(), 0
    points = (torch.arange(400) + 0.5) / 400
    for point in points:
        between = (baseline + point * (tokens - baseline)).requires_grad_()
        sums = sums + torch.autograd.grad(network(between).sum(), between)[0]
    expected = (tokens - baseline) * sums / len(points)
    np.testing.assert_allclose(found.attribution, expected, atol=0.02 * expected.abs().max())
    scale = np.abs(found.attribution).sum(axis=(1, 2)).max()
    np.testing.assert_allclose(
        found.attribution.sum(axis=(1, 2)), found.logit - found.baseline_logit, atol=2e-3 * scale
    )


def test_attributions_are_the_mean_gradient_times_the_distance_from_the_baseline():
    pairs = some_pairs()
    baseline, parameters = mean_pair(pairs), parameters_of(steps=8, max_steps=64, tolerance=1e-4)
    given = {"baseline": baseline, "parameters": parameters, "device": CPU}
    kept = integrated_gradients(transformer(), pairs, **given, keep_gradient=True)
    np.testing.assert_array_equal(kept.gradient * (pairs.tokens() - baseline).numpy(), kept.attribution)
    alone = integrated_gradients(transformer(), pairs, **given)
    assert alone.gradient is None
    np.testing.assert_array_equal(alone.attribution, kept.attribution)


def test_mean_gradient_is_known_where_a_pair_is_the_baseline():
    pairs = some_pairs(pairs=1)
    found = integrated_gradients(
        Linear(), pairs, baseline=pairs.tokens()[0], parameters=parameters_of(), device=CPU, keep_gradient=True
    )
    np.testing.assert_allclose(found.gradient[0], Linear().weight.detach(), rtol=1e-5)
    assert not found.attribution.any()


@pytest.mark.parametrize(("name", "half"), [("ESM2_DPM", 1), ("ESM2_GRU", 10), ("ESM2_MEAN", 10), ("ESM2_SIAM", 10)])
def test_every_network_is_explained(name, half):
    torch.manual_seed(5)
    sizes = {"h1": 10, "h2": 6} | ({"h3": 4} if name in ("ESM2_DPM", "ESM2_SIAM") else {})
    network = build_network(MODELS[name].config(architecture=name, **sizes), WIDTH)
    found = attribute(network, some_pairs(half), parameters_of(max_steps=1600))
    assert found.attribution.shape == (7, 2 * half, WIDTH)
    difference = found.logit - found.baseline_logit
    np.testing.assert_allclose(found.attribution.sum(axis=(1, 2)), difference, atol=0.01 * np.abs(difference).max())


def test_batches_change_nothing():
    pairs = some_pairs()
    together, apart = (
        attribute(transformer(), pairs, parameters_of(internal_batch=size)).attribution for size in (32, 2)
    )
    np.testing.assert_allclose(together, apart, atol=1e-6)


@pytest.mark.parametrize("name", ["ESM2_AMPS", "ESM2_AMP_CSE"])
def test_swapping_partners_swaps_the_explanation(name):
    network = transformer(name)
    pairs = some_pairs(len(range(*network.protein_tokens.indices(13))))
    there, back = (attribute(network, given).attribution for given in (pairs, pairs.swapped()))
    of_a, of_b = np.split(there, 2, axis=1)
    np.testing.assert_allclose(back, np.concatenate([of_b, of_a], axis=1), atol=1e-6)


def test_only_the_pairs_that_need_it_take_more_steps():
    pairs = some_pairs(pairs=40)
    first = attribute(Kinked(), pairs, parameters_of(steps=8, max_steps=8))
    more = attribute(Kinked(), pairs, parameters_of(steps=8, max_steps=512))
    needed = first.error > 0.01
    assert 0 < needed.sum() < 40
    assert (more.steps[~needed] == 8).all()
    assert (more.steps[needed] >= 16).all()
    np.testing.assert_array_equal(more.attribution[~needed], first.attribution[~needed])
    assert (more.error <= 0.01).all()


class Switching(nn.Module):
    """Changes its logit within a small part of the path, as attention does that turns from one token to another."""

    def forward(self, tokens):
        return 5 * (400 * (tokens.mean(dim=(1, 2)) - 0.3)).tanh()


def test_points_are_where_the_logit_changes():
    pairs = Pairs(torch.ones(1, 10, WIDTH), *torch.zeros(2, 1, dtype=torch.long))
    baseline = torch.zeros(20, WIDTH)
    found = attribute(Switching(), pairs, parameters_of(max_steps=1600), baseline)
    evenly = attribute(Switching(), pairs, parameters_of(steps=100, max_steps=100), baseline)
    assert found.error[0] <= 0.01
    assert found.steps[0] < 100
    assert evenly.error[0] > 0.01
    np.testing.assert_allclose(found.attribution, 10 / (20 * WIDTH), rtol=0.01)


def test_a_pair_has_the_same_steps_whatever_others_are_explained():
    pairs = some_pairs(pairs=40)
    parameters = parameters_of(steps=8, max_steps=64)
    baseline = mean_pair(pairs)
    together = attribute(Kinked(), pairs, parameters, baseline)
    alone = attribute(Kinked(), pairs.only(np.array([3, 17])), parameters, baseline)
    np.testing.assert_array_equal(alone.steps, together.steps[[3, 17]])
    np.testing.assert_allclose(alone.attribution, together.attribution[[3, 17]], atol=1e-6)


def test_no_part_is_halved_once_a_pair_has_the_most_steps():
    found = attribute(transformer(), some_pairs(), parameters_of(steps=4, max_steps=20, tolerance=1e-9))
    assert (found.steps >= 20 - 2 * POINTS).all()
    assert (found.steps <= 20 + 2 * POINTS).all()


def test_too_few_pairs_that_add_up_are_warned_of(caplog):
    parameters = parameters_of(steps=1, max_steps=10, tolerance=1e-9)
    found = attribute(transformer(), some_pairs(), parameters)
    with caplog.at_level(logging.INFO, logger="esm2_amp.explanation.gradients"):
        log_error(found, parameters)
    assert caplog.records[0].levelname == "WARNING"
    assert "for 0.0 % of 7 pairs (100 % asked for); 7 took more than 1 steps, up to 9" in caplog.text
    assert found.summary(parameters)["pairs_by_steps"] == {"9": 7}


def test_weights_need_their_gradient_again_afterwards():
    network = transformer()
    network.mlp_layers[0].weight.requires_grad_(False)
    before = [parameter.requires_grad for parameter in network.parameters()]
    attribute(network, some_pairs())
    assert [parameter.requires_grad for parameter in network.parameters()] == before
    assert all(parameter.grad is None for parameter in network.parameters())


def test_limit_below_the_first_steps():
    with pytest.raises(ValidationError, match="max_steps must be at least steps, got 10 and 25"):
        parameters_of(max_steps=10)
