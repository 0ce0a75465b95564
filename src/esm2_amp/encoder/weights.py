"""The weights of an ESM-2 by the names that transformers' `EsmModel` has for them, checked, with a fingerprint."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import EsmModel

EMBEDDINGS = "embeddings.word_embeddings.weight"

_SIZES = {
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "width": ("hidden_size", 768),
    "feed_forward": ("intermediate_size", 3072),
    "tokens": ("vocab_size", None),
}
"""Names of the sizes in a config.json, with the default of `EsmConfig`."""

_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""TensorFlow's names, which some releases of transformers still write."""

_FREQUENCIES = re.compile(r"(encoder\.layer\.[^.]+\.attention\.self\.)?rotary_embeddings\.inv_freq")
"""Names of rotary frequencies, of the model or of a layer; some releases of transformers write `*` as its number."""


@dataclass(frozen=True)
class Architecture:
    """Sizes and settings of an ESM-2.

    Attributes
    ----------
    layers : int
        Number of transformer layers.
    heads : int
        Attention heads of a layer.
    width : int
        D, the width of the hidden states.
    feed_forward : int
        Width between the two maps of a feed-forward block.
    tokens : int
        Rows of the embedding table.
    layer_norm_eps : float
        Added to the variance in layer norms.
    token_dropout : bool
        Whether the embeddings were scaled in training by the share of tokens left unmasked.
    emb_layer_norm_before : bool
        Whether the embeddings go through a layer norm before the first layer.
    rotary_base : float
        Base of the rotary frequencies, used where they aren't stored.
    """

    layers: int
    heads: int
    width: int
    feed_forward: int
    tokens: int
    layer_norm_eps: float = 1e-5
    token_dropout: bool = True
    emb_layer_norm_before: bool = False
    rotary_base: float = 10000.0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"the width must be a multiple of 2 × {self.heads} attention heads, got {self.width}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The architecture that a config.json of Hugging Face describes.

        Parameters
        ----------
        config : mapping
            The entries of the file.

        Raises
        ------
        ValueError
            An entry is missing, or is no number above 0.
        """
        return cls(
            **{ours: _size(config, theirs, default) for ours, (theirs, default) in _SIZES.items()},
            layer_norm_eps=_positive(config, "layer_norm_eps", 1e-12),
            token_dropout=bool(config.get("token_dropout")),
            emb_layer_norm_before=bool(config.get("emb_layer_norm_before")),
            rotary_base=_positive(config, "rope_theta", 10000.0),
        )

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight by its name in `EsmModel.state_dict()`."""
        norms = ["encoder.emb_layer_norm_after", *(["embeddings.layer_norm"] if self.emb_layer_norm_before else [])]
        maps = {}
        for layer in (f"encoder.layer.{number}." for number in range(self.layers)):
            norms += [f"{layer}attention.LayerNorm", f"{layer}LayerNorm"]
            for name in ("self.query", "self.key", "self.value", "output.dense"):
                maps[f"{layer}attention.{name}"] = self.width, self.width
            maps[f"{layer}intermediate.dense"] = self.feed_forward, self.width
            maps[f"{layer}output.dense"] = self.width, self.feed_forward
        shapes: dict[str, tuple[int, ...]] = {EMBEDDINGS: (self.tokens, self.width)}
        for name, (outputs, inputs) in maps.items():
            shapes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        return shapes | {f"{name}.{part}": (self.width,) for name in norms for part in ("weight", "bias")}

    def inverse_frequencies(self) -> Tensor:
        """Rotary frequencies in radians a residue, shape (D / heads / 2,), float32, as `EsmModel` computes them."""
        dimensions = self.width // self.heads
        exponents = torch.arange(0, dimensions, 2, dtype=torch.float) / dimensions
        return 1.0 / (self.rotary_base**exponents)


@dataclass(frozen=True)
class EsmWeights:
    """Checked weights of an ESM-2; `from_tensors` makes them.

    Attributes
    ----------
    architecture : Architecture
        Sizes and settings.
    tensors : dict of Tensor, float32
        The weights that decide the hidden states, by their names in `EsmModel.state_dict()`.
    inverse_frequencies : Tensor, shape (D / heads / 2,), float32
        Rotary frequencies as stored with the weights, which may have rounded them; computed where none are stored.
    """

    architecture: Architecture
    tensors: dict[str, Tensor]
    inverse_frequencies: Tensor

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], architecture: Architecture) -> Self:
        """The weights of an ESM-2 among those of a model that holds one, such as a fine-tuned one with a head.

        Parameters
        ----------
        tensors : mapping of Tensor
            By the names of `EsmModel.state_dict()`, all of them under one prefix such as `esm.` or none.
        architecture : Architecture
            Sizes and settings that the weights must fit.

        Raises
        ------
        ValueError
            Weights are missing, of another shape, no floating-point numbers or not finite; the message continues a
            sentence about the weights.
        """
        own = _without_prefix(tensors)
        frequencies = [own[name] for name in sorted(own, key=_shortest_first) if _FREQUENCIES.fullmatch(name)]
        computed = architecture.inverse_frequencies()
        wanted = architecture.weight_shapes()
        if missing := sorted(wanted.keys() - own.keys()):
            raise ValueError(f"{len(missing)} are missing, first {missing[0]}")
        for name, shape in wanted.items():
            _check(name, own[name], shape)
        stored = frequencies[0] if frequencies else computed
        _check("rotary_embeddings.inv_freq", stored, tuple(computed.shape))
        return cls(architecture, {name: own[name].detach().float() for name in wanted}, stored.detach().float())

    @classmethod
    def from_model(cls, model: "EsmModel") -> Self:
        """The weights of transformers' `EsmModel`, without copying those in float32."""
        esm: Any = model
        return cls.from_tensors(esm.state_dict(), Architecture.from_config(esm.config.to_dict()))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides the hidden states, the same for the same weights in any file or precision.

        Hashed are the names, shapes and float32 bytes of the weights in use, and the settings that no weight's shape
        shows. The rotary frequencies count to four digits: some files lack them, and the last bits of those computed
        instead differ between processors.
        """
        architecture = self.architecture
        frequencies = [f"{frequency:.3e}" for frequency in self.inverse_frequencies.tolist()]
        settings = architecture.heads, architecture.layer_norm_eps, architecture.token_dropout, frequencies
        digest = hashlib.sha256(repr(settings).encode())
        for name, weight in sorted(self.tensors.items()):
            digest.update(f"{name} {tuple(weight.shape)} float32\n".encode())
            digest.update(weight.contiguous().numpy().data)
        return digest.hexdigest()


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the ESM-2 in a model by their present names."""
    renamed = {_present_name(name): tensor for name, tensor in tensors.items()}
    prefixes = [
        name.removesuffix(EMBEDDINGS) for name in renamed if name == EMBEDDINGS or name.endswith(f".{EMBEDDINGS}")
    ]
    if len(prefixes) != 1:
        found = f"several models, under {', '.join(prefixes)}" if prefixes else f"no {EMBEDDINGS}"
        raise ValueError(f"they hold {found} (names {', '.join(list(tensors)[:3])} …)")
    return {name.removeprefix(prefixes[0]): w for name, w in renamed.items() if name.startswith(prefixes[0])}


def _present_name(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    return name


def _shortest_first(name: str) -> tuple[int, str]:
    return len(name), name


def _check(name: str, weight: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(weight.shape) != shape:
        raise ValueError(f"{name} has the shape {tuple(weight.shape)}, where {shape} was expected")
    if not weight.is_floating_point():
        raise ValueError(f"{name} must be of floating-point numbers, got {weight.dtype} (a quantised model?)")
    if not weight.float().isfinite().all():
        raise ValueError(f"{name} has values that are no finite numbers")


def _size(config: Mapping[str, Any], name: str, default: int | None) -> int:
    value = config.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number above 0, got {value!r}")
    return value


def _positive(config: Mapping[str, Any], name: str, default: float) -> float:
    value = config.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise ValueError(f"{name} must be a number above 0, got {value!r}")
    return float(value)
