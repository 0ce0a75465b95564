"""Risk and coverage: how the error falls among the pairs that one is surest of (El-Yaniv and Wiener 2010)."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from esm2_amp.statistics.intervals import MeanReplicates, bootstrap_means

COVERAGES: Final = tuple(np.arange(1, 21) / 20)
"""Fractions of the pairs, the surest first, of which errors are measured."""


def kept_shares(sureness: ArrayLike, coverages: Sequence[float] = COVERAGES) -> NDArray[np.float64]:
    """How far each pair is among the surest fraction of them.

    Of pairs of equal sureness that a fraction cuts through, each counts in part, since their order says nothing.

    Parameters
    ----------
    sureness : array_like, shape (B,)
        Higher is surer.
    coverages : sequence of C float
        Fractions of the pairs.

    Returns
    -------
    shares : ndarray, shape (B, C), float64
        From 0 to 1; the sum of a column is B times its coverage.

    Examples
    --------
    >>> kept_shares([3, 1, 1, 2], [0.5, 0.75]).tolist()
    [[1.0, 1.0], [0.0, 0.5], [0.0, 0.5], [1.0, 1.0]]
    """
    _, group, size = np.unique(-np.asarray(sureness, np.float64), return_inverse=True, return_counts=True)
    surer = np.cumsum(size) - size
    wanted = len(group) * np.asarray(coverages, np.float64)
    return np.asarray(np.clip((wanted - surer[:, None]) / size[:, None], 0, 1)[group])


def risk_replicates(
    sureness: ArrayLike, losses: pd.DataFrame, a: ArrayLike, b: ArrayLike, *, replicates: int, seed: int
) -> MeanReplicates:
    """Mean losses among the surest pairs at each of `COVERAGES`, with their replicates.

    Which pairs are the surest is held fixed, so that the intervals are of the loss among pairs as sure as these.

    Parameters
    ----------
    sureness : array_like, shape (B,)
        Higher is surer.
    losses : DataFrame, shape (B, K)
        Losses of each pair.
    a, b, replicates, seed
        As for `esm2_amp.statistics.intervals.bootstrap_means`.
    """
    return bootstrap_means(losses, kept_shares(sureness), a, b, replicates=replicates, seed=seed)


def risk_coverage(
    sureness: Mapping[str, ArrayLike], losses: pd.DataFrame, a: ArrayLike, b: ArrayLike, *, replicates: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Losses as functions of coverage by several measures of sureness, with 95 % intervals.

    Parameters
    ----------
    sureness : mapping of measure to array_like, shape (B,)
        Higher is surer.
    losses : DataFrame, shape (B, K)
        Losses of each pair, none of them negative, none above 1.
    a, b, replicates, seed
        As for `risk_replicates`.

    Returns
    -------
    curves : DataFrame
        `Measure`, `Coverage`, `Pairs`, and each loss with its interval in `<loss>Low` and `<loss>High`.
    differences : DataFrame
        The same columns, of the loss at each coverage minus that of all pairs, on the same replicates.
    """
    curves, differences = [], []
    for measure, sure in sureness.items():
        found = risk_replicates(sure, losses, a, b, replicates=replicates, seed=seed)
        low, high = np.clip(found.limits(), 0, 1)
        curves.append(_table(measure, losses, len(losses), found.values, low, high))
        less = found.less(len(COVERAGES) - 1)
        differences.append(_table(measure, losses, len(losses), less.values, *less.limits()))
    return pd.concat(curves, ignore_index=True), pd.concat(differences, ignore_index=True)


def _table(measure: str, losses: pd.DataFrame, n_pairs: int, *ends: NDArray[np.float64]) -> pd.DataFrame:
    columns = {
        f"{loss}{end}": of_end[:, number]
        for number, loss in enumerate(losses)
        for end, of_end in zip(("", "Low", "High"), ends, strict=True)
    }
    pairs = np.round(n_pairs * np.array(COVERAGES)).astype(int)
    return pd.DataFrame({"Measure": measure, "Coverage": COVERAGES, "Pairs": pairs, **columns})
