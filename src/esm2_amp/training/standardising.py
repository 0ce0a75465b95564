"""Vectors standardised while a network is fitted, and the same network afterwards for vectors as they are."""

from dataclasses import replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs


class Scale(NamedTuple):
    """Mean and standard deviation of each dimension over the proteins of training pairs, each once.

    Attributes
    ----------
    mean, deviation : Tensor, shape (D,), float32
        Over all vectors that the network reads; a dimension that never varies has the deviation 1.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, training: Pairs) -> Self:
        """The scale of the proteins of training pairs."""
        used = torch.unique(torch.stack([training.a, training.b]))
        vectors = training.table[used].double().flatten(0, 1)
        deviation = vectors.std(dim=0, correction=0)
        return cls(vectors.mean(dim=0).float(), torch.where(deviation > 0, deviation, 1).float())

    def standardised(self, *parts: Pairs) -> list[Pairs]:
        """Pairs over one table with that table standardised: float32."""
        table = (parts[0].table.float() - self.mean) / self.deviation
        return [replace(part, table=table) for part in parts]

    def folded(self, network: PairNetwork) -> PairNetwork:
        """The network that gives for vectors as they are what `network` gives for standardised ones."""
        return network.for_vectors_as_they_are(*self)
