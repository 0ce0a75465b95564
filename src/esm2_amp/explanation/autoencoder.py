"""The autoencoder of feature tokens (METHOD section 6.3): its network, and its weights on disk."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from esm2_amp.checked_tensors import check_file
from esm2_amp.errors import InputError
from esm2_amp.models.published import read_published_state
from esm2_amp.models.storage import WEIGHTS

BLOCK_POWER_ITERATIONS, END_POWER_ITERATIONS = 3, 5
"""Power iterations of the spectral norms in residual blocks, and in the latent and output layers."""


class Swish(nn.Module):
    """`x · sigmoid(β x)` with a trainable β."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Activations of any shape."""
        return x * torch.sigmoid(self.beta * x)


class ResidualBlock(nn.Module):
    """Linear → batch norm → Swish, plus the input, through a linear layer where the width changes."""

    def __init__(self, size_in: int, size_out: int, activation: Swish) -> None:
        super().__init__()
        self.fc = _normalised(size_in, size_out, BLOCK_POWER_ITERATIONS)
        self.bn = nn.BatchNorm1d(size_out)
        self.activation = activation
        changes = size_in != size_out
        self.downsample = _normalised(size_in, size_out, BLOCK_POWER_ITERATIONS) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Tokens: (N, size_in) → (N, size_out)."""
        out: Tensor = self.activation(self.bn(self.fc(x))) + self.downsample(x)
        return out


class Autoencoder(nn.Module, PyTorchModelHubMixin):
    """D → hidden sizes → K → hidden sizes reversed → D. Each feature token of a protein is one sample.

    Modules have the published names. As in the published code, all blocks share one β.

    Parameters
    ----------
    width : int
        Width D of the features.
    latent : int
        Number K of latents; 150 in the paper.
    hidden : sequence of int
        Widths of the encoder's blocks; (512, 256) in the paper.
    """

    def __init__(self, width: int, latent: int = 150, hidden: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        self.width, self.latent, self.hidden = width, latent, tuple(hidden)
        swish, down, up = Swish(), (width, *hidden), (latent, *reversed(hidden))
        self.encoder = nn.Sequential(*(ResidualBlock(*sizes, swish) for sizes in pairwise(down)))
        self.fc_latent = _normalised(down[-1], latent, END_POWER_ITERATIONS)
        self.decoder = nn.Sequential(*(ResidualBlock(*sizes, swish) for sizes in pairwise(up)))
        self.fc3 = _normalised(up[-1], width, END_POWER_ITERATIONS)

    def encode(self, tokens: Tensor) -> Tensor:
        """Latents of feature tokens: (N, D) → (N, K)."""
        latent: Tensor = self.fc_latent(self.encoder(tokens))
        return latent

    def forward(self, tokens: Tensor) -> Tensor:
        """Reconstructions of feature tokens: (N, D) → (N, D)."""
        reconstruction: Tensor = self.fc3(self.decoder(self.encode(tokens)))
        return reconstruction


def _normalised(size_in: int, size_out: int, power_iterations: int) -> nn.Module:
    return spectral_norm(nn.Linear(size_in, size_out), n_power_iterations=power_iterations)


def load_autoencoder(path: Path) -> Autoencoder:
    """An autoencoder from a folder of `save_pretrained`, or from a published `.pth` file.

    Raises
    ------
    InputError
        There is no such file, it is damaged or would run code, or the weights are another model's.
    """
    if not path.exists():
        raise InputError(
            f"No autoencoder at {path}: run `kedro run --pipeline=latent_explanation` to train one, or correct "
            "latent_explanation.autoencoder.weights"
        )
    return _load_folder(path) if path.is_dir() else _load_published(path)


def _load_folder(folder: Path) -> Autoencoder:
    try:
        network = Autoencoder(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        load_model(network, folder / WEIGHTS)
        check_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{folder} must hold the config.json and {WEIGHTS} of an autoencoder, but doesn't load: {error}; "
            "restore the folder or train again"
        ) from error
    return network.eval()


# How `torch.nn.utils.spectral_norm`, which the published code used, names what its parametrization names today.
_PUBLISHED_NAMES = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


def _load_published(file: Path) -> Autoencoder:
    published = read_published_state(file)
    state = {}
    for name, tensor in published.items():
        module, _, leaf = name.rpartition(".")
        state[f"{module}.{_PUBLISHED_NAMES.get(leaf, leaf)}"] = tensor
    try:
        blocks = sum(name.startswith("encoder.") and name.endswith(".fc.weight_orig") for name in published)
        widths = [published[f"encoder.{block}.fc.weight_orig"].shape for block in range(blocks)]
        network = Autoencoder(widths[0][1], published["fc_latent.weight_orig"].shape[0], [out for out, _ in widths])
        network.load_state_dict(state)
    except (KeyError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{file} must hold the weights of an autoencoder (encoder.0.fc.weight_orig, fc_latent.weight_orig, …), "
            f"but has {', '.join(list(published)[:3])} …: {error}; give its file in "
            "latent_explanation.autoencoder.weights, or leave that out to train one"
        ) from error
    return network.eval()
