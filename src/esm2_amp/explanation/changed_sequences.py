"""Changed sequences embedded, and pairs scored with them: here, or by the workers of a Dask cluster."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import starmap
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.cluster import Cluster
from esm2_amp.devices import resolve_device
from esm2_amp.encoder.cluster import SharedEncoder
from esm2_amp.encoder.embedding import embed_tokens
from esm2_amp.encoder.loading import Encoder
from esm2_amp.models.base import PairNetwork
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.run import Device

Floats = NDArray[np.float64]
Tokens = NDArray[np.uint8]


class Changes(NamedTuple):
    """Changed sequences of a protein, and the pairs that are scored with each of them.

    Attributes
    ----------
    tokens : list of ndarray, shape (L + 2,), uint8
        The protein as it is, and then its n changed sequences: `<cls> s1 … sL <eos>` each.
    partners : Tensor, shape (B, T / 2, D), float32 or float16
        Vectors of the other protein of each pair.
    side : ndarray, shape (B,), int64
        Where the changed protein stands in each pair: 0 for A, 1 for B.
    """

    tokens: list[Tokens]
    partners: Tensor
    side: NDArray[np.int64]


class SequenceScorer(NamedTuple):
    """Embeds sequences, and scores pairs with them.

    Attributes
    ----------
    network : PairNetwork
        The explained model, in eval mode on the device.
    encoder : Encoder
        The ESM-2 that embeds.
    options : EmbeddingParameters
        How it reads sequences.
    device : torch.device
        Where both run.
    batch_size : int
        Pairs passed through the network at once.
    """

    network: PairNetwork
    encoder: Encoder
    options: EmbeddingParameters
    device: torch.device
    batch_size: int

    def vectors(self, tokens: Sequence[Tokens]) -> Tensor:
        """The vectors of N proteins that the network reads, shape (N, T / 2, D), float32."""
        return embed_tokens(self.encoder, tokens, self.options, self.device)[:, self.network.protein_tokens]

    @torch.inference_mode()
    def logits(self, a: Tensor, b: Tensor) -> Floats:
        """Logits of N pairs of vectors, each of shape (N, T / 2, D): shape (N,)."""
        both = torch.cat([a.float(), b.float()], dim=1)
        parts = [self.network(part.to(self.device)).cpu().double() for part in both.split(self.batch_size)]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)

    def falls(self, number: int, changes: Changes) -> tuple[int, Floats]:
        """A number, and the falls of B pairs' logits with n changed sequences in place of a partner: shape (B, n)."""
        vectors, logits = self.vectors(changes.tokens), np.empty((len(changes.side), len(changes.tokens)))
        for pair, (partner, at) in enumerate(zip(changes.partners, changes.side, strict=True)):
            other = partner.expand(len(vectors), -1, -1)
            logits[pair] = self.logits(*((vectors, other) if at == 0 else (other, vectors)))
        return number, np.asarray(logits[:, :1] - logits[:, 1:])


@dataclass(frozen=True)
class Work:
    """What all parts of a scan have in common. It is sent to the workers of a cluster as it is.

    Attributes
    ----------
    network : PairNetwork
        The explained model, on the CPU.
    encoder : SharedEncoder
        The encoder, which each worker loads once.
    options : EmbeddingParameters
        How it reads sequences.
    batch_size : int
        Pairs passed through the network at once.
    device : {"auto", "cpu", "cuda", "mps"}
        Where both run, on each worker's machine.
    """

    network: PairNetwork
    encoder: SharedEncoder
    options: EmbeddingParameters
    batch_size: int
    device: Device

    @classmethod
    def of(cls, scorer: SequenceScorer, device: Device) -> Self:
        """The work that a scorer would do here."""
        network, encoder = copy.deepcopy(scorer.network).cpu(), SharedEncoder.of(scorer.encoder)
        return cls(network, encoder, scorer.options, scorer.batch_size, device)

    @cached_property
    def scorer(self) -> SequenceScorer:
        """The scorer on this machine, which each worker makes once."""
        device = resolve_device(self.device)
        network = copy.deepcopy(self.network).to(device).eval()
        return SequenceScorer(network, self.encoder.load(), self.options, device, self.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "scorer"}

    def falls(self, number: int, changes: Changes) -> tuple[int, Floats]:
        """As of the scorer."""
        return self.scorer.falls(number, changes)


def falls_of_all(
    scorer: SequenceScorer, parts: Iterable[tuple[int, Changes]], cluster: Cluster | None
) -> Iterator[tuple[int, Floats]]:
    """How far logits fall with changed sequences, part by part.

    Parameters
    ----------
    scorer : SequenceScorer
        Encoder and network, as they would score here.
    parts : iterable of tuple of int and Changes
        The parts with their numbers, read when they are wanted.
    cluster : Cluster, optional
        Workers that share the parts.

    Yields
    ------
    number : int
        Of a part: in their order, or with a cluster as workers finish.
    falls : ndarray, shape (B, n), float64
        Of its B pairs with its n changed sequences.

    Raises
    ------
    InputError
        As `esm2_amp.cluster.Cluster.results`, or a worker has no such encoder or another one.
    """
    if cluster:
        yield from cluster.results(Work.falls, Work.of(scorer, cluster.device), parts)
    else:
        yield from starmap(scorer.falls, parts)
