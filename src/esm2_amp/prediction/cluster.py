"""Scores of pairs on many machines: parts of a long list of pairs, scored by the workers of a Dask cluster."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from esm2_amp.cluster import Cluster
from esm2_amp.devices import resolve_device
from esm2_amp.models.base import PairNetwork
from esm2_amp.parameters.run import Device
from esm2_amp.screening.rows import RowScorer

Rows = NDArray[np.int64]
"""Partners of pairs as rows of the proteins' vectors."""


@dataclass(frozen=True)
class Work:
    """What all parts have in common. It is sent to the workers of a cluster as it is.

    Attributes
    ----------
    network : PairNetwork
        The network that scores, on the CPU.
    table : ndarray, shape (P, T / 2, D), float32 or float16
        The vectors of each protein that the network reads. Arrays are sent several times as fast as tensors.
    device : {"auto", "cpu", "cuda", "mps"}
        Where pairs are scored, on each worker's machine.
    """

    network: PairNetwork
    table: NDArray[np.floating[Any]]
    device: Device

    @classmethod
    def of(cls, scorer: RowScorer, device: Device) -> Self:
        """The work that a scorer would do here."""
        return cls(copy.deepcopy(scorer.network).cpu(), scorer.table.numpy(), device)

    @cached_property
    def scorer(self) -> RowScorer:
        """The scorer on this machine, which each worker makes once."""
        network, table = copy.deepcopy(self.network), torch.from_numpy(self.table)
        return RowScorer(network, table, resolve_device(self.device))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "scorer"}

    def score_part(self, number: int, a: Rows, b: Rows) -> tuple[int, Rows, Rows, NDArray[np.float32]]:
        """A part, and the logits of its r pairs by each of K members, shape (r, K)."""
        return number, a, b, self.scorer.scores(a, b).members


def score_on_cluster(
    scorer: RowScorer, parts: Iterable[tuple[int, Rows, Rows]], cluster: Cluster, count: Callable[[int], None]
) -> Iterator[tuple[int, Rows, Rows, NDArray[np.float32]]]:
    """Parts with their logits by each member, as soon as a worker has computed them.

    The parts of a worker that is lost are submitted to others.

    Parameters
    ----------
    scorer : RowScorer
        The network, and the vectors of the proteins, as they would score here.
    parts : iterable of tuple of int and two ndarray, shape (r,), int64
        The number of each part, and its r pairs as rows of the vectors, read when a worker is free for them.
    cluster : Cluster
        The workers.
    count : callable
        Is called with the number of pairs of each part that has been scored.

    Yields
    ------
    number : int
        Of the part.
    a, b : ndarray, shape (r,), int64
        Its pairs.
    members : ndarray, shape (r, K), float32
        Their logits by each of K members, those of `RowScorer.scores`.

    Raises
    ------
    InputError
        As `esm2_amp.cluster.Cluster.results`.
    """
    for part in cluster.results(Work.score_part, Work.of(scorer, cluster.device), parts):
        count(len(part[-1]))
        yield part
