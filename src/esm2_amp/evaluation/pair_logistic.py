"""Symmetric features of pairs, and logistic regression on them that never holds them all in memory."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.preprocessing import StandardScaler

from esm2_amp.progress import Progress
from esm2_amp.statistics.metrics import sigmoid

logger = logging.getLogger(__name__)

_BLOCK = 4096
"""Pairs whose features are held at once."""


class PairRows(NamedTuple):
    """Pairs as rows of their partners in a table of proteins, each of shape (B,)."""

    a: NDArray[np.integer]
    b: NDArray[np.integer]


def symmetric_features(table: NDArray[np.floating], pairs: PairRows) -> NDArray[np.floating]:
    """A + B, |A − B| and A · B of the partners' rows in a table of shape (P, F): shape (B, 3 · F), of its type."""
    a, b = table[pairs.a], table[pairs.b]
    return np.concatenate((a + b, np.abs(a - b), a * b), axis=1)


def symmetric_blocks(table: NDArray[np.floating], pairs: PairRows) -> Iterator[NDArray[np.floating]]:
    """The features of `symmetric_features`, block by block of the pairs."""
    for start in range(0, len(pairs.a), _BLOCK):
        yield symmetric_features(table, PairRows(*(rows[start : start + _BLOCK] for rows in pairs)))


class PairLogistic:
    """Logistic regression on the standardised symmetric features of pairs.

    The optimiser (L-BFGS) passes over the pairs once a step, and their features are made anew each time: those of
    163,192 pairs at D = 1280 would take 2.5 GB, and scikit-learn's logistic regression needs them all at once. The
    result is the same.

    Parameters
    ----------
    table : ndarray, shape (P, F), float
        Vectors of the proteins.
    penalty : float
        Weight of half the squared norm of the coefficients against the mean loss: 1 / (C · pairs) in scikit-learn.
    max_iter : int
        Steps of the optimiser at most.
    """

    def __init__(self, table: NDArray[np.floating], *, penalty: float, max_iter: int) -> None:
        self._table, self._penalty, self._max_iter = table, penalty, max_iter
        self._scaler = StandardScaler()
        self._weights = np.zeros(3 * table.shape[1] + 1)  # the last is the intercept

    def fit(self, pairs: PairRows, label: NDArray[np.floating]) -> "PairLogistic":
        """Fit to B pairs and their labels, 0 or 1."""
        for features in symmetric_blocks(self._table, pairs):
            self._scaler.partial_fit(features)
        options = {"maxiter": self._max_iter}
        progress = Progress(logger, "logistic regression, steps at most", self._max_iter)
        self._weights = minimize(
            self._loss_and_gradient, self._weights, (pairs, label), "L-BFGS-B", jac=True, options=options,
            callback=lambda _: progress.add(1),
        ).x  # fmt: skip
        return self

    def logits(self, pairs: PairRows) -> NDArray[np.float64]:
        """Log-odds of B pairs."""
        slope, intercept = self._unscaled(self._weights)
        found = [features @ slope + intercept for features in symmetric_blocks(self._table, pairs)]
        return np.concatenate(found).astype(np.float64)

    def _unscaled(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.floating], float]:
        """Weights for features that aren't standardised, and the intercept."""
        slope = weights[:-1] / self._scaler.scale_
        return slope.astype(self._table.dtype), float(weights[-1] - self._scaler.mean_ @ slope)

    def _loss_and_gradient(
        self, weights: NDArray[np.float64], pairs: PairRows, label: NDArray[np.floating]
    ) -> tuple[float, NDArray[np.float64]]:
        slope, intercept = self._unscaled(weights)
        loss, gradient, start = 0.0, np.zeros_like(weights), 0
        for features in symmetric_blocks(self._table, pairs):
            y = label[start : start + len(features)]
            start += len(features)
            logit = features @ slope + intercept
            error = sigmoid(logit) - y
            loss += float(np.sum(np.logaddexp(0, logit) - y * logit))
            gradient[:-1] += error.astype(features.dtype) @ features
            gradient[-1] += error.sum()
        gradient[:-1] = (gradient[:-1] - gradient[-1] * self._scaler.mean_) / self._scaler.scale_
        shrunk = self._penalty * np.append(weights[:-1], 0)
        return loss / len(label) + 0.5 * float(shrunk @ weights), gradient / len(label) + shrunk
