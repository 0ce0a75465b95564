"""The numbers behind the plots: ROC, precision-recall, confusion and reliability."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from esm2_amp.statistics.metrics import decisions

MAX_POINTS = 1000
"""Points kept of a curve: finer than print or screen, and a plot of 50,000 pairs stays a small file."""


_Z: Final = 1.959963984540054
"""The quantile of the normal distribution for 95 %."""


class Curve(NamedTuple):
    """A curve and the area under it.

    Attributes
    ----------
    x, y : ndarray, shape (at most `MAX_POINTS`,), float64
        Points of the curve.
    area : float
        Area under the whole curve, not only under the points kept.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    area: float


class PairCurves(NamedTuple):
    """The curves of one model on B pairs.

    Attributes
    ----------
    roc, precision_recall : Curve, optional
        None where all pairs are of one class.
    reliability : DataFrame
        As from `reliability`.
    prevalence : float
        Share of interacting pairs.
    """

    roc: Curve | None
    precision_recall: Curve | None
    reliability: pd.DataFrame
    prevalence: float


class Confusion(NamedTuple):
    """Pairs by label (rows) and decision (columns), both in the order 0, 1.

    Attributes
    ----------
    counts : ndarray, shape (2, 2), int64
        Number of pairs.
    percent : ndarray, shape (2, 2), float64
        Percentage of the label's pairs; NaN for a label without pairs.
    threshold : float
        Probability from which the decision is 1.
    """

    counts: NDArray[np.int64]
    percent: NDArray[np.float64]
    threshold: float

    def texts(self, line_break: str) -> list[list[str]]:
        """Text of each cell: its count and, where the label has pairs, its percentage."""
        return [
            [
                f"{count:,}" if np.isnan(percent) else f"{count:,}{line_break}{percent:.1f} %"
                for count, percent in zip(*row, strict=True)
            ]
            for row in zip(self.counts, self.percent, strict=True)
        ]


def pair_curves(label: ArrayLike, probability: ArrayLike) -> PairCurves:
    """The curves that plots of a model show, from labels and probabilities of shape (B,)."""
    prevalence = float(np.mean(np.asarray(label, dtype=np.float64)))
    curves = roc(label, probability), precision_recall(label, probability), reliability(label, probability)
    return PairCurves(*curves, prevalence)


def roc(label: ArrayLike, probability: ArrayLike) -> Curve | None:
    """False positive rate against true positive rate; None where all pairs are of one class."""
    if _one_class(label):
        return None
    false_positive_rate, true_positive_rate, _ = sk.roc_curve(label, probability)
    return Curve(*_thinned(false_positive_rate, true_positive_rate), float(sk.roc_auc_score(label, probability)))


def precision_recall(label: ArrayLike, probability: ArrayLike) -> Curve | None:
    """Recall, ascending, against precision; None where all pairs are of one class. The area is average precision."""
    if _one_class(label):
        return None
    precision, recall, _ = sk.precision_recall_curve(label, probability, drop_intermediate=True)
    area = float(sk.average_precision_score(label, probability))
    return Curve(*_thinned(recall[::-1], precision[::-1]), area)


def confusion(label: ArrayLike, probability: ArrayLike, threshold: float = 0.5) -> Confusion:
    """Counts of label against decision."""
    counts = sk.confusion_matrix(label, decisions(probability, threshold), labels=[0, 1])
    totals = counts.sum(axis=1, keepdims=True)
    return Confusion(counts, np.where(totals > 0, 100 * counts / np.maximum(totals, 1), np.nan), threshold)


def reliability(label: ArrayLike, probability: ArrayLike, n_bins: int = 10) -> pd.DataFrame:
    """How often pairs of about the same probability interact.

    Parameters
    ----------
    label, probability : array_like, shape (B,)
        Labels (0 or 1) and predicted probabilities.
    n_bins : int
        Bins of equal width from 0 to 1.

    Returns
    -------
    bins : DataFrame, `n_bins` rows
        `Start`, `End` of the bin, `Pairs` in it, and their mean `Probability` and `Fraction` of interacting pairs, NaN
        in an empty bin.
    """
    edges = np.linspace(0, 1, n_bins + 1)
    probability = np.asarray(probability, dtype=np.float64)
    bin_of = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    pairs = np.bincount(bin_of, minlength=n_bins)
    sums = {
        "Probability": np.bincount(bin_of, weights=probability, minlength=n_bins),
        "Fraction": np.bincount(bin_of, weights=np.asarray(label, dtype=np.float64), minlength=n_bins),
    }
    means = {name: np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan) for name, total in sums.items()}
    return pd.DataFrame({"Start": edges[:-1], "End": edges[1:], "Pairs": pairs, **means})


def wilson_interval(successes: ArrayLike, trials: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % intervals of shares (Wilson 1927), of independent trials.

    Parameters
    ----------
    successes, trials : array_like, shape (N,)
        Counts; at least one trial each.

    Returns
    -------
    low, high : ndarray, shape (N,), float64
    """
    n, share = np.asarray(trials, dtype=np.float64), np.divide(successes, trials, dtype=np.float64)
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z * np.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2) / (1 + _Z**2 / n)
    return np.maximum(middle - reach, 0), np.minimum(middle + reach, 1)


def _one_class(label: ArrayLike) -> bool:
    return len(np.unique(np.asarray(label))) < 2  # noqa: PLR2004


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most `MAX_POINTS` points, spread evenly over the curve's own, both ends among them."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int))
    return x[kept], y[kept]
