import numpy as np
import pytest
import torch
from torch.nn.functional import relu

from esm2_amp.errors import InputError
from esm2_amp.explanation.attention import (
    MODELS_WITH_ATTENTION,
    READINGS,
    read_attention,
    received,
    received_in_last_layer,
    rollout,
    score_with_attention,
)
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import load_model
from esm2_amp.pairs import Pairs

CPU = torch.device("cpu")
SIZES = {"h1": 10, "h2": 6, "layers": 3, "heads": 4, "feed_forward": 20, "dropout": 0.3}


def network_of(name, width=24):
    torch.manual_seed(1)
    return build_network(MODELS[name].config(architecture=name, **SIZES), width).eval()


def some_pairs(network, pairs=11, width=24):
    generator = torch.Generator().manual_seed(2)
    half = len(range(*network.protein_tokens.indices(13)))
    table = torch.randn(9, half, width, generator=generator)
    a, b = torch.randint(9, (2, pairs), generator=generator)
    return Pairs(table, a, b)


def forward_by_hand(network, tokens):
    """Pre-norm encoder layers written out, with the weights that torch itself gives for `need_weights`."""
    states, of_layers = tokens, []
    for layer in network.transformer_encoder.layers:
        normed = layer.norm1(states)
        mixed, weights = layer.self_attn(normed, normed, normed, need_weights=True, average_attn_weights=True)
        states = states + mixed
        states = states + layer.linear2(relu(layer.linear1(layer.norm2(states))))
        of_layers.append(weights)
    return network.mlp_layers(states.mean(dim=1)).squeeze(-1), torch.stack(of_layers, dim=1)


def test_models_with_attention_are_the_transformers():
    assert MODELS_WITH_ATTENTION == ("ESM2_AMPS", "ESM2_AMP_CSE")


@pytest.mark.parametrize("name", MODELS_WITH_ATTENTION)
def test_weights_and_logits_are_those_of_a_forward_pass_by_hand(name):
    network = network_of(name)
    tokens = torch.randn(5, 2 * len(range(*network.protein_tokens.indices(13))), 24)
    with torch.inference_mode():
        logit, weights = score_with_attention(network, tokens)
        by_hand = forward_by_hand(network, tokens)
    torch.testing.assert_close(logit, by_hand[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(weights, by_hand[1], atol=1e-6, rtol=0)
    assert weights.shape == (5, 3, tokens.shape[1], tokens.shape[1])
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))


@pytest.mark.parametrize("name", MODELS_WITH_ATTENTION)
def test_logits_are_those_that_the_pairs_get_without_explanation(name):
    network = network_of(name)
    pairs = some_pairs(network)
    found = read_attention(network, pairs, batch_size=4, device=CPU)
    np.testing.assert_allclose(found.logit, score_pairs(network, pairs, batch_size=11, device=CPU), atol=1e-5)


@pytest.mark.parametrize("name", MODELS_WITH_ATTENTION)
def test_logits_of_published_weights_are_the_golden_ones(name, golden):
    network = load_model(golden / f"{name}.pth", name).network
    io = np.load(golden / f"{name}_io.npz")
    values = {key: io[key] for key in io.files}
    tokens = next(torch.from_numpy(value) for value in values.values() if value.ndim == 3)
    logits = next(value for value in values.values() if value.ndim < 3)
    with torch.inference_mode():
        found, weights = score_with_attention(network, tokens)
    np.testing.assert_allclose(found.numpy(), logits.reshape(-1), atol=1e-5)
    assert weights.shape[1] == 6


@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_batches_change_neither_mean_nor_importance(batch_size):
    network = network_of("ESM2_AMPS")
    pairs = some_pairs(network)
    found = read_attention(network, pairs, chosen=[7, 2], batch_size=batch_size, device=CPU)
    with torch.inference_mode():
        _, weights = score_with_attention(network, torch.cat([pairs.table[pairs.a], pairs.table[pairs.b]], dim=1))
    np.testing.assert_allclose(found.mean, weights.mean(dim=0), atol=1e-6)
    np.testing.assert_allclose(found.chosen, weights[[7, 2]], atol=1e-6)
    for method, read in READINGS.items():
        np.testing.assert_allclose(found.importance[method], read(weights), atol=1e-6)
        np.testing.assert_allclose(found.importance[method].sum(axis=1), 1, rtol=1e-5)


def test_network_is_left_without_hooks():
    network = network_of("ESM2_AMPS")
    read_attention(network, some_pairs(network), batch_size=4, device=CPU)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize("name", MODELS_WITH_ATTENTION)
def test_swapping_partners_swaps_the_explanation(name):
    network = network_of(name)
    pairs = some_pairs(network)
    there, back = (read_attention(network, given, batch_size=4, device=CPU) for given in (pairs, pairs.swapped()))
    for method in READINGS:
        of_a, of_b = np.split(there.importance[method], 2, axis=1)
        np.testing.assert_allclose(back.importance[method], np.hstack([of_b, of_a]), atol=1e-6)


def test_readings_of_two_tokens_by_hand():
    first, second = [[0.75, 0.25], [0.5, 0.5]], [[1.0, 0.0], [0.25, 0.75]]
    weights = torch.tensor([[first, second]])
    # columns: what a token receives. First layer .625 and .375, second .625 and .375
    torch.testing.assert_close(received(weights), torch.tensor([[0.625, 0.375]]))
    torch.testing.assert_close(received_in_last_layer(weights), torch.tensor([[0.625, 0.375]]))
    # mixed with the identity: [[1, 0], [.125, .875]] @ [[.875, .125], [.25, .75]] = [[.875, .125], [.328125, .671875]]
    torch.testing.assert_close(rollout(weights), torch.tensor([[0.6015625, 0.3984375]]))


@pytest.mark.parametrize("name", ["ESM2_GRU", "ESM2_DPM", "ESM2_MEAN"])
def test_model_without_attention_is_told_which_have_it(name, golden):
    network = load_model(golden / f"{name}.pth", name).network
    with pytest.raises(InputError, match=f"ESM2_AMPS and ESM2_AMP_CSE, got {name}, which has none"):
        pair = Pairs(torch.zeros(1, 1, 1), *torch.zeros(2, 1, dtype=torch.int64))
        read_attention(network, pair, batch_size=1, device=CPU)
