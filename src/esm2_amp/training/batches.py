"""Batches of training pairs, in an order that the seed and the epoch alone decide."""

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from esm2_amp.pairs import Pairs

PairBatch = tuple[Tensor, Tensor, Tensor]
"""Rows of partner A (B,), rows of partner B (B,), int64; labels (B,), float32."""


class _PairRows(Dataset[PairBatch]):
    """Rows of the partners and labels; an item is the batch at a list of positions."""

    def __init__(self, a: Tensor, b: Tensor, label: Tensor) -> None:
        self.columns = a, b, label

    def __getitem__(self, positions: list[int]) -> PairBatch:
        a, b, label = (column[positions] for column in self.columns)
        return a, b, label


def pair_batches(
    pairs: Pairs, batch_size: int, shuffle_seed: int | None = None, *, swapping: bool = False
) -> DataLoader[PairBatch]:
    """Batches of row numbers, in order or in an order drawn from a seed.

    Parameters
    ----------
    pairs : Pairs
        Labelled pairs.
    batch_size : int
        Pairs in a batch; the last one may have fewer.
    shuffle_seed : int, optional
        Seed of a random order; without it the order stays.
    swapping : bool
        Swap the partners of each pair with probability one half, drawn from the same seed.
    """
    a, b, count = pairs.a, pairs.b, len(pairs)
    assert pairs.label is not None
    order: SequentialSampler | RandomSampler = SequentialSampler(range(count))
    if shuffle_seed is not None:
        order = RandomSampler(range(count), generator=torch.Generator().manual_seed(shuffle_seed))
        if swapping:
            generator = torch.Generator().manual_seed(shuffle_seed)
            torch.randperm(count, generator=generator)  # what the sampler draws first
            swapped = torch.randint(2, (count,), generator=generator, dtype=torch.bool)
            a, b = torch.where(swapped, b, a), torch.where(swapped, a, b)
    batches = BatchSampler(order, batch_size, drop_last=False)
    return DataLoader(_PairRows(a, b, pairs.label), sampler=batches, batch_size=None)
