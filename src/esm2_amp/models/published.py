"""Networks of the published code: its `.pth` files."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.registry import network_class

PUBLISHED_HEADS = 8
"""Attention heads of the published transformers; a checkpoint's tensors don't show them (METHOD section 3)."""


def load_published(file: Path, architecture: str) -> PairNetwork:
    """The network of a published `.pth` file, in evaluation mode; its sizes are read off the tensors.

    Parameters
    ----------
    file : Path
        As published, or with names that `DataParallel` gave.
    architecture : str
        A key of `MODELS`, which the file doesn't tell.

    Raises
    ------
    InputError
        There is no such architecture, or the file doesn't hold the weights of that one.
    """
    network_class(architecture)
    state = read_published_state(file)
    try:
        network = network_class(architecture)(**_sizes(state, architecture))
        network.load_state_dict(state)
    except InputError:
        raise
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{file} must hold the weights of {architecture}, but looks like those of {_kind_of(state)} "
            f"(keys {', '.join(list(state)[:3])} …); give the matching model="
        ) from error
    return network.eval()


def read_published_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a published `.pth` file, names without `module.`; never runs code from the file."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file} must hold tensors only, but its pickle asks for other objects or is damaged; it was not "
            "opened, since it could run code. Save it again as {'model_state_dict': model.state_dict()}"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{file} can't be read as a PyTorch checkpoint ({error}); download or copy it again"
        ) from error
    state = content.get("model_state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"{file} must hold a dict of tensors, or one under 'model_state_dict'; got {type(state).__name__}"
        )
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _kind_of(state: Mapping[str, Tensor]) -> str:
    """The model whose names these are; AMPS and AMP_CSE share all theirs."""
    stems = {name.split(".")[0] for name in state}
    marks = {
        "transformer_encoder": "ESM2_AMPS or ESM2_AMP_CSE",
        "gru": "ESM2_GRU",
        "dnn_layers": "ESM2_DPM",
        "tower": "ESM2_SIAM",
    }
    found = [kind for stem, kind in marks.items() if stem in stems]
    return found[0] if found else "ESM2_MEAN" if "mlp_layers" in stems else "no model this project knows"


def _sizes(state: Mapping[str, Tensor], architecture: str) -> dict[str, Any]:
    """Arguments of the constructor, read off the shapes of the tensors."""
    if architecture == "ESM2_DPM":
        h1, both = state["dnn_layers.0.weight"].shape
        return {
            "width": both // 2,
            "h1": h1,
            "h2": state["dnn_layers.3.weight"].shape[0],
            "h3": state["dnn_layers.6.weight"].shape[0],
        }
    if architecture == "ESM2_SIAM":
        h1, statistics = state["tower.0.weight"].shape
        h2, h3 = state["tower.4.weight"].shape[0], state["mlp_layers.0.weight"].shape[0]
        return {"width": statistics // 2, "h1": h1, "h2": h2, "h3": h3}
    h1, width = state["mlp_layers.0.weight"].shape
    sizes = {"width": width, "h1": h1, "h2": state["mlp_layers.2.weight"].shape[0]}
    if architecture == "ESM2_GRU":
        return sizes | {"layers": sum(name.startswith("gru.weight_ih_l") for name in state)}
    if architecture in ("ESM2_AMPS", "ESM2_AMP_CSE"):
        return sizes | {
            "layers": sum(name.endswith(".linear1.weight") for name in state),
            "feed_forward": state["transformer_encoder.layers.0.linear1.weight"].shape[0],
            "heads": PUBLISHED_HEADS,
            "standardised": "standardise.mean" in state,
        }
    return sizes
