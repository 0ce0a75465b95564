"""Pairs as tokens, gathered from one table of proteins: for training, scoring and explaining alike."""

import torch
from torch import Tensor


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
