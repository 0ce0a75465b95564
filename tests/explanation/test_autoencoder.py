"""The autoencoder: golden values, its weights on disk, and what a fit does when it is stopped or given too little."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.explanation.autoencoder import Autoencoder, load_autoencoder
from esm2_amp.explanation.autoencoder_fit import fit_autoencoder
from esm2_amp.explanation.latents import reconstruct
from esm2_amp.io.autoencoders import AutoencoderDataset
from esm2_amp.parameters.latent_explanation import AutoencoderParameters
from esm2_amp.pipelines.latent_explanation.nodes import check_sizes
from esm2_amp.training.callbacks import AtomicCheckpointIO

SETTINGS = {
    "latent": 3,
    "hidden": [12],
    "learning_rate": 1e-2,
    "batch_size": 32,
    "epochs": 6,
    "patience": 6,
    "held_out": 0.1,
    "weights": {},
}


def test_published_weights_give_the_published_latents_and_reconstructions(golden):
    expected, network = np.load(golden / "autoencoder_io.npz"), load_autoencoder(golden / "autoencoder.pth")
    x = torch.tensor(expected["x"])
    with torch.inference_mode():
        np.testing.assert_allclose(network.encode(x), expected["latent"], atol=1e-5)
        np.testing.assert_allclose(network(x), expected["reconstruction"], atol=1e-5)


def test_saved_and_loaded_again_it_is_the_same(golden, tmp_path):
    network = load_autoencoder(golden / "autoencoder.pth")
    dataset = AutoencoderDataset(filepath=str(tmp_path / "explanation/autoencoder"))
    for _ in range(2):  # a second save replaces the first
        dataset.save(network)
    again, x = dataset.load(), torch.randn(5, 32)
    with torch.inference_mode():
        assert torch.equal(again(x), network(x))
    assert (again.width, again.latent, again.hidden) == (32, 6, (512, 256))
    assert not list(tmp_path.rglob("*.part"))


def test_sizes_of_the_paper_by_default():
    network = Autoencoder(1280)
    layers = [network.encoder[0].fc, network.encoder[1].fc, network.fc_latent, network.decoder[0].fc,
              network.decoder[1].fc, network.fc3]  # fmt: skip
    assert [layer.in_features for layer in layers] == [1280, 512, 256, 150, 256, 512]
    assert network.fc3.out_features == 1280


def test_one_beta_serves_all_blocks():
    assert sum(name.endswith("beta") for name, _ in Autoencoder(8, 3, (8, 4)).named_parameters()) == 1


def test_every_linear_layer_has_a_spectral_norm_of_about_1():
    torch.manual_seed(0)
    network = Autoencoder(40, 5, (30, 20))
    for _ in range(100):
        network(torch.randn(16, 40))  # each pass in training mode takes power iterations
    weights = [module.weight for module in network.modules() if isinstance(module, torch.nn.Linear)]
    assert len(weights) == 2 * 4 + 2
    norms = [float(torch.linalg.matrix_norm(weight.detach(), 2)) for weight in weights]
    np.testing.assert_allclose(norms, 1, atol=0.03)


def test_a_block_that_keeps_the_width_skips_without_a_layer():
    assert isinstance(Autoencoder(8, 3, (8, 4)).encoder[0].downsample, torch.nn.Identity)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((16, 6), r"AE.pth must be an autoencoder for features of width D = 16, got 32; give the autoencoder"),
        ((32, 150), r"with a latent width of 150, got 6; set latent_explanation.autoencoder.latent=6"),
    ],
)
def test_weights_of_other_sizes_than_configured(golden, tmp_path, sizes, message):
    with pytest.raises(InputError, match=message):
        check_sizes(load_autoencoder(golden / "autoencoder.pth"), *sizes, tmp_path / "AE.pth")


def test_weights_that_are_missing_or_of_another_model(golden, tmp_path):
    with pytest.raises(InputError, match=r"No autoencoder at .*absent.pth: run `kedro run"):
        load_autoencoder(tmp_path / "absent.pth")
    with pytest.raises(InputError, match=r"must hold the weights of an autoencoder .* but has .*mlp_layers"):
        load_autoencoder(golden / "ESM2_MEAN.pth")
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(InputError, match=r"must hold the config.json and model.safetensors .* doesn't load"):
        load_autoencoder(folder)


def on_a_plane(samples, seed=0):
    """Tokens of width 10 that three numbers describe."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(7).normal(size=(3, 10)) / 3
    return torch.tensor(rng.normal(size=(samples, 3)) @ plane, dtype=torch.float32)


def fit(folder, **settings):
    settings = AutoencoderParameters(**SETTINGS | settings)
    return fit_autoencoder(on_a_plane(256), on_a_plane(64, 1), settings, name="t", folder=folder, device="cpu", seed=3)


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.record, other.record, check_exact=True)
    weights = other.network.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in one.network.state_dict().items())


def test_learns_the_plane_that_the_tokens_lie_on(tmp_path):
    found = fit(tmp_path, epochs=60, patience=60)
    tokens = on_a_plane(64, 2)
    error = reconstruct(found.network, tokens.view(16, 4, 10), torch.device("cpu")).squared_error
    assert error.mean() < 0.1 * float(tokens.var())


def test_keeps_the_weights_of_the_best_epoch_and_stops_early(tmp_path):
    found = fit(tmp_path, epochs=50, patience=1, learning_rate=0.3)
    record, tokens = found.record, on_a_plane(64, 1)
    assert len(record) < 50
    selected = record[record["selected"]].iloc[0]
    assert selected["validation_loss"] == record["validation_loss"].min()
    with torch.inference_mode():
        assert float((found.network(tokens) - tokens).square().mean()) == pytest.approx(selected["validation_loss"])


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_fit_goes_on_to_the_same_end(tmp_path, monkeypatch, after):
    undisturbed = fit(tmp_path / "undisturbed")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        save, saved = AtomicCheckpointIO.save_checkpoint, []

        def save_then_die(self, checkpoint, path, storage_options=None):
            save(self, checkpoint, path, storage_options)
            saved.extend([path] if str(path).endswith("last.ckpt") else [])
            if len(saved) == after:
                raise Killed

        patch.setattr(AtomicCheckpointIO, "save_checkpoint", save_then_die)
        fit(tmp_path / "killed")
    assert_same(fit(tmp_path / "killed"), undisturbed)


def test_leaves_the_global_random_state_alone_and_repeats_itself(tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = fit(tmp_path, epochs=2)
    assert torch.equal(torch.rand(3), expected)
    shutil.rmtree(tmp_path)
    assert_same(fit(tmp_path, epochs=2), first)


def test_fewer_tokens_than_a_batch_and_constant_columns(tmp_path):
    training = on_a_plane(9)
    training[:, 4] = 1.0
    settings = AutoencoderParameters(**SETTINGS | {"batch_size": 4})
    found = fit_autoencoder(training, training[:1], settings, name="t", folder=tmp_path, device="cpu", seed=0)
    assert np.isfinite(found.record["validation_loss"]).all()


def test_weights_for_a_model_that_does_not_exist():
    with pytest.raises(ValueError, match=r"by the name of a model \(ESM2_AMPS, .* got 'ESM2_AMP'"):
        AutoencoderParameters(**SETTINGS | {"weights": {"ESM2_AMP": "file.pth"}})


def test_a_changed_bit_of_the_weights_is_told(tmp_path):
    dataset = AutoencoderDataset(filepath=str(tmp_path / "autoencoder"))
    dataset.save(Autoencoder(width=6, latent=2, hidden=(4, 3)).eval())
    file = tmp_path / "autoencoder/model.safetensors"
    before, content = dataset.load().state_dict(), file.read_bytes()
    for at in range(len(content) - 400, len(content), 40):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DatasetError, match=r"it doesn.t agree with its checksum; restore the folder"):
            dataset.load()
    file.write_bytes(content)
    assert all(torch.equal(weight, before[name]) for name, weight in dataset.load().state_dict().items())
