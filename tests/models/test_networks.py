import numpy as np
import pytest
import torch
from torch import nn

from conftest import PUBLISHED
from esm2_amp.errors import InputError
from esm2_amp.models.amp import ESM2AMPS, EncoderLayer, SelfAttention
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


def attention_of(kind, dropout=0.3):
    torch.manual_seed(4)
    attention = nn.MultiheadAttention(16, 4, dropout=dropout, batch_first=True)
    return SelfAttention.of(attention) if kind is SelfAttention else attention


@pytest.mark.parametrize("training", [True, False])
def test_attention_is_that_of_pytorch_with_its_gradients(training):
    found = []
    for kind in (nn.MultiheadAttention, SelfAttention):
        attention = attention_of(kind, dropout=0.0).train(training)
        tokens = torch.randn(3, 20, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
        mixed, weights = attention(tokens, tokens, tokens, need_weights=False)
        assert weights is None
        gradients = torch.autograd.grad(mixed.square().sum(), [tokens, *attention.parameters()])
        found.append([mixed, *gradients])
    for of_pytorch, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, of_pytorch, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("of_tokens", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_encoder_layer_is_that_of_pytorch_with_its_gradients(training, of_tokens):
    found = []
    for kind in (nn.TransformerEncoderLayer, EncoderLayer):
        torch.manual_seed(4)
        sizes = {"batch_first": True, "norm_first": True} if kind is nn.TransformerEncoderLayer else {}
        layer = kind(16, 4, 20, dropout=0.0, **sizes).train(training).double()
        for parameter in layer.parameters():
            nn.init.normal_(parameter)
        tokens = torch.randn(3, 20, 16, dtype=torch.float64, requires_grad=of_tokens)
        states = layer(tokens)
        gradients = torch.autograd.grad(states.square().sum(), [*layer.parameters(), *[tokens] * of_tokens])
        found.append([states, *gradients])
    for of_pytorch, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, of_pytorch)


def test_first_encoder_layer_drops_a_share_of_what_attention_adds():
    torch.manual_seed(0)
    layer, tokens = EncoderLayer(16, 4, 20, dropout=0.9), torch.randn(2, 300, 16)
    with torch.no_grad():
        layer.linear2.weight.zero_()
        layer.linear2.bias.zero_()
        dropped = (layer.train()(tokens) == tokens).float().mean().item()
    assert dropped == pytest.approx(0.9, abs=0.02)


def test_attention_drops_the_share_of_its_weights_that_is_asked_for_while_it_is_trained():
    attention, tokens = attention_of(SelfAttention, dropout=0.3), torch.randn(2, 500, 16)
    whole = attention.eval()(tokens, tokens, tokens, need_weights=False)[0]
    torch.manual_seed(0)
    dropped = torch.stack([attention.train()(tokens, tokens, tokens, need_weights=False)[0] for _ in range(50)])
    assert not torch.equal(dropped[0], dropped[1])
    torch.testing.assert_close(dropped.mean(dim=0), whole, atol=0.05, rtol=0)


def test_initial_weights_are_those_of_a_pytorch_encoder():
    torch.manual_seed(7)
    network = ESM2AMPS(16, 10, 6, layers=2, heads=4, feed_forward=20)
    torch.manual_seed(7)
    layer = nn.TransformerEncoderLayer(16, 4, 20, 0.3, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    mine, theirs = network.transformer_encoder.state_dict(), encoder.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert all(parameter.requires_grad for parameter in network.parameters())
