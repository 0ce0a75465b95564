import numpy as np
import pytest
import torch
from transformers import EsmForMaskedLM

from esm2_amp.encoder.packed_training import crop_means, packed_states
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.tokens import MASK

SIZES = [3, 7, 7, 7, 12, 1]
SETTINGS = [{}, {"token_dropout": False}, {"emb_layer_norm_before": True}, {"rope_theta": 500.0}]


def network(settings):
    config = small_esm2_config(layers=2, width=16, heads=2)
    config.update(settings)
    torch.manual_seed(0)
    model = EsmForMaskedLM(config)
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, 1.0 if name.endswith("orm.weight") else 0.0, 0.2)
    return model


def masked_tokens():
    tokens = torch.from_numpy(np.random.default_rng(0).integers(4, 24, sum(SIZES)))
    tokens[[4, 5, 20, 33]] = MASK
    return tokens


def one_by_one(esm, tokens):
    return torch.cat([esm(crop[None]).last_hidden_state[0] for crop in tokens.split(SIZES)])


@pytest.mark.parametrize("settings", SETTINGS)
def test_states_and_gradients_equal_transformers_one_by_one(settings):
    tokens, gradients = masked_tokens(), []
    states = []
    for forward in (one_by_one, lambda esm, tokens: packed_states(esm, tokens, SIZES)):
        model = network(settings)
        states.append(forward(model.esm, tokens))
        torch.manual_seed(1)
        (states[-1] * torch.randn(states[-1].shape)).sum().backward()
        gradients.append({name: weight.grad for name, weight in model.esm.named_parameters()})
    torch.testing.assert_close(states[1], states[0], atol=1e-5, rtol=1e-5)
    by_transformers, packed = gradients
    for name, expected in by_transformers.items():
        if expected is None:  # the contact head
            assert packed[name] is None
        else:
            torch.testing.assert_close(packed[name], expected, atol=1e-4, rtol=1e-4, msg=name)


def test_a_crop_that_is_all_masked_has_finite_states():
    esm = network({}).esm
    assert packed_states(esm, torch.tensor([MASK, 5, 6]), [1, 2]).isfinite().all()


def test_means_of_crops():
    values = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0]])
    assert crop_means(values, [2, 1]).tolist() == [[2.0, 4.0], [5.0, 5.0]]
