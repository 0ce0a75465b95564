"""Attributions of a score to the columns that it was computed from, and whether they add up to it."""

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ENOUGH_WITHIN_1_PERCENT = 0.95


class LatentAttributions(NamedTuple):
    """Attributions of a classifier's scores to the columns of the pairs.

    Attributes
    ----------
    by_column : ndarray, shape (B, D'), float64
        What each column adds to the score of a pair.
    expected : float
        The score that attributions start from.
    difference : ndarray, shape (B,), float64
        A pair's score − expected: what its attributions have to add up to.
    """

    by_column: NDArray[np.float64]
    expected: float
    difference: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """Sum of a pair's attributions − its difference, shape (B,); 0 where they add up exactly."""
        error: NDArray[np.float64] = self.by_column.sum(axis=1) - self.difference
        return error


def additivity(attributions: LatentAttributions, method: str, *, exact_to: float | None = None) -> dict[str, float]:
    """How well attributions add up to the scores that they explain; a warning where they don't.

    Parameters
    ----------
    attributions : LatentAttributions
        The attributions, and what they have to add up to.
    method : str
        What the log calls the method.
    exact_to : float, optional
        Largest error of a pair by an exact method. Without it, errors must stay under 1 % of the difference in 95 % of
        the pairs.

    Returns
    -------
    report : dict
        `pairs`, `expected_score`, `largest_error`, and `share_within_1_percent` of the pairs.
    """
    error = np.abs(attributions.error)
    within = float(np.mean(error <= 0.01 * np.abs(attributions.difference)))
    largest = float(error.max())
    adds_up = within >= _ENOUGH_WITHIN_1_PERCENT if exact_to is None else largest <= exact_to
    logger.log(
        logging.INFO if adds_up else logging.WARNING,
        "%s: attributions %s the scores of %s pairs; largest error %.2g, under 1 %% of the difference for %.1f %%%s",
        method, "add up to" if adds_up else "must add up to", f"{len(error):,}", largest, 100 * within,
        "" if adds_up else "; raise the number of steps, where the method has any",
    )  # fmt: skip
    return {
        "pairs": len(error),
        "expected_score": attributions.expected,
        "largest_error": largest,
        "share_within_1_percent": within,
    }
