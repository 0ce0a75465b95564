"""ESM2_SIAM: one network reads each protein, and what it makes of both is compared; not of the published code."""

from typing import Final, Self, cast

import torch
from torch import Tensor, nn
from typing_extensions import override

from esm2_amp.models.base import PairNetwork

_SMALLEST_VARIANCE: Final = 1e-6
"""Added to variances, so that segments that are all alike have a gradient."""


class ESM2SIAM(PairNetwork):
    """A siamese network on the mean and the standard deviation of each protein's segments.

    Each protein becomes a vector, `tower(mean ‖ deviation)`, and the MLP reads the sum and the product of both, so that
    the order of A and B makes no difference. The deviation tells, as the mean alone can't, a protein with one peculiar
    segment from one whose segments are all a little so (statistics pooling: Snyder et al. 2018, x-vectors).

    Parameters
    ----------
    width : int
        D of the encoder's features; each protein's input is 2·D.
    h1, h2 : int
        Sizes of the tower's hidden layer and of its vectors.
    h3 : int
        Hidden size of the MLP.
    dropout : float
        Fraction that the hidden layers drop while the network is trained.
    """

    protein_tokens = slice(1, 11)

    def __init__(self, width: int, h1: int, h2: int, h3: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.tower = nn.Sequential(*_hidden(2 * width, h1, dropout), nn.Linear(h1, h2), nn.LayerNorm(h2))
        self.mlp_layers = nn.Sequential(*_hidden(2 * h2, h3, dropout), nn.Linear(h3, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, 20, D) → (B,)."""
        a, b = (self.protein_vectors(segments) for segments in tokens.chunk(2, dim=1))  # (B, h2) each
        logit: Tensor = self.mlp_layers(torch.cat([a + b, a * b], dim=-1)).squeeze(-1)  # (B,)
        return logit

    def protein_vectors(self, segments: Tensor) -> Tensor:
        """What the tower makes of each of n proteins: (n, 10, D) → (n, h2)."""
        vectors: Tensor = self.tower(statistics(segments))
        return vectors

    @override
    def first_map(self) -> tuple[Tensor, Tensor]:
        """The first layer of the tower."""
        first = cast("nn.Linear", self.tower[0])
        return first.weight, first.bias

    @override
    def for_vectors_as_they_are(self, mean: Tensor, deviation: Tensor) -> Self:
        """The same with the scale in the first layer, where a shift of the segments leaves their deviation as it is."""
        return self._folded(torch.cat([mean, torch.zeros_like(mean)]), deviation.repeat(2))


def _hidden(size_in: int, size_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(size_in, size_out), nn.LayerNorm(size_out), nn.ReLU(), nn.Dropout(dropout)]


def statistics(segments: Tensor) -> Tensor:
    """Mean and standard deviation over the segments of each protein: (…, S, D) → (…, 2 · D)."""
    mean = segments.mean(dim=-2)
    variance = (segments - mean.unsqueeze(-2)).square().mean(dim=-2)  # torch.var is five times as slow along this axis
    return torch.cat([mean, (variance + _SMALLEST_VARIANCE).sqrt()], dim=-1)
