"""Logits of pairs by a network, in batches."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs

SCORED: Final = "scored"
"""Status of a pair that has a score."""


@torch.inference_mode()
def score_pairs(network: PairNetwork, pairs: Pairs, *, batch_size: int, device: torch.device) -> NDArray[np.float32]:
    """Logits of pairs.

    Parameters
    ----------
    network : PairNetwork
    pairs : Pairs, B of them
    batch_size : int
    device : torch.device

    Returns
    -------
    logit : ndarray, shape (B,), float32
    """
    network = network.to(device).eval()
    pairs = pairs.to(device)
    logits = [network(pairs.tokens(rows)).float().cpu() for rows in pairs.batches(batch_size)]
    return torch.cat(logits).numpy() if logits else np.empty(0, dtype=np.float32)
