"""Intervals by bootstrap over proteins, for models' metrics and for differences between models.

Pairs share proteins, so a protein that a model gets wrong is wrong many times, and pairs aren't independent. A
replicate therefore draws proteins with replacement and takes all pairs of each, so that pair (a, b) has the weight
n_a + n_b. This carries the proteins' effects in full, but the pairs' own noise twice, since each pair is in two
proteins' lists; weights n_a · n_b (the pigeonhole bootstrap, Owen 2007) carry it three times. In sparse graphs of pairs
the noise is most of the variance. The replicates' distances from the estimate are therefore scaled to the dyadic-robust
variance (Fafchamps and Gubert 2007; Aronow, Samii and Assenova 2015), in which pairs that share a protein covary and
a pair's own noise counts once, and from the normal distribution's tails to Student's where few proteins carry the
graph.
"""

import logging
import warnings
from collections.abc import Mapping
from itertools import combinations
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from esm2_amp.progress import Progress
from esm2_amp.statistics.calibration import calibration_interval
from esm2_amp.statistics.metrics import pair_metrics
from esm2_amp.statistics.weighted import (
    METRIC_COLUMNS,
    METRICS,
    Floats,
    Ranking,
    metrics_of_sums,
    pair_terms,
    sum_influence,
)

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]

CONFIDENCE: Final = 0.95
NOT_DISTINGUISHABLE: Final = "not distinguishable"

_LOWER_IS_BETTER: Final = ("Loss", "Brier", "ECE")
_LOWEST: Final = np.array([-1.0 if name == "mcc" else 0.0 for name in METRICS])
_HIGHEST: Final = np.array([np.inf if name == "loss" else 1.0 for name in METRICS])


class Replicates(NamedTuple):
    """Metrics of M models on the same B pairs, each with its R bootstrap replicates.

    The K columns are `METRICS` and the signed calibration errors of the bins.

    Attributes
    ----------
    models : tuple of str
        Names of the models.
    values : ndarray, shape (M, K), float64
        NaN where undefined.
    replicates : ndarray, shape (M, R, K), float64
        Replicate r draws the same proteins for all models.
    influence : ndarray, shape (M, B, K), float64
        Derivatives of the values in the weight of each pair.
    a, b : ndarray, shape (B,), int64
        Numbers of the pairs' proteins, from 0.
    """

    models: tuple[str, ...]
    values: Floats
    replicates: Floats
    influence: Floats
    a: Rows
    b: Rows


def bootstrap(
    label: ArrayLike,
    logits: Mapping[str, ArrayLike],
    a: ArrayLike,
    b: ArrayLike,
    *,
    threshold: float | Mapping[str, float] = 0.5,
    replicates: int = 1000,
    seed: int,
) -> Replicates:
    """Draw replicates of all metrics of all models.

    Parameters
    ----------
    label : array_like, shape (B,)
        1 for interacting pairs, 0 for others.
    logits : mapping of model name to array_like, shape (B,)
        Of the same pairs in the same order.
    a, b : array_like, shape (B,)
        The pairs' proteins, as names or row numbers.
    threshold : float, or mapping of model name to float
        Probability from which a pair is predicted to interact.
    replicates : int
        Number of replicates.
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError
        As `pair_metrics` does.
    """
    rows_a, rows_b, n_proteins = _numbered(a, b)
    drawn = _drawn(n_proteins, replicates, seed)
    each = threshold if isinstance(threshold, Mapping) else dict.fromkeys(logits, threshold)
    progress = Progress(logger, "bootstrap over proteins, replicates of models", replicates * len(logits))
    parts = [_one_model(label, logit, rows_a, rows_b, each[model], drawn, progress) for model, logit in logits.items()]
    values, replicated, influence = (np.stack(part) for part in zip(*parts, strict=True))
    return Replicates(tuple(logits), values, replicated, influence, rows_a, rows_b)


def intervals(sample: Replicates) -> pd.DataFrame:
    """All metrics of all models with their 95 % intervals.

    Returns
    -------
    table : DataFrame
        `Model`, `Metric`, of `METRIC_COLUMNS`, `Value`, `Low`, `High`; NaN where undefined. Where no pair contradicts
        a value, such as a recall of 1, the bootstrap finds no spread and the interval is that value alone.
    """
    rows = []
    for model, values, replicates, influence in zip(*sample[:4], strict=True):
        spread = _spread(replicates, influence, sample.a, sample.b)
        low, high = np.clip(values[: len(METRICS)] + _limits(spread)[:, : len(METRICS)], _LOWEST, _HIGHEST)
        errors = slice(len(METRICS), None)
        at = METRICS.index("ece")
        low[at], high[at] = calibration_interval(values[errors], spread[:, errors], CONFIDENCE)
        rows += [(model, *row) for row in zip(METRIC_COLUMNS, values, low, high, strict=False)]
    return pd.DataFrame(rows, columns=["Model", "Metric", "Value", "Low", "High"])


def paired_differences(sample: Replicates) -> pd.DataFrame:
    """Differences between each two models on the same pairs, with their 95 % intervals.

    Returns
    -------
    table : DataFrame
        `ModelA`, `ModelB`, `Metric`, `Difference` (A − B), `Low`, `High` and `Verdict`: "not distinguishable" where the
        interval holds 0, else which model is better; "undefined" where a value is. Each interval stands for itself:
        among 20 comparisons of equal models about one is expected to be called.
    """
    rows = []
    for first, second in combinations(range(len(sample.models)), 2):
        models = sample.models[first], sample.models[second]
        values, replicates, influence = (part[first] - part[second] for part in sample[1:4])
        low, high = values + _limits(_spread(replicates, influence, sample.a, sample.b))
        for row in zip(METRIC_COLUMNS, values, low, high, strict=False):
            rows.append((*models, *row, _verdict(models, *row)))
    return pd.DataFrame(rows, columns=["ModelA", "ModelB", "Metric", "Difference", "Low", "High", "Verdict"])


class MeanReplicates(NamedTuple):
    """Means of K quantities over the same B pairs in C weightings, each with its R bootstrap replicates.

    Attributes
    ----------
    values : ndarray, shape (C, K), float64
    replicates : ndarray, shape (R, C, K), float64
        Replicate r draws the proteins that it draws in `bootstrap`.
    influence : ndarray, shape (B, C, K), float64
        Derivatives of the values in the weight of each pair.
    a, b : ndarray, shape (B,), int64
        Numbers of the pairs' proteins, from 0.
    """

    values: Floats
    replicates: Floats
    influence: Floats
    a: Rows
    b: Rows

    def less(self, reference: int) -> "MeanReplicates":
        """The differences of all weightings from one of them, replicate by replicate."""
        values, replicates, influence = (
            part - part[..., reference, None, :] for part in (self.values, self.replicates, self.influence)
        )
        return MeanReplicates(values, replicates, influence, self.a, self.b)

    def limits(self) -> tuple[Floats, Floats]:
        """The ends of the 95 % intervals, shape (C, K) each."""
        columns = self.values.size
        flat = self.replicates.reshape(-1, columns), self.influence.reshape(-1, columns)
        low, high = (self.values.ravel() + _limits(_spread(*flat, self.a, self.b))).reshape(2, *self.values.shape)
        return low, high


def bootstrap_means(
    values: ArrayLike, weights: ArrayLike, a: ArrayLike, b: ArrayLike, *, replicates: int, seed: int
) -> MeanReplicates:
    """Draw replicates of means over parts of the pairs.

    Parameters
    ----------
    values : array_like, shape (B, K)
        K quantities of each pair.
    weights : array_like, shape (B, C)
        From 0 to 1, how far each pair belongs to each of C parts.
    a, b : array_like, shape (B,)
        The pairs' proteins, as names or row numbers.
    replicates : int
        Number of replicates.
    seed : int
        Seed of the draws.
    """
    columns, shares = np.asarray(values, np.float64)[:, None], np.asarray(weights, np.float64)[..., None]
    rows_a, rows_b, n_proteins = _numbered(a, b)
    terms = np.concatenate([shares, shares * columns], axis=2)  # (B, C, 1 + K)
    flat = terms.reshape(len(terms), -1)
    drawn = _drawn(n_proteins, replicates, seed)
    drawn = drawn @ (_sums(rows_a, flat, n_proteins) + _sums(rows_b, flat, n_proteins))
    of_replicates, whole = drawn.reshape(-1, *terms.shape[1:]), terms.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a replicate may have none of the pairs of a part
        replicated, means = of_replicates[..., 1:] / of_replicates[..., :1], whole[:, 1:] / whole[:, :1]
    return MeanReplicates(means, replicated, shares * (columns - means) / whole[:, :1], rows_a, rows_b)


class MeanIntervals(NamedTuple):
    """Means of K quantities over pairs, with their 95 % intervals; each of shape (K,), float64."""

    mean: Floats
    low: Floats
    high: Floats


def mean_intervals(values: ArrayLike, a: ArrayLike, b: ArrayLike) -> MeanIntervals:
    """Means over pairs, with intervals that allow for pairs that share proteins.

    Their variance is the dyadic-robust one to which the bootstrap is scaled; a mean needs no replicates.

    Parameters
    ----------
    values : array_like, shape (B, K)
        K quantities of each pair.
    a, b : array_like, shape (B,)
        The pairs' proteins, as names or row numbers.
    """
    columns = np.asarray(values, dtype=np.float64)
    rows_a, rows_b, _ = _numbered(a, b)
    mean = columns.mean(axis=0)
    _, dyadic = _variances((columns - mean) / len(columns), rows_a, rows_b)
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * _wider_tails(rows_a, rows_b) * np.sqrt(dyadic)
    return MeanIntervals(mean, mean - reach, mean + reach)


def rate_intervals(successes: ArrayLike, a: ArrayLike, b: ArrayLike) -> MeanIntervals:
    """Rates over pairs, with Wilson's intervals for as many pairs as would be independent.

    That many are the pairs by the dyadic-robust variance. Where a rate is 0 or 1, and so has none, they are half the
    number of proteins: the pairs that can be found without sharing one.

    Parameters
    ----------
    successes : array_like, shape (B, K), bool
        K outcomes of each pair.
    a, b : array_like, shape (B,)
        The pairs' proteins, as names or row numbers.
    """
    hits = np.asarray(successes, dtype=np.float64)
    rows_a, rows_b, n_proteins = _numbered(a, b)
    rate = hits.mean(axis=0)
    _, dyadic = _variances((hits - rate) / len(hits), rows_a, rows_b)
    n_apart = np.full(rate.shape, max(n_proteins / 2, 1))
    n = np.minimum(np.divide(rate * (1 - rate), dyadic, out=n_apart, where=dyadic > 0), len(hits))
    z2 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2
    centre, reach = rate + z2 / (2 * n), np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2)))
    return MeanIntervals(rate, (centre - reach) / (1 + z2 / n), (centre + reach) / (1 + z2 / n))


def _drawn(n_proteins: int, replicates: int, seed: int) -> Floats:
    """How often each replicate has each protein, shape (R, proteins); the same for the same seed and proteins."""
    even = np.full(n_proteins, 1 / n_proteins)
    return np.random.default_rng(seed).multinomial(n_proteins, even, replicates).astype(np.float64)


def _numbered(a: ArrayLike, b: ArrayLike) -> tuple[Rows, Rows, int]:
    """The pairs' proteins as numbers from 0, and how many proteins there are."""
    proteins, numbers = np.unique(np.concatenate([np.asarray(a), np.asarray(b)]), return_inverse=True)
    return *numbers.reshape(2, -1), len(proteins)


def _verdict(models: tuple[str, str], metric: str, difference: float, low: float, high: float) -> str:
    if np.isnan([difference, low, high]).any():
        return "undefined"
    if low <= 0 <= high:
        return NOT_DISTINGUISHABLE
    first_is_better = (difference > 0) != (metric in _LOWER_IS_BETTER)
    return f"{models[0] if first_is_better else models[1]} better"


def _one_model(
    label: ArrayLike, logit: ArrayLike, a: Rows, b: Rows, threshold: float, drawn: Floats, progress: Progress
) -> tuple[Floats, Floats, Floats]:
    """Values, replicates and influence of one model; `drawn` has shape (R, proteins)."""
    defined = pair_metrics(label, logit, threshold)
    terms, ranking = pair_terms(label, logit, threshold), Ranking(label, logit)
    values = np.concatenate([ranking.areas(np.ones(len(terms))), metrics_of_sums(terms.sum(axis=0))])
    # None becomes NaN, and an MCC of 0 stands where every decision is the same.
    values[: len(METRICS)] = [defined.get(name, value) for name, value in zip(METRICS, values, strict=False)]
    first, second = a[ranking.order], b[ranking.order]
    of_ranks = np.array([ranking.areas(count[first] + count[second]) for count in progress.over(drawn)])
    n_proteins = drawn.shape[1]
    of_sums = metrics_of_sums(drawn @ (_sums(a, terms, n_proteins) + _sums(b, terms, n_proteins)))
    return values, np.hstack([of_ranks, of_sums]), np.hstack([ranking.influence(), sum_influence(terms)])


def _spread(replicates: Floats, influence: Floats, a: Rows, b: Rows) -> Floats:
    """Distances of the replicates from their mean, scaled to the dyadic-robust variance and tails; shape (R, K).

    Distances from the mean and not from the value: a bias of the small sample, in the value already, comes again in
    each replicate.
    """
    of_bootstrap, dyadic = _variances(influence, a, b)
    with np.errstate(invalid="ignore"):
        scale = np.where(of_bootstrap == 0, 1, np.sqrt(dyadic / of_bootstrap))
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a column of NaN has a mean of NaN
        return np.asarray(_wider_tails(a, b) * scale * (replicates - np.nanmean(replicates, axis=0)))


def _variances(influence: Floats, a: Rows, b: Rows) -> tuple[Floats, Floats]:
    """Linearised variance of the bootstrap, and the dyadic-robust one, of each column of `influence` (B, K).

    The second is Σ ψ_p ψ_q over all pairs p, q that share a protein, itself included; at least that of independent
    pairs, since the estimate may even be negative where proteins have no effect.
    """
    n_proteins = int(max(a.max(), b.max())) + 1
    of_a, of_b = _sums(a, influence, n_proteins), _sums(b, influence, n_proteins)
    # Weights n_a + n_b are 2 on average, so that the weights' relative deviation is half of n_a − 1 + n_b − 1.
    of_bootstrap = np.square((of_a + of_b) / 2).sum(axis=0)
    touching = of_a + of_b - _sums(a, influence * (a == b)[:, None], n_proteins)
    dyads, dyad = np.unique(np.minimum(a, b) * n_proteins + np.maximum(a, b), return_inverse=True)
    own = np.square(_sums(dyad, influence, len(dyads)))
    is_counted_twice = dyads // n_proteins != dyads % n_proteins
    dyadic = np.square(touching).sum(axis=0) - own[is_counted_twice].sum(axis=0)
    return of_bootstrap, np.maximum(dyadic, own.sum(axis=0))


def _wider_tails(a: Rows, b: Rows) -> float:
    """97.5 % quantile of Student's t over that of the normal distribution.

    The degrees of freedom are the effective number of proteins: a variance to which proteins contribute by the square
    of their degree is estimated no better than from so many of equal degree (Carter, Schnepel and Steigerwald 2017).
    """
    contribution = np.square(np.bincount(np.concatenate([a, b])).astype(np.float64))
    n_effective = contribution.sum() ** 2 / np.square(contribution).sum()
    return float(1 + 1.21 / n_effective + 1.44 / n_effective**2)  # Cornish and Fisher's expansion


def _limits(spread: Floats) -> Floats:
    """Quantiles that leave out half of 1 − `CONFIDENCE` at either end, shape (2, K)."""
    tails = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a column of NaN has limits of NaN
        # Other definitions of a quantile give intervals too narrow where replicates are few.
        return np.asarray(np.nanquantile(spread, tails, axis=0, method="weibull"))


def _sums(group: Rows, values: Floats, n_groups: int) -> Floats:
    """Column sums of `values` by group, shape (n_groups, columns)."""
    return np.stack([np.bincount(group, column, n_groups) for column in values.T], axis=1)
