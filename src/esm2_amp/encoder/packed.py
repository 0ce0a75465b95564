"""ESM-2's forward pass over proteins laid end to end, without padding.

It reads the weights of an `EsmModel` and returns its last hidden states, in a fraction of the time where proteins
differ in length: no position is computed that no protein has. See `tests/benchmarks/bench_extraction.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.varlen import varlen_attn
from transformers import EsmModel

UNMASKED_IN_TRAINING = 1 - 0.15 * 0.8
"""Share of the tokens that ESM-2 saw unmasked; `token_dropout` scales embeddings by it where no token is masked."""


@dataclass(frozen=True)
class Linear:
    """A linear map by the fastest kernel at hand.

    Attributes
    ----------
    weight : Tensor, shape (outputs, inputs)
    bias : Tensor, shape (outputs,)
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """From (N, inputs) to (N, outputs)."""
        if x.device.type == "cpu" and x.dtype == torch.float32 and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            # F.linear in float32 is MKL's, which takes AVX-512 on Intel processors only; oneDNN takes it on all
            y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
            return y
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class Norm:
    """A layer norm in float32, whose result has the given type.

    Attributes
    ----------
    weight, bias : Tensor, shape (D,), float32
    eps : float
    dtype : torch.dtype
    """

    weight: Tensor
    bias: Tensor
    eps: float
    dtype: torch.dtype

    def __call__(self, x: Tensor) -> Tensor:
        """From (N, D), float32, to (N, D), `dtype`."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps).to(self.dtype)


@dataclass(frozen=True)
class Layer:
    """One transformer layer; `qkv` are the query, key and value maps in one."""

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
    model : EsmModel
        With rotary positions.
    device : torch.device
    dtype : torch.dtype
        Of the matrix multiplications: float32 or bfloat16.
    """

    def __init__(self, model: EsmModel, device: torch.device, dtype: torch.dtype) -> None:
        esm: Any = model
        config = esm.config
        self.heads, self.dtype = config.num_attention_heads, dtype
        self.inverse_frequencies = esm.rotary_embeddings.inv_freq.to(device)
        embeddings = esm.embeddings.word_embeddings.weight.detach()
        if config.token_dropout:
            embeddings = embeddings * UNMASKED_IN_TRAINING
        if esm.embeddings.layer_norm is not None:
            embeddings = esm.embeddings.layer_norm(embeddings).detach()
        self.embeddings = embeddings.to(device)
        self.layers = [self._layer(layer, device) for layer in esm.encoder.layer]
        self.final_norm = self._norm(esm.encoder.emb_layer_norm_after, device, torch.float32)

    def _norm(self, norm: Any, device: torch.device, dtype: torch.dtype) -> Norm:
        return Norm(norm.weight.detach().to(device), norm.bias.detach().to(device), norm.eps, dtype)

    def _linear(self, weight: Tensor, bias: Tensor, device: torch.device) -> Linear:
        return Linear(weight.detach().to(device, self.dtype), bias.detach().to(device, self.dtype))

    def _layer(self, layer: Any, device: torch.device) -> Layer:
        attention, output = layer.attention.self, layer.attention.output.dense
        dimensions = attention.attention_head_size
        # ESM-2 rotates dimension i with i + d/2; beside each other they are one complex number. Queries and keys
        # reordered alike have the same products.
        order = torch.arange(dimensions).view(2, -1).T.flatten()
        order = (torch.arange(self.heads)[:, None] * dimensions + order).flatten()
        query, key, value = attention.query, attention.key, attention.value
        return Layer(
            attention_norm=self._norm(layer.attention.LayerNorm, device, self.dtype),
            qkv=self._linear(
                torch.cat([query.weight[order], key.weight[order], value.weight]),
                torch.cat([query.bias[order], key.bias[order], value.bias]),
                device,
            ),
            attention_output=self._linear(output.weight, output.bias, device),
            feed_forward_norm=self._norm(layer.LayerNorm, device, self.dtype),
            expansion=self._linear(layer.intermediate.dense.weight, layer.intermediate.dense.bias, device),
            contraction=self._linear(layer.output.dense.weight, layer.output.dense.bias, device),
        )

    @torch.inference_mode()
    def __call__(self, tokens: Sequence[np.ndarray]) -> Tensor:
        """Hidden states of proteins; equal neighbours in length are attended together.

        Parameters
        ----------
        tokens : sequence of B ndarray, each of shape (L + 2,), uint8
            `<cls> s1 … sL <eos>` of each protein.

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
        hidden = self.embeddings[torch.from_numpy(np.concatenate(tokens)).to(device, torch.int64)]
        for layer in self.layers:
            qkv = layer.qkv(layer.attention_norm(hidden)).float().unflatten(1, (3, self.heads, -1))
            pairs = torch.view_as_complex(qkv[:, :2].flatten(1, 2).unflatten(2, (-1, 2)))
            pairs *= rotation
            hidden += layer.attention_output(attend(qkv).to(self.dtype))
            expanded = F.gelu(layer.expansion(layer.feed_forward_norm(hidden)))
            hidden += layer.contraction(expanded)
        return self.final_norm(hidden)

    def _attention(self, sizes: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """Attention of proteins of these sizes: from (N, 3, H, d) to (N, D)."""
        if self.embeddings.device.type == "cuda" and self.dtype == torch.bfloat16:
            longest = max(sizes)
            starts = torch.tensor([0, *np.cumsum(sizes)], dtype=torch.int32, device=self.embeddings.device)

            def attend_packed(qkv: Tensor) -> Tensor:
                query, key, value = qkv.to(self.dtype).unbind(1)
                attended = varlen_attn(query, key, value, starts, starts, longest, longest)
                return cast(Tensor, attended).flatten(1)

            return attend_packed
        groups = [(size, len(list(group))) for size, group in groupby(sizes)]

        def attend_groups(qkv: Tensor) -> Tensor:
            return torch.cat(list(_attended(qkv, groups)))

        return attend_groups


def _attended(qkv: Tensor, groups: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    start = 0
    for size, count in groups:
        stop = start + size * count
        query, key, value = qkv[start:stop].unflatten(0, (count, size)).permute(2, 0, 3, 1, 4)  # (B, H, L, d) each
        attended = F.scaled_dot_product_attention(query, key, value)
        yield attended.transpose(1, 2).reshape(stop - start, -1)
        start = stop
