"""Batches of training pairs, in an order that the seed and the epoch alone decide."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from esm2_amp.pairs import Pairs

PairBatch = tuple[Tensor, Tensor, Tensor]
"""Rows of partner A (B,), rows of partner B (B,), int64; labels (B,), float32."""


class PairBatches(IterableDataset[PairBatch]):
    """Batches of row numbers, in order or in an order drawn from a seed.

    Parameters
    ----------
    pairs : Pairs
        Labelled.
    batch_size : int
    shuffle_seed : int, optional
        Draw a random order from this seed; without one the order stays.
    swapping : bool
        Swap the partners of each pair with probability one half, drawn from the same seed.
    """

    def __init__(
        self, pairs: Pairs, batch_size: int, shuffle_seed: int | None = None, *, swapping: bool = False
    ) -> None:
        self.pairs = pairs
        self.batch_size, self.shuffle_seed, self.swapping = batch_size, shuffle_seed, swapping

    def __len__(self) -> int:
        return math.ceil(len(self.pairs) / self.batch_size)

    def __iter__(self) -> Iterator[PairBatch]:
        a, b, label = self.pairs.a, self.pairs.b, self.pairs.label
        assert label is not None
        order = torch.arange(len(a))
        if self.shuffle_seed is not None:
            generator = torch.Generator().manual_seed(self.shuffle_seed)
            order = torch.randperm(len(a), generator=generator)
            if self.swapping:
                swapped = torch.randint(2, (len(a),), generator=generator, dtype=torch.bool)
                a, b = torch.where(swapped, b, a), torch.where(swapped, a, b)
        for rows in order.split(self.batch_size):
            yield a[rows], b[rows], label[rows]
