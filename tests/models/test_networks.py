import numpy as np
import pytest
import torch

from conftest import PUBLISHED
from esm2_amp.errors import InputError
from esm2_amp.models.registry import MODELS, build_network, network_class
from esm2_amp.protein import TOKENS

WIDTH = 24
SIZES = {
    "ESM2_AMPS": {"h1": 10, "h2": 6, "layers": 2, "heads": 4, "feed_forward": 20, "dropout": 0.1},
    "ESM2_AMP_CSE": {"h1": 10, "h2": 6, "layers": 2, "heads": 4, "feed_forward": 20, "dropout": 0.1},
    "ESM2_DPM": {"h1": 12, "h2": 8, "h3": 4},
    "ESM2_GRU": {"h1": 10, "h2": 6, "layers": 2, "dropout": 0.1},
    "ESM2_MEAN": {"h1": 10, "h2": 6},
    "ESM2_SIAM": {"h1": 12, "h2": 8, "h3": 6, "dropout": 0.1},
}
BAGS_OF_TOKENS = ("ESM2_AMPS", "ESM2_AMP_CSE", "ESM2_MEAN")
SYMMETRIC = (*BAGS_OF_TOKENS, "ESM2_SIAM")


def network_of(name, width=WIDTH):
    torch.manual_seed(1)
    return build_network(MODELS[name].config(architecture=name, **SIZES[name]), width)


def tokens_of(network, pairs=5, width=WIDTH):
    tokens = 2 * len(TOKENS[network.protein_tokens])
    return torch.randn(pairs, tokens, width, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("name", "read"),
    {
        "ESM2_AMPS": [f"segment{i}" for i in range(10)],
        "ESM2_AMP_CSE": ["cls", *(f"segment{i}" for i in range(10)), "eos"],
        "ESM2_DPM": ["mean"],
        "ESM2_GRU": [f"segment{i}" for i in range(10)],
        "ESM2_MEAN": [f"segment{i}" for i in range(10)],
        "ESM2_SIAM": [f"segment{i}" for i in range(10)],
    }.items(),
)
def test_tokens_read_are_those_of_the_method(name, read):
    assert list(TOKENS[network_class(name).protein_tokens]) == read


@pytest.mark.parametrize("name", MODELS)
def test_one_logit_a_pair_whatever_the_others(name):
    network = network_of(name).eval()
    tokens = tokens_of(network)
    with torch.inference_mode():
        together, alone = network(tokens), torch.cat([network(pair[None]) for pair in tokens])
    assert together.shape == (5,)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", MODELS)
def test_swapping_partners_changes_only_what_reads_in_order(name):
    network = network_of(name).eval()
    tokens = tokens_of(network)
    with torch.inference_mode():
        unchanged = torch.isclose(network(tokens), network(torch.cat(tokens.chunk(2, dim=1)[::-1], dim=1)), atol=1e-5)
    assert unchanged.tolist() == [name in SYMMETRIC] * 5
    assert network.symmetric == (name in SYMMETRIC)


@pytest.mark.parametrize("name", ["ESM2_AMPS", "ESM2_AMP_CSE", "ESM2_GRU", "ESM2_MEAN", "ESM2_SIAM"])
def test_shuffling_segments_changes_only_what_reads_in_order(name):
    network = network_of(name).eval()
    tokens = tokens_of(network)
    order = torch.randperm(tokens.shape[1], generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        unchanged = torch.isclose(network(tokens), network(tokens[:, order]), atol=1e-5)
    assert unchanged.tolist() == [name in BAGS_OF_TOKENS] * 5


@pytest.mark.parametrize("name", MODELS)
def test_gradient_reaches_every_parameter(name):
    network = network_of(name)
    network(tokens_of(network)).sum().backward()
    assert not [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_head_starts_kaiming_normal_with_zero_biases(name):
    sizes = SIZES[name] | {"h1": 400, "h2": 300}
    network = build_network(MODELS[name].config(architecture=name, **sizes), WIDTH)
    head = network.dnn_layers if name == "ESM2_DPM" else network.mlp_layers
    linear = [layer for layer in head if isinstance(layer, torch.nn.Linear)]
    for layer in linear:
        assert not layer.bias.any()
    for layer in linear[:2]:
        assert layer.weight.std().item() == pytest.approx(np.sqrt(2 / layer.in_features), rel=0.05)


def test_gru_starts_orthogonal_with_zero_biases():
    gru = network_of("ESM2_GRU").gru
    for layer in range(gru.num_layers):
        recurrent = getattr(gru, f"weight_hh_l{layer}").detach()
        torch.testing.assert_close(recurrent.T @ recurrent, torch.eye(WIDTH), atol=1e-5, rtol=0)
        assert not getattr(gru, f"bias_ih_l{layer}").any()
        assert not getattr(gru, f"bias_hh_l{layer}").any()


def test_unknown_name_lists_the_models():
    with pytest.raises(
        InputError, match="one of ESM2_AMPS, ESM2_AMP_CSE, ESM2_DPM, ESM2_GRU, ESM2_MEAN, ESM2_SIAM, got 'AMPS'"
    ):
        network_class("AMPS")


def test_heads_that_do_not_divide_the_width():
    with pytest.raises(InputError, match="divisible by heads, got width 25, heads 4"):
        network_of("ESM2_AMPS", width=25)


def test_siamese_network_reads_statistics_of_the_segments_of_each_protein():
    network = network_of("ESM2_SIAM").eval()
    tokens = tokens_of(network)
    of_both = []
    for segments in (tokens[:, :10].numpy(), tokens[:, 10:].numpy()):
        found = [segments.mean(axis=1), np.sqrt(segments.var(axis=1) + 1e-6)]
        of_both.append(network.tower(torch.from_numpy(np.concatenate(found, axis=1))))
    a, b = of_both
    expected = network.mlp_layers(torch.cat([a + b, a * b], dim=1)).squeeze(1)
    torch.testing.assert_close(network(tokens), expected)


def test_segments_that_are_alike_have_gradients():
    network = network_of("ESM2_SIAM").eval()
    tokens = tokens_of(network)[:, :1].repeat(1, 20, 1).requires_grad_()
    network(tokens).sum().backward()
    assert tokens.grad.isfinite().all()
