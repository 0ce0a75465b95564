"""Logits of pairs by a network, in batches."""

import logging
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

SCORED: Final = "scored"
"""Status of a pair that has a score."""


@torch.inference_mode()
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
    network = network.to(device).eval()
    pairs = pairs.to(device)
    logits, progress = [], Progress(logger, "scoring pairs", len(pairs))
    for rows in pairs.batches(batch_size):
        logits.append(network(pairs.tokens(rows)).float().cpu())
        progress.add(len(rows))
    return torch.cat(logits).numpy() if logits else np.empty(0, dtype=np.float32)
