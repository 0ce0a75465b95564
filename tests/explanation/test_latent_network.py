"""Deep SHAP of AE_DNN against brute force, the shap library and Integrated Gradients."""

import numpy as np
import pytest
import shap
import torch
from shapley import brute_force_shapley
from torch import nn

from esm2_amp.explanation.gradients import integrated_gradients
from esm2_amp.explanation.latent_network import deep_shap
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.registry import build_network
from esm2_amp.models.storage import TrainedModel, load_model, save_model
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.parameters.model_training import AEDNNParameters

CPU = torch.device("cpu")


def network_of(seed=0, h1=24, h2=12, width=5):
    torch.manual_seed(seed)
    return AEDNN(width, h1, h2).eval()


def values(count, seed, columns=10):
    return np.random.default_rng(seed).normal(size=(count, columns)).astype(np.float32)


def logits(network, x):
    with torch.inference_mode():
        return network(torch.from_numpy(x)).double().numpy()


@pytest.fixture(scope="module")
def ten_features():
    """A network trained on 10 features, 8 pairs, 20 background pairs, and the pairs' Shapley values by brute force."""
    network, x, background = network_of(), values(8, 1), values(20, 2)
    pairs = torch.from_numpy(values(2000, 3))
    label = (pairs[:, 0] * pairs[:, 5] + pairs[:, 7] > 0).float()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(pairs), label).backward()
        optimizer.step()
    brute = np.stack([brute_force_shapley(lambda rows: logits(network, rows), pair, background) for pair in x])
    return network, x, background, brute


def test_deep_shap_is_close_to_brute_force_shapley_values(ten_features):
    network, x, background, brute = ten_features
    found = deep_shap(network, x, background, CPU)
    assert np.corrcoef(found.by_column.ravel(), brute.ravel())[0, 1] > 0.98


def test_deep_shap_of_a_linear_network_is_exact():
    network, x, background = network_of(), values(4, 1), values(12, 2)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            layer.bias.data += 100  # every ReLU is open
            layer.weight.data.abs_()
    brute = np.stack([brute_force_shapley(lambda rows: logits(network, rows), pair, background) for pair in x])
    np.testing.assert_allclose(deep_shap(network, x, background, CPU).by_column, brute, rtol=1e-3, atol=1e-3)


def test_deep_shap_is_that_of_the_shap_library(ten_features):
    network, x, background, _ = ten_features
    column = nn.Sequential(*network.mlp_layers)  # the library wants a column of scores
    expected = shap.DeepExplainer(column, torch.from_numpy(background)).shap_values(torch.from_numpy(x))
    np.testing.assert_allclose(deep_shap(network, x, background, CPU).by_column, expected[..., 0], atol=1e-5)


def test_deep_shap_adds_up_to_the_difference_from_the_background(ten_features):
    network, x, background, _ = ten_features
    found = deep_shap(network, x, background, CPU)
    difference = logits(network, x) - logits(network, background).mean()
    np.testing.assert_allclose(found.by_column.sum(axis=1), difference, atol=1e-5)
    np.testing.assert_allclose(found.difference, difference, atol=1e-6)


def test_integrated_gradients_of_a_pair_agree_with_deep_shap_and_brute_force(ten_features):
    network, x, background, brute = ten_features
    parameters = GradientParameters(steps=50, internal_batch=64, tolerance=0.01, share=0.95, max_steps=800)
    table = torch.from_numpy(x).view(-1, 1, 5)
    rows = torch.arange(len(x))
    found = integrated_gradients(
        network, Pairs(table, 2 * rows, 2 * rows + 1), baseline=torch.from_numpy(background).mean(0).view(2, 5),
        parameters=parameters, device=CPU,
    )  # fmt: skip
    gradients = found.attribution.reshape(len(x), -1)
    for other in (brute, deep_shap(network, x, background, CPU).by_column):
        assert np.corrcoef(gradients.ravel(), other.ravel())[0, 1] > 0.96


def test_many_pairs_are_explained_as_one_by_one():
    network, background = network_of(), values(3000, 2)  # two pairs would be more than fit at once
    x = values(3, 1)
    together = deep_shap(network, x, background, CPU).by_column
    alone = np.concatenate([deep_shap(network, pair[None], background, CPU).by_column for pair in x])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_published_sizes_read_the_published_columns():
    network = build_network(AEDNNParameters(h1=1564, h2=445), width=12 * 150)
    assert [tuple(layer.weight.shape) for layer in network.mlp_layers if isinstance(layer, nn.Linear)] == [
        (1564, 3600), (445, 1564), (1, 445),
    ]  # fmt: skip


def test_stored_and_loaded_it_scores_the_same(tmp_path):
    network, x = network_of(), values(4, 1)
    save_model(TrainedModel("AE_DNN", network, {"test": {"auroc": 0.5}}), tmp_path / "ae_dnn")
    again = load_model(tmp_path / "ae_dnn")
    assert again.card["test"] == {"auroc": 0.5}
    np.testing.assert_array_equal(logits(again.network, x), logits(network, x))
