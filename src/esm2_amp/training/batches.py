"""Batches of training pairs, in an order that the seed and the epoch alone decide."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from esm2_amp.pairs import Pairs

PairBatch = tuple[Tensor, Tensor, Tensor]
"""Rows of partner A (B,), rows of partner B (B,), int64; labels (B,), float32."""


class Counts(NamedTuple):
    """Pairs of a process's batch that count, and pairs of the whole step, over all its batches and processes."""

    own: int
    of_step: int


class Shares(NamedTuple):
    """How the pairs of a step of the optimiser are split, among processes and into batches held in memory at once.

    Each process has an unbroken part of a step's pairs, and all have equally many batches. A batch for which no pairs
    are left holds the step's first pair, which doesn't count.

    Attributes
    ----------
    step : int
        Pairs of a step; the last one of an epoch may have fewer.
    batch : int
        Pairs of a batch at most.
    processes, rank : int
        How many processes there are, and the number of this one, from 0.
    """

    step: int
    batch: int
    processes: int = 1
    rank: int = 0

    def batches(self, pairs: int) -> int:
        """Batches of each process in a step of so many pairs."""
        most = -(-pairs // self.processes)
        return -(-most // self.batch)

    def part(self, pairs: int) -> slice:
        """Where the pairs of this process lie among those of a step."""
        return slice(pairs * self.rank // self.processes, pairs * (self.rank + 1) // self.processes)

    def counts(self, batch: int, pairs: int) -> Counts:
        """What counts of a batch, by its number in an epoch of so many pairs."""
        step, batch_of_step = divmod(batch, self.batches(self.step))
        of_step = min(self.step, pairs - step * self.step)
        part = self.part(of_step)
        left = part.stop - part.start - batch_of_step * self.batch
        return Counts(max(0, min(self.batch, left)), of_step)


class _PairRows(Dataset[PairBatch]):
    """Rows of the partners and labels; an item is the batch at some positions."""

    def __init__(self, a: Tensor, b: Tensor, label: Tensor) -> None:
        self.columns = a, b, label

    def __getitem__(self, positions: Tensor) -> PairBatch:
        a, b, label = (column[positions] for column in self.columns)
        return a, b, label


class _SharedBatches(Sampler[Tensor]):
    """The batches of one process, step after step, in a new random order each time where there is a generator."""

    def __init__(self, pairs: int, shares: Shares, generator: torch.Generator | None) -> None:
        self._pairs, self._shares, self._generator = pairs, shares, generator

    @override
    def __iter__(self) -> Iterator[Tensor]:
        size, generator = self._shares.batch, self._generator
        order = torch.arange(self._pairs) if generator is None else torch.randperm(self._pairs, generator=generator)
        for step in order.split(self._shares.step):
            own = step[self._shares.part(len(step))]
            for number in range(self._shares.batches(len(step))):
                batch = own[number * size : (number + 1) * size]
                yield batch if len(batch) else step[:1]

    def __len__(self) -> int:
        whole, rest = divmod(self._pairs, self._shares.step)
        return whole * self._shares.batches(self._shares.step) + self._shares.batches(rest)


def pair_batches(
    pairs: Pairs, shares: Shares, shuffle_seed: int | None = None, *, swapping: bool = False
) -> DataLoader[PairBatch]:
    """Batches of row numbers, in order or in an order drawn from a seed.

    Parameters
    ----------
    pairs : Pairs
        Labelled pairs.
    shares : Shares
        Pairs of a step and of a batch, and which of them this process has.
    shuffle_seed : int, optional
        Seed of a random order; without it the order stays.
    swapping : bool
        Swap the partners of each pair with probability one half, drawn from the same seed.
    """
    a, b, count = pairs.a, pairs.b, len(pairs)
    assert pairs.label is not None
    generator = None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed)
    if shuffle_seed is not None and swapping:
        of_swaps = torch.Generator().manual_seed(shuffle_seed)
        torch.randperm(count, generator=of_swaps)  # what the order draws
        swapped = torch.randint(2, (count,), generator=of_swaps, dtype=torch.bool)
        a, b = torch.where(swapped, b, a), torch.where(swapped, a, b)
    batches = _SharedBatches(count, shares, generator)
    return DataLoader(_PairRows(a, b, pairs.label), sampler=batches, batch_size=None)
