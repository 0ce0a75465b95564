"""The 13 vectors of a protein from the hidden states of its residues."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from esm2_amp.protein import N_SEGMENTS, SEGMENTS, segment_bounds


def pool(hidden: Tensor, lengths: Sequence[int]) -> Tensor:
    """The 13 vectors of each protein: cls, the means of its 10 segments, eos, the mean of all its residues.

    Parameters
    ----------
    hidden : Tensor, shape (N, D)
        Hidden states of B proteins laid end to end, each as `<cls> s1 … sL <eos>`, without padding.
    lengths : sequence of B int
        Residues of each protein, at least 1; `sum(lengths) + 2 * B` is N.

    Returns
    -------
    features : Tensor, shape (B, 13, D), float32
        On the device of `hidden`, in the order of `TOKENS`. A segment without residues (L < 10) is zero.
    """
    sizes = np.ones((len(lengths), N_SEGMENTS + 2), dtype=np.int64)
    sizes[:, SEGMENTS] = np.diff(segment_bounds(lengths))
    offsets = torch.from_numpy(np.cumsum(sizes) - sizes.ravel()).to(hidden.device)
    rows = torch.arange(len(hidden), device=hidden.device)
    sums = F.embedding_bag(rows, hidden.float(), offsets, mode="sum").unflatten(0, sizes.shape)
    total = sums[:, SEGMENTS].sum(1, keepdim=True)
    residues = np.concatenate([sizes.clip(1), np.asarray(lengths)[:, None]], axis=1)
    return torch.cat([sums, total], dim=1) / torch.from_numpy(residues).to(hidden.device)[..., None]
