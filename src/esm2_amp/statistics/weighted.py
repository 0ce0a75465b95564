"""Metrics of pairs as functions of the pairs' weights, and their derivatives in each weight.

A bootstrap replicate is a weighting of the pairs, so these give a metric's replicates. With equal weights they are
those of `metrics.pair_metrics`; with others, those of scikit-learn given `sample_weight`.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from esm2_amp.columns import column_name
from esm2_amp.statistics.calibration import N_BINS
from esm2_amp.statistics.metrics import decisions, sigmoid
from esm2_amp.statistics.operating_points import ODDS, precision_at_odds

Floats = NDArray[np.float64]

RANK_METRICS: Final = ("auroc", "aupr")
SUM_METRICS: Final = (
    "loss", "accuracy", "precision", "recall", "specificity", "f1", "balanced_accuracy", "mcc", "brier", "ece",
    *ODDS,
)  # fmt: skip
METRICS: Final = (*RANK_METRICS, *SUM_METRICS)
"""All of `pair_metrics`, the expected calibration error, and precision at prevalences 1:10 and 1:100."""
METRIC_COLUMNS: Final = tuple(map(column_name, METRICS))
"""What tables call them."""

N_TERMS: Final = 6 + N_BINS


def pair_terms(label: ArrayLike, logit: ArrayLike, threshold: float) -> Floats:
    """What each pair adds to the sums from which `SUM_METRICS` are computed.

    Returns
    -------
    terms : ndarray, shape (B, `N_TERMS`), float64
        True positive, false positive, false negative, true negative (0 or 1); binary cross-entropy; squared error of
        the probability; and its error (label − probability) in the column of the probability's bin.
    """
    y, z = np.asarray(label, dtype=np.float64), np.asarray(logit, dtype=np.float64)
    probability = sigmoid(z)
    d = decisions(probability, threshold)
    bin_of = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    errors = np.where(bin_of[:, None] == np.arange(N_BINS), (y - probability)[:, None], 0)
    columns = [y * d, (1 - y) * d, y * (1 - d), (1 - y) * (1 - d), np.logaddexp(0, z) - y * z, (y - probability) ** 2]
    return np.column_stack([*columns, errors])


def metrics_of_sums(sums: NDArray[np.inexact]) -> NDArray[np.inexact]:
    """`SUM_METRICS`, and the calibration errors of the bins, from weighted sums of `pair_terms`.

    Parameters
    ----------
    sums : ndarray, shape (…, `N_TERMS`), float64 or complex128
        Sums of the terms, weighted or not.

    Returns
    -------
    values : ndarray, shape (…, `SUM_METRICS` + `N_BINS`), dtype of `sums`
        NaN where a metric is undefined. The absolute errors of the bins add up to `ece`.
    """
    tp, fp, fn, tn, loss, squares = np.moveaxis(sums, -1, 0)[:-N_BINS]
    errors = np.moveaxis(sums, -1, 0)[-N_BINS:]
    total = tp + fp + fn + tn
    with np.errstate(divide="ignore", invalid="ignore"):
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
        values = {
            "loss": loss / total,
            "accuracy": (tp + tn) / total,
            "precision": tp / (tp + fp),
            "recall": recall,
            "specificity": specificity,
            "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (recall + specificity) / 2,
            "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
            "brier": squares / total,
            # √x² is |x|, and unlike it has a complex derivative, which `sum_influence` takes.
            "ece": np.sqrt(np.square(errors / total)).sum(axis=0),
            **{name: precision_at_odds(recall, specificity, negatives) for name, negatives in ODDS.items()},
        }
        return np.stack([*(values[name] for name in SUM_METRICS), *(errors / total)], axis=-1)


def sum_influence(terms: Floats) -> Floats:
    """Derivatives of `metrics_of_sums` in each pair's weight, at equal weights of 1.

    Returns
    -------
    influence : ndarray, shape (B, `SUM_METRICS` + `N_BINS`), float64
    """
    step = 1e-30  # a complex step cancels nothing, so it may be this small (Squire and Trapp 1998)
    gradient = metrics_of_sums(terms.sum(axis=0) + 1j * step * np.eye(N_TERMS)).imag / step
    return np.asarray(terms @ gradient)


class Ranking:
    """Pairs from the highest logit to the lowest, for areas under curves; equal logits count as one step.

    Parameters
    ----------
    label, logit : array_like, shape (B,)
        Labels (0 or 1) and logits.

    Attributes
    ----------
    order : ndarray, shape (B,), int64
        Pairs by falling logit; weights are passed in this order.
    """

    def __init__(self, label: ArrayLike, logit: ArrayLike) -> None:
        z = np.asarray(logit, dtype=np.float64)
        self.order = np.argsort(-z, kind="stable")
        self._positive = np.asarray(label, dtype=np.float64)[self.order]
        self._ends = np.flatnonzero(np.diff(z[self.order], append=-np.inf))

    def areas(self, weight: Floats) -> tuple[float, float]:
        """AUROC and average precision.

        Parameters
        ----------
        weight : ndarray, shape (B,), float64
            Weights of the pairs in `order`, at least 0.

        Returns
        -------
        auroc, aupr : float
            NaN where one class has no weight.
        """
        positives = np.cumsum(weight * self._positive)[self._ends]
        pairs = np.cumsum(weight)[self._ends]
        negatives = pairs - positives
        if not positives[-1] > 0 or not negatives[-1] > 0:
            return np.nan, np.nan
        new = np.diff(positives, prepend=0)
        auroc = np.diff(negatives, prepend=0) @ (positives - new / 2) / (positives[-1] * negatives[-1])
        # Steps before the first pair with weight have neither positives nor pairs.
        aupr = new @ (positives / np.maximum(pairs, np.finfo(float).tiny)) / positives[-1]
        return float(auroc), float(aupr)

    def influence(self) -> Floats:
        """Derivatives of AUROC and average precision in each pair's weight, at equal weights of 1.

        Returns
        -------
        influence : ndarray, shape (B, 2), float64
            In the pairs' own order.
        """
        y = self._positive
        step = np.searchsorted(self._ends, np.arange(len(y)))
        positives, pairs = np.cumsum(y)[self._ends], self._ends + 1
        negatives, new = pairs - positives, np.diff(positives, prepend=0)
        auroc, aupr = self.areas(np.ones(len(y)))
        with np.errstate(divide="ignore", invalid="ignore"):
            # What a positive wins against the negatives, and a negative loses against the positives.
            below = 1 - (negatives - np.diff(negatives, prepend=0) / 2) / negatives[-1]
            above = (positives - new / 2) / positives[-1]
            of_auroc = np.where(y > 0, (below[step] - auroc) / positives[-1], (above[step] - auroc) / negatives[-1])
            # A pair enters the precision TP / n of its step and of all below, which changes by (y − TP / n) / n.
            gain, loss = (np.cumsum((new * change / pairs)[::-1])[::-1][step] for change in (1, positives / pairs))
            of_aupr = (y * ((positives / pairs)[step] - aupr + gain) - loss) / positives[-1]
        influence = np.empty((len(y), 2))
        influence[self.order] = np.column_stack([of_auroc, of_aupr])
        return influence
