"""Pairs as tokens, gathered from one table of proteins: for training, scoring and explaining alike."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

PairBatch = tuple[Tensor, Tensor, Tensor]
"""Rows of partner A (B,), rows of partner B (B,), int64; labels (B,), float32."""


def pair_tokens(table: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Tokens of pairs, A's before B's.

    Parameters
    ----------
    table : Tensor, shape (P, T / 2, D), float
        The vectors of each protein that a model reads.
    a, b : Tensor, shape (B,), int64
        Rows of the partners, on the table's device.

    Returns
    -------
    tokens : Tensor, shape (B, T, D), float32
    """
    _, half, width = table.shape
    rows = torch.stack((a, b), dim=1).flatten()  # (2 B,)
    return table.index_select(0, rows).view(len(a), 2 * half, width).float()


class PairBatches(IterableDataset[PairBatch]):
    """Batches of row numbers, in order or in an order drawn from a seed.

    Parameters
    ----------
    a, b : Tensor, shape (pairs,), int64
    label : Tensor, shape (pairs,), float32
    batch_size : int
    shuffle_seed : int, optional
        Draw a random order from this seed; without one the order stays.
    """

    def __init__(self, a: Tensor, b: Tensor, label: Tensor, batch_size: int, shuffle_seed: int | None = None) -> None:
        self.columns = (a, b, label)
        self.batch_size, self.shuffle_seed = batch_size, shuffle_seed

    def __len__(self) -> int:
        return math.ceil(len(self.columns[0]) / self.batch_size)

    def __iter__(self) -> Iterator[PairBatch]:
        count = len(self.columns[0])
        if self.shuffle_seed is None:
            order = torch.arange(count)
        else:
            order = torch.randperm(count, generator=torch.Generator().manual_seed(self.shuffle_seed))
        for rows in order.split(self.batch_size):
            a, b, label = (column[rows] for column in self.columns)
            yield a, b, label
