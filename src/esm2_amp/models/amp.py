"""ESM2_AMPS and ESM2_AMP_CSE: a transformer encoder over the tokens of a pair (METHOD section 3)."""

import math
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, layer_norm, linear
from typing_extensions import override

from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.heads import mean_over_tokens, mlp_head


class Standardise(nn.Module):
    """(x − mean) / deviation in each of D dimensions; both are stored with the weights and aren't fitted."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def forward(self, vectors: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return (vectors - self.mean) / self.deviation


class SelfAttention(nn.MultiheadAttention):
    """PyTorch's attention of tokens to one another, with a shorter way on processors where no weights are asked for.

    PyTorch's own way fills gradients of the three maps with zeros before it adds them up, and its kernel is made for
    longer sequences (`tests/benchmarks/bench_attention.py`).
    """

    @classmethod
    def of(cls, attention: nn.MultiheadAttention) -> Self:
        """The same parameters; nothing is drawn."""
        sizes = {"dropout": attention.dropout, "batch_first": True}
        new: Self = nn.utils.skip_init(cls, attention.embed_dim, attention.num_heads, **sizes)
        new.load_state_dict(attention.state_dict(keep_vars=True), assign=True)
        return new

    @override
    def forward(self, query: Tensor, *given: Any, **options: Any) -> tuple[Tensor, Tensor | None]:
        """Attend as `nn.MultiheadAttention` does, to tokens of shape (B, T, D)."""
        if query.device.type != "cpu" or options.get("need_weights", True):
            return super().forward(query, *given, **options)
        return self._attend(query, self.in_proj_weight, self.in_proj_bias), None

    def after(self, norm: nn.LayerNorm, tokens: Tensor) -> Tensor:
        """What `forward` returns for `norm(tokens)`, tokens that need no gradient: then none passes the three maps.

        The scale and the shift of the norm are multiplied by the maps in place of the tokens, which saves one of the
        three products of the maps in a training step.
        """
        normalised = layer_norm(tokens, norm.normalized_shape, eps=norm.eps)
        bias = torch.addmv(self.in_proj_bias, self.in_proj_weight, norm.bias)
        return self._attend(normalised, self.in_proj_weight * norm.weight, bias)

    def _attend(self, tokens: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        maps = linear(tokens, weight, bias).unflatten(-1, (3 * self.num_heads, -1))
        q, k, v = maps.transpose(1, 2).chunk(3, dim=1)  # (B, heads, T, D / heads)
        weights = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(self.head_dim), dim=-1)
        mixed = dropout(weights, self.dropout, self.training) @ v
        return cast("Tensor", self.out_proj(mixed.transpose(1, 2).flatten(2)))


class EncoderLayer(nn.TransformerEncoderLayer):
    """PyTorch's layer with normalised inputs, whose attention is `SelfAttention`.

    All pairs have equally many tokens, so that masks are neither needed nor looked at.
    """

    def __init__(self, width: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__(width, heads, feed_forward, dropout, activation="relu", batch_first=True, norm_first=True)
        self.self_attn: SelfAttention = SelfAttention.of(self.self_attn)

    @override
    def forward(self, src: Tensor, *given: Any, **options: Any) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        if src.device.type != "cpu" or src.requires_grad or not self.training:
            return super().forward(src, *given, **options)
        states = src + self.dropout1(self.self_attn.after(self.norm1, src))  # the first layer, in training
        return cast("Tensor", states + self._ff_block(self.norm2(states)))


class TransformerPairNetwork(PairNetwork):
    """Pre-norm transformer encoder, mean over tokens, MLP.

    There are neither positions nor a marker of the protein that a token comes from, so a pair is a bag of tokens:
    swapping A and B, or shuffling segments, leaves the logit unchanged.

    Parameters
    ----------
    width : int
        D of the encoder's features.
    h1, h2 : int
        Hidden sizes of the MLP.
    layers, heads, feed_forward : int
        Size of the transformer encoder; D must be divisible by `heads`.
    dropout : float
        Fraction that the encoder's layers drop while the network is trained.
    standardised : bool
        Whether vectors are standardised before the encoder, which adds `standardise.mean` and `standardise.deviation`
        to the published tensors. A network that was fitted to standardised vectors reads the original ones so: its
        first layer normalises each token, whence it can't take the scale up into its weights.
    """

    def __init__(
        self,
        width: int,
        h1: int,
        h2: int,
        layers: int = 6,
        heads: int = 8,
        feed_forward: int = 2048,
        dropout: float = 0.3,
        standardised: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"The width of the features must be divisible by heads, got width {width}, heads {heads}")
        self.standardise = Standardise(width) if standardised else nn.Identity()
        layer = EncoderLayer(width, heads, feed_forward, dropout)
        self.transformer_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.mlp_layers = mlp_head(width, h1, h2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, T, D) → (B,)."""
        states = self.transformer_encoder(self.standardise(tokens))  # (B, T, D)
        logit: Tensor = self.mlp_layers(mean_over_tokens(states)).squeeze(-1)  # (B,)
        return logit

    @override
    def for_vectors_as_they_are(self, mean: Tensor, deviation: Tensor) -> Self:
        """The same weights after a module that standardises the vectors."""
        network = type(self)(**{**self.sizes, "standardised": True})
        of_vectors = {"standardise.mean": mean, "standardise.deviation": deviation}
        network.load_state_dict({**self.state_dict(), **of_vectors})
        return network.train(self.training)


class ESM2AMPS(TransformerPairNetwork):
    """The 20 segment means of a pair through a transformer encoder."""

    protein_tokens = slice(1, 11)


class ESM2AMPCSE(TransformerPairNetwork):
    """`cls`, the 10 segment means and `eos` of both proteins, 24 tokens, through a transformer encoder."""

    protein_tokens = slice(0, 12)
