"""Standardised vectors while fitting: the stored network gives the same for vectors as they are."""

import numpy as np
import pytest
import torch

from esm2_amp.models.registry import build_network
from esm2_amp.models.storage import TrainedModel, load_model, save_model
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.training.fit import fit_network
from esm2_amp.training.standardising import Scale

WIDTH = 8
NETWORKS = {
    "ESM2_DPM": {"h1": 9, "h2": 7, "h3": 5},
    "ESM2_GRU": {"h1": 4, "h2": 3, "layers": 2},
    "ESM2_MEAN": {"h1": 4, "h2": 3},
    "ESM2_SIAM": {"h1": 6, "h2": 4, "h3": 3},
    "AE_DNN": {"h1": 4, "h2": 3},
    "ESM2_AMPS": {"h1": 4, "h2": 3, "layers": 2, "heads": 8, "feed_forward": 8},
}


def settings_of(architecture: str, **training: object) -> ModelParameters:
    fit = {"learning_rate": 1e-2, "weight_decay": 0.0, "epochs": 2, "batch_size": 16, **training}
    return ModelParameters.model_validate(
        {"network": {"architecture": architecture, **NETWORKS.get(architecture, {"h1": 4, "h2": 3})}, "training": fit}
    )


def pairs_of(architecture: str, count: int, seed: int) -> Pairs:
    tokens = 1 if architecture in ("ESM2_DPM", "AE_DNN") else 10
    draw = torch.Generator().manual_seed(1)
    table = torch.randn(30, tokens, WIDTH, generator=draw) * torch.arange(1.0, WIDTH + 1) + 7
    table[..., 2] = 5  # never varies
    a, b = torch.randint(30, (2, count), generator=torch.Generator().manual_seed(seed))
    return Pairs(table, a, b, (torch.arange(count) % 2).float())


@pytest.mark.parametrize("architecture", NETWORKS)
def test_folded_network_reads_vectors_as_they_are(architecture):
    pairs = pairs_of(architecture, 40, 2)
    scale = Scale.of(pairs)
    (standardised,) = scale.standardised(pairs)
    used = np.unique(np.stack([pairs.a, pairs.b]))
    found = standardised.table[used].flatten(0, 1).numpy()
    varies = [0, 1, 3, 4, 5, 6, 7]
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0)[varies], 1, atol=1e-5)
    network = build_network(settings_of(architecture).network, WIDTH).eval()
    with torch.inference_mode():
        expected, logit = network(standardised.tokens()), scale.folded(network)(pairs.tokens())
        other = network(pairs.tokens())
    rounding, effect = (logit - expected).abs().max(), (other - expected).abs().max()
    assert rounding < 1e-4
    assert effect > 10 * rounding


def test_fit_of_standardised_vectors_gives_a_network_for_vectors_as_they_are(tmp_path):
    training, validation = pairs_of("ESM2_DPM", 64, 3), pairs_of("ESM2_DPM", 32, 4)
    fit = fit_network(
        training, validation, settings_of("ESM2_DPM", standardise=True), folder=tmp_path / "one", device="cpu", seed=0
    )
    by_hand = fit_network(
        *Scale.of(training).standardised(training, validation), settings_of("ESM2_DPM"),
        folder=tmp_path / "other", device="cpu", seed=0,
    )  # fmt: skip
    (standardised,) = Scale.of(training).standardised(validation)
    with torch.inference_mode():
        torch.testing.assert_close(
            fit.network(validation.tokens()), by_hand.network(standardised.tokens()), rtol=1e-4, atol=1e-4
        )


def test_fit_of_a_transformer_stores_the_scale_with_its_weights(tmp_path):
    training, validation = pairs_of("ESM2_AMPS", 64, 3), pairs_of("ESM2_AMPS", 32, 4)
    settings = settings_of("ESM2_AMPS", standardise=True)
    network = fit_network(training, validation, settings, folder=tmp_path / "fit", device="cpu", seed=0).network
    assert (network.sizes["standardised"], network.training) == (True, False)
    scale = Scale.of(training)
    torch.testing.assert_close(network.state_dict()["standardise.mean"], scale.mean)
    save_model(TrainedModel("ESM2_AMPS", network, {}), tmp_path / "model")
    torch.save(network.state_dict(), tmp_path / "state.pt")
    with torch.inference_mode():
        expected = network(validation.tokens())
        for stored in ("model", "state.pt"):
            found = load_model(tmp_path / stored, "ESM2_AMPS").network
            torch.testing.assert_close(found(validation.tokens()), expected, rtol=0, atol=0)
