"""Logits of pairs by a network, in batches."""

import logging
from typing import Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from esm2_amp.models.base import PairNetwork
from esm2_amp.models.ensemble import member_logits, members_of
from esm2_amp.pairs import Pairs
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

SCORED: Final = "scored"
"""Status of a pair that has a score."""


class PairScores(NamedTuple):
    """Scores of B pairs by an ensemble of K members, or by a single network as its own only member.

    Attributes
    ----------
    members : ndarray, shape (B, K), float32
        The members' logits.
    logit : ndarray, shape (B,), float32
        Their mean, which is the network's logit.
    """

    members: NDArray[np.float32]
    logit: NDArray[np.float32]

    @classmethod
    def of(cls, members: NDArray[np.float32]) -> Self:
        """The members' logits with their mean."""
        return cls(members, members.mean(axis=1))

    @property
    def spread(self) -> NDArray[np.float32] | None:
        """Standard deviation over the members' logits (divisor K), shape (B,); None for a single network."""
        return self.members.std(axis=1, dtype=np.float64).astype(np.float32) if self.members.shape[1] > 1 else None


def score_pairs(network: PairNetwork, pairs: Pairs, *, batch_size: int, device: torch.device) -> NDArray[np.float32]:
    """Logits of B pairs: shape (B,), float32.

    Parameters
    ----------
    network : PairNetwork
        The model, which is moved to the device and set to eval mode.
    pairs : Pairs
        The pairs as the network reads them.
    batch_size : int
        Pairs scored at once.
    device : torch.device
        Where the pairs are scored.
    """
    return score_by_members(network, pairs, batch_size=batch_size, device=device).logit


@torch.inference_mode()
def score_by_members(network: PairNetwork, pairs: Pairs, *, batch_size: int, device: torch.device) -> PairScores:
    """Logits of B pairs by a network and, in the same pass, by each of its members; arguments as for `score_pairs`."""
    network = network.to(device).eval()
    pairs = pairs.to(device)
    members, progress = torch.empty(len(pairs), len(members_of(network))), Progress(logger, "scoring pairs", len(pairs))
    for rows in pairs.batches(batch_size):
        members[rows] = member_logits(network, pairs.tokens(rows)).float().cpu()
        progress.add(len(rows))
    return PairScores.of(members.numpy())
