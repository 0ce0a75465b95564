"""Logits of pairs by a network, in batches."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import pair_tokens


@torch.inference_mode()
def score_pairs(
    network: PairNetwork, table: Tensor, a: Tensor, b: Tensor, *, batch_size: int, device: torch.device
) -> NDArray[np.float32]:
    """Logits of pairs.

    Parameters
    ----------
    network : PairNetwork
    table : Tensor, shape (P, T / 2, D), float
        The vectors of each protein that the network reads.
    a, b : Tensor, shape (pairs,), int64
        Rows of the partners.
    batch_size : int
    device : torch.device

    Returns
    -------
    logit : ndarray, shape (pairs,), float32
    """
    network = network.to(device).eval()
    table = table.to(device)
    batches = zip(a.split(batch_size), b.split(batch_size), strict=True)
    logits = [
        network(pair_tokens(table, some_a.to(device), some_b.to(device))).float().cpu() for some_a, some_b in batches
    ]
    return torch.cat(logits).numpy() if logits else np.empty(0, dtype=np.float32)
