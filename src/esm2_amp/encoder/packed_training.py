"""ESM-2's forward pass over crops laid end to end, with gradients: that of `packed` for an encoder in training."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from esm2_amp.encoder.packed import UNMASKED_IN_TRAINING, attended
from esm2_amp.encoder.tokens import MASK

if TYPE_CHECKING:
    from transformers import EsmModel


def packed_states(
    esm: "EsmModel",
    tokens: Tensor,
    sizes: Sequence[int],
    frequencies: Tensor | None = None,
    *,
    recompute: bool = False,
) -> Tensor:
    """The last hidden states of transformers' `EsmModel`, without padding; gradients reach its weights.

    Dropout isn't computed, except that of adapters in place of its linear maps.

    Parameters
    ----------
    esm : EsmModel
        An ESM-2 with rotary positions.
    tokens : Tensor, shape (N,), int64
        Crops laid end to end, none padded.
    sizes : sequence of int
        Tokens of each crop; they sum to N. Neighbours of equal size go through attention together.
    frequencies : Tensor, shape (D / heads / 2,), float, optional
        Rotary frequencies in radians a residue; those of the configuration by default.
    recompute : bool
        Whether only the input of each layer is kept for the gradients, and what lies within is computed again.

    Returns
    -------
    hidden : Tensor, shape (N, D), dtype of the weights
        Last hidden states, crop after crop.
    """
    network: Any = esm
    if frequencies is None:
        frequencies = _frequencies(network.config, tokens.device)
    rotation = _rotation(sizes, frequencies)
    groups = [(size, len(list(group))) for size, group in groupby(sizes)]
    hidden = _embedded(network, tokens, sizes)
    for layer in network.encoder.layer:
        if recompute:
            hidden = checkpoint(_after_layer, layer, hidden, rotation, groups, use_reentrant=False)
        else:
            hidden = _after_layer(layer, hidden, rotation, groups)
    states: Tensor = network.encoder.emb_layer_norm_after(hidden)
    return states


def crop_means(values: Tensor, sizes: Sequence[int]) -> Tensor:
    """The mean over each crop of values laid end to end.

    Parameters
    ----------
    values : Tensor, shape (N, …), float32
        One row a token.
    sizes : sequence of B int
        Tokens of each crop; they sum to N.

    Returns
    -------
    means : Tensor, shape (B, …), float32
        One row a crop.
    """
    count = torch.tensor(sizes, device=values.device)
    owner = torch.repeat_interleave(count)
    sums = values.new_zeros(len(sizes), *values.shape[1:]).index_add(0, owner, values)
    return sums / count.view(-1, *[1] * (values.ndim - 1))


def _embedded(network: Any, tokens: Tensor, sizes: Sequence[int]) -> Tensor:
    """Embeddings of tokens, shape (N, D); `token_dropout` scales those of a crop by its share of masked tokens."""
    hidden: Tensor = network.embeddings.word_embeddings(tokens)
    if network.config.token_dropout:
        masked = tokens == MASK
        scale = UNMASKED_IN_TRAINING / (1 - crop_means(masked.float(), sizes))
        scale = scale.repeat_interleave(torch.tensor(sizes, device=tokens.device))
        hidden = hidden * scale.masked_fill(masked, 0)[:, None]
    return network.embeddings.layer_norm(hidden) if network.config.emb_layer_norm_before else hidden


def _after_layer(
    layer: Any, hidden: Tensor, rotation: tuple[Tensor, Tensor], groups: Sequence[tuple[int, int]]
) -> Tensor:
    """Hidden states after a transformer layer, shape (N, D), from those before it."""
    attention = layer.attention.self
    qkv = _query_key_value(attention, layer.attention.LayerNorm(hidden))
    qkv = qkv.unflatten(1, (3, attention.num_attention_heads, -1))
    rotated = torch.cat([_rotated(qkv[:, :2], rotation), qkv[:, 2:]], dim=1)  # (N, 3, H, d)
    hidden = hidden + layer.attention.output.dense(torch.cat(list(attended(rotated, groups))))
    expanded = F.gelu(layer.intermediate.dense(layer.LayerNorm(hidden)))
    after: Tensor = hidden + layer.output.dense(expanded)
    return after


def _frequencies(config: Any, device: torch.device) -> Tensor:
    """Rotary frequencies of a configuration, shape (d/2,)."""
    dimensions = config.hidden_size // config.num_attention_heads
    exponents = torch.arange(0, dimensions, 2, device=device) / dimensions
    return torch.pow(config.rope_theta, -exponents)


def _rotation(sizes: Sequence[int], frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angle of each token and rotary frequency, shape (N, 1, 1, d/2) each."""
    places = torch.cat([torch.arange(size, device=frequencies.device) for size in sizes])
    angles = (places[:, None] * frequencies)[:, None, None]
    return angles.cos(), angles.sin()


def _rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Queries and keys, shape (N, 2, H, d), with dimension i turned with i + d/2."""
    cosine, sine = (part.to(x.dtype) for part in rotation)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


def _query_key_value(attention: Any, x: Tensor) -> Tensor:
    """What the query, key and value maps of a layer give, side by side, shape (N, 3 D)."""
    maps = attention.query, attention.key, attention.value
    if any(type(part) is not nn.Linear for part in maps):  # an adapter's `weight` is that of the map it adapts
        return torch.cat([part(x) for part in maps], dim=-1)
    weight = torch.cat([part.weight for part in maps])
    return F.linear(x, weight, torch.cat([part.bias for part in maps]))
