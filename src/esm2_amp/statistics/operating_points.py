"""Decisions: the threshold at which they are made, and their precision where few pairs interact."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from esm2_amp.errors import InputError
from esm2_amp.statistics.metrics import sigmoid

T = TypeVar("T", float, NDArray[np.inexact])

ODDS: Final = {"precision_at_1_10": 10, "precision_at_1_100": 100}
"""Metric → negatives for each positive: customary; real interactomes are thought to be sparser still."""


def precision_at_odds(recall: T, specificity: T, negatives: float) -> T:
    """Precision among pairs of which `negatives` don't interact for each one that does.

    Recall and specificity don't depend on the prevalence, so those measured on a balanced test hold
    (Bayes' theorem): recall / (recall + (1 − specificity) · negatives).

    Parameters
    ----------
    recall, specificity : float or ndarray
        Measured recall and specificity, as fractions.
    negatives : float
        Pairs that don't interact for each one that does.
    """
    return recall / (recall + (1 - specificity) * negatives)


def best_threshold(label: ArrayLike, logit: ArrayLike) -> float:
    """Probability threshold of the highest MCC, to be chosen on validation pairs.

    Parameters
    ----------
    label, logit : array_like, shape (B,)
        Labels (0 or 1) and logits.

    Returns
    -------
    threshold : float
        A probability that occurs; the highest of equally good ones.

    Raises
    ------
    InputError
        All pairs are of one class.
    """
    y = np.asarray(label, dtype=np.float64)
    values, group = np.unique(-sigmoid(logit), return_inverse=True)
    n_groups, n_pairs, n_positives = len(values), len(y), y.sum()
    if not 0 < n_positives < n_pairs:
        raise InputError(
            f"A threshold can be chosen where pairs of both classes are, got {n_pairs:,} pairs of which "
            f"{n_positives:,.0f} interact; add the other class to the validation pairs or set the threshold"
        )
    decided = np.cumsum(np.bincount(group, minlength=n_groups))
    found = np.cumsum(np.bincount(group, weights=y, minlength=n_groups))
    # Covariance of decision and label over the standard deviation of the decision: MCC, but for a constant factor.
    covariance = found * n_pairs - decided * n_positives
    deviation = np.sqrt(decided * (n_pairs - decided))
    mcc = np.divide(covariance, deviation, out=np.zeros(n_groups), where=deviation > 0)
    return float(-values[mcc.argmax()])
