"""ESM-2's forward pass over proteins laid end to end, without padding.

It returns the last hidden states of transformers' `EsmModel`, in a fraction of the time where proteins differ in
length, since no padding is computed. See `tests/benchmarks/bench_extraction.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from esm2_amp.encoder import kernels
from esm2_amp.encoder.tokens import MASK
from esm2_amp.encoder.weights import EMBEDDINGS, EsmWeights

UNMASKED_IN_TRAINING = 1 - 0.15 * 0.8
"""Share of unmasked tokens in ESM-2's training; `token_dropout` scales embeddings by it where no token is masked."""


@dataclass(frozen=True)
class Linear:
    """A linear map by the kernel of `kernels.linear`.

    Attributes
    ----------
    weight : Tensor, shape (outputs, inputs), float32 or bfloat16
        The matrix W of `x Wᵀ + b`.
    bias : Tensor, shape (outputs,), dtype of the weight
        The vector b.
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Map vectors of shape (N, inputs) to (N, outputs)."""
        return kernels.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class Norm:
    """A layer norm in float32, whose result has the given type.

    Attributes
    ----------
    weight, bias : Tensor, shape (D,), float32
        Factor and summand of each normalised dimension.
    eps : float
        Added to the variance.
    dtype : torch.dtype
        Type of the result.
    """

    weight: Tensor
    bias: Tensor
    eps: float
    dtype: torch.dtype

    def __call__(self, x: Tensor) -> Tensor:
        """Normalise vectors of shape (N, D), float32, to the same shape and `dtype`."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps).to(self.dtype)


@dataclass(frozen=True)
class Layer:
    """One transformer layer; `qkv` is the query, key and value maps as one matrix."""

    attention_norm: Norm
    qkv: Linear
    attention_output: Linear
    feed_forward_norm: Norm
    expansion: Linear
    contraction: Linear


class PackedEsm:
    """The last hidden states of an ESM-2, for proteins laid end to end.

    Residual stream, layer norms, rotary positions and softmax are float32 throughout; at other precisions the matrix
    multiplications alone (on CUDA attention too) are of that type.

    Parameters
    ----------
    weights : EsmWeights
        Weights and settings of the ESM-2.
    device : torch.device
        Where the hidden states are computed.
    dtype : torch.dtype
        Type of the matrix multiplications: float32 or bfloat16.
    """

    def __init__(self, weights: EsmWeights, device: torch.device, dtype: torch.dtype) -> None:
        self._weights, self._device, self.dtype = weights, device, dtype
        architecture = weights.architecture
        self.heads = architecture.heads
        self.inverse_frequencies = weights.inverse_frequencies.to(device)
        embeddings = weights.tensors[EMBEDDINGS]
        if architecture.token_dropout:
            embeddings = embeddings * UNMASKED_IN_TRAINING
            embeddings[MASK] = 0
        self.embeddings = embeddings.to(device)
        self.token_dropout, self.embedding_norm = architecture.token_dropout, None
        if architecture.emb_layer_norm_before:
            self.embedding_norm = self._norm("embeddings.layer_norm", torch.float32)
        self.layers = [self._layer(f"encoder.layer.{number}.") for number in range(architecture.layers)]
        self.final_norm = self._norm("encoder.emb_layer_norm_after", torch.float32)

    def _parts(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight and bias of a map or a norm."""
        return self._weights.tensors[f"{name}.weight"], self._weights.tensors[f"{name}.bias"]

    def _norm(self, name: str, dtype: torch.dtype) -> Norm:
        weight, bias = self._parts(name)
        return Norm(weight.to(self._device), bias.to(self._device), self._weights.architecture.layer_norm_eps, dtype)

    def _linear(self, name: str) -> Linear:
        weight, bias = self._parts(name)
        return Linear(weight.to(self._device, self.dtype), bias.to(self._device, self.dtype))

    def _layer(self, layer: str) -> Layer:
        return Layer(
            attention_norm=self._norm(f"{layer}attention.LayerNorm", self.dtype),
            qkv=self._query_key_value(f"{layer}attention.self."),
            attention_output=self._linear(f"{layer}attention.output.dense"),
            feed_forward_norm=self._norm(f"{layer}LayerNorm", self.dtype),
            expansion=self._linear(f"{layer}intermediate.dense"),
            contraction=self._linear(f"{layer}output.dense"),
        )

    def _query_key_value(self, attention: str) -> Linear:
        dimensions = 2 * len(self.inverse_frequencies)
        # ESM-2 rotates dimension i with i + d/2; as neighbours they are one complex number. Queries and keys that are
        # reordered alike have the same products.
        order = torch.arange(dimensions).view(2, -1).T.flatten()
        order = (torch.arange(self.heads)[:, None] * dimensions + order).flatten()
        (query, query_bias), (key, key_bias), (value, value_bias) = (
            self._parts(f"{attention}{name}") for name in ("query", "key", "value")
        )
        weight = torch.cat([query[order], key[order], value])
        bias = torch.cat([query_bias[order], key_bias[order], value_bias])
        return Linear(weight.to(self._device, self.dtype), bias.to(self._device, self.dtype))

    @torch.inference_mode()
    def __call__(self, tokens: Sequence[np.ndarray]) -> Tensor:
        """Hidden states of proteins; neighbours of equal length go through attention together.

        Parameters
        ----------
        tokens : sequence of B ndarray, each of shape (L + 2,), uint8
            `<cls> s1 … sL <eos>` of each protein. Residues may be masked; the embeddings of the others are then scaled
            up, as in ESM-2's training.

        Returns
        -------
        hidden : Tensor, shape (N, D), float32
            Last hidden states, protein after protein; N is the sum of L + 2.
        """
        device, sizes = self.embeddings.device, [len(protein) for protein in tokens]
        positions = np.concatenate([np.arange(size) for size in sizes])
        angles = torch.from_numpy(positions).to(device)[:, None] * self.inverse_frequencies
        rotation = torch.polar(torch.ones_like(angles), angles)[:, None]  # (N, 1, d/2)
        attend = self._attention(sizes)
        hidden = self._embedded(tokens)
        for layer in self.layers:
            qkv = layer.qkv(layer.attention_norm(hidden)).float().unflatten(1, (3, self.heads, -1))
            pairs = torch.view_as_complex(qkv[:, :2].flatten(1, 2).unflatten(2, (-1, 2)))
            pairs *= rotation
            hidden += layer.attention_output(attend(qkv).to(self.dtype))
            expanded = F.gelu(layer.expansion(layer.feed_forward_norm(hidden)))
            hidden += layer.contraction(expanded)
        return self.final_norm(hidden)

    def _embedded(self, tokens: Sequence[np.ndarray]) -> Tensor:
        """Embeddings of the tokens, (N, D)."""
        device = self.embeddings.device
        hidden = self.embeddings[torch.from_numpy(np.concatenate(tokens)).to(device, torch.int64)]
        unmasked = np.array([np.mean(protein != MASK) for protein in tokens], dtype=np.float32)
        if self.token_dropout and (unmasked < 1).any():
            scale = np.repeat(1 / unmasked, [len(protein) for protein in tokens])
            hidden *= torch.from_numpy(scale).to(device)[:, None]
        return hidden if self.embedding_norm is None else self.embedding_norm(hidden)

    def _attention(self, sizes: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """Attention of proteins of these sizes: from (N, 3, H, d) to (N, D)."""
        if varlen_attention := kernels.varlen_attention(self._device, self.dtype):
            longest = max(sizes)
            starts = torch.tensor([0, *np.cumsum(sizes)], dtype=torch.int32, device=self.embeddings.device)

            def attend_packed(qkv: Tensor) -> Tensor:
                query, key, value = qkv.to(self.dtype).unbind(1)
                attended = varlen_attention(query, key, value, starts, starts, longest, longest)
                return cast(Tensor, attended).flatten(1)

            return attend_packed
        groups = [(size, len(list(group))) for size, group in groupby(sizes)]

        def attend_groups(qkv: Tensor) -> Tensor:
            return torch.cat(list(attended(qkv, groups)))

        return attend_groups


def attended(qkv: Tensor, groups: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """Attention within proteins laid end to end.

    Parameters
    ----------
    qkv : Tensor, shape (N, 3, H, d)
        Queries, keys and values, protein after protein.
    groups : sequence of (int, int)
        Size of neighbours of equal size, and how many they are.

    Yields
    ------
    states : Tensor, shape (size · count, D)
        Of the proteins of a group.
    """
    start = 0
    for size, count in groups:
        stop = start + size * count
        query, key, value = qkv[start:stop].unflatten(0, (count, size)).permute(2, 0, 3, 1, 4)  # (B, H, L, d) each
        states = F.scaled_dot_product_attention(query, key, value)
        yield states.transpose(1, 2).reshape(stop - start, -1)
        start = stop
