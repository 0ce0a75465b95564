"""The 13 vectors of a protein from the hidden states of its residues."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

N_SEGMENTS: Final = 10
SEGMENTS: Final = slice(1, 1 + N_SEGMENTS)
"""The segments among `TOKENS`."""

TOKENS: Final[tuple[str, ...]] = ("cls", *(f"segment{s}" for s in range(N_SEGMENTS)), "eos", "mean")
"""Names of a protein's vectors, in the order in which they are kept."""


def segment_bounds(lengths: ArrayLike) -> NDArray[np.int64]:
    """Where the 10 segments of each protein begin and end.

    Parameters
    ----------
    lengths : array_like of int, shape (P,)
        Residues of each protein.

    Returns
    -------
    bounds : ndarray, shape (P, 11), int64
        Segment s of protein p holds the residues `bounds[p, s]` to `bounds[p, s + 1]`, 0-based and half-open. The
        first `length % 10` segments are one residue longer than the others.
    """
    base, longer = np.divmod(np.asarray(lengths, dtype=np.int64)[..., None], N_SEGMENTS)
    segments = np.arange(N_SEGMENTS + 1)
    return base * segments + np.minimum(segments, longer)


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
