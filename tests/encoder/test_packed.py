import numpy as np
import pytest
import torch
from transformers import EsmConfig, EsmModel

from esm2_amp.encoder import kernels
from esm2_amp.encoder.packed import PackedEsm
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.tokens import MASK, encode
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.protein import RESIDUES

CPU = torch.device("cpu")
LENGTHS = [1, 2, 300, 41, 41, 7]


def random_model(config: EsmConfig) -> EsmModel:
    """Weights large enough for attention that isn't flat, and biases that aren't zero."""
    torch.manual_seed(0)
    model = EsmModel(config, add_pooling_layer=False).eval()
    for name, weight in model.named_parameters():
        mean = 1.0 if name.endswith("orm.weight") else 0.0
        torch.nn.init.normal_(weight, mean, 0.06 if weight.ndim > 1 else 0.1)
    return model


def random_proteins() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [encode("".join(generator.choice(list(RESIDUES), length))) for length in LENGTHS]


@torch.no_grad()
def one_by_one(model: EsmModel, tokens: list[np.ndarray]) -> torch.Tensor:
    states = [model(torch.from_numpy(protein).long()[None]).last_hidden_state[0] for protein in tokens]
    return torch.cat(states)


@pytest.fixture(scope="module")
def t6_8m() -> EsmModel:
    return random_model(small_esm2_config(layers=6, width=320, heads=20))


def test_packed_states_equal_transformers_one_by_one(t6_8m):
    tokens = random_proteins()
    hidden = PackedEsm(EsmWeights.from_model(t6_8m), CPU, torch.float32)(tokens)
    torch.testing.assert_close(hidden, one_by_one(t6_8m, tokens), atol=1e-5, rtol=0)


def test_bfloat16_stays_close_to_float32(t6_8m):
    tokens = random_proteins()
    hidden = PackedEsm(EsmWeights.from_model(t6_8m), CPU, torch.bfloat16)(tokens)
    expected = one_by_one(t6_8m, tokens)
    assert hidden.dtype == torch.float32
    assert not torch.equal(hidden, expected)
    assert torch.cosine_similarity(hidden, expected).min() > 0.999


@pytest.mark.parametrize(
    "settings", [{"token_dropout": False}, {"emb_layer_norm_before": True}, {"layer_norm_eps": 0.1}]
)
def test_settings_of_the_configuration_count(settings):
    config = small_esm2_config(layers=2, width=32, heads=4)
    tokens = random_proteins()
    plain = one_by_one(random_model(config), tokens)
    config.update(settings)
    model = random_model(config)
    expected = one_by_one(model, tokens)
    assert (expected - plain).abs().max() > 1e-3
    torch.testing.assert_close(
        PackedEsm(EsmWeights.from_model(model), CPU, torch.float32)(tokens), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("settings", [{}, {"token_dropout": False}, {"emb_layer_norm_before": True}])
def test_masked_residues_are_those_of_transformers(settings):
    config = small_esm2_config(layers=2, width=32, heads=4)
    config.update(settings)
    model, tokens = random_model(config), random_proteins()
    for protein, masked in zip(tokens, (1, 1, 250, 0, 7, 3), strict=True):
        protein[1 : 1 + masked] = MASK
    hidden = PackedEsm(EsmWeights.from_model(model), CPU, torch.float32)(tokens)
    torch.testing.assert_close(hidden, one_by_one(model, tokens), atol=1e-5, rtol=0)


def test_without_onednn_the_states_are_the_same(t6_8m, monkeypatch):
    tokens = random_proteins()
    packed = PackedEsm(EsmWeights.from_model(t6_8m), CPU, torch.float32)
    expected = packed(tokens)
    monkeypatch.setattr(kernels, "onednn_linear", lambda: None)
    torch.testing.assert_close(packed(tokens), expected, atol=1e-5, rtol=0)
