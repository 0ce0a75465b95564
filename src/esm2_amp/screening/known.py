"""How well a screen finds known pairs: recall, enrichment over chance and precision, with intervals over proteins."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.screening.kept import EDGES, Kept, Watch
from esm2_amp.screening.tiles import Rows, WantedPairs
from esm2_amp.statistics.intervals import rate_intervals

SHARES: Final = (0.001, 0.01, 0.1)
"""Top shares of all pairs at which recall and enrichment are measured."""

NUMBERS: Final = (100, 1_000, 10_000, 100_000)
"""Top numbers of pairs at which they are, where there are more pairs."""

CURVE_POINTS: Final = 200
SCREEN, DEGREE, CHANCE = "screen", "node degree", "chance"

_RECALL: Final = ("Recall", "RecallLow", "RecallHigh")


class Places(NamedTuple):
    """Where known pairs stand among all studied pairs by a score.

    Attributes
    ----------
    first, last : ndarray, shape (M,), int64
        Studied pairs of a higher score, and these with those of the same score: places `first` to `last` − 1, from 0.
        By the screen's score, pairs in the same of `kept.FINE` bins count as the same.
    total : int
        Studied pairs.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    total: int

    def found(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each known pair, how much of it is among the top n: shape (M, K), from 0 to 1.

        Where places are shared, it is the chance that the pair is among the n if equals are drawn at random.
        """
        inside = (numbers - self.first[:, None]) / np.maximum(self.last - self.first, 1)[:, None]
        found: NDArray[np.float64] = np.clip(inside, 0, 1)
        return found


class KnownPairs(NamedTuple):
    """Known pairs that are studied, and how well they are found.

    Attributes
    ----------
    metrics : DataFrame
        `Ranking` ("screen" or "node degree"), `Top` (number of pairs), `Share` (of all studied pairs),
        `Pairs` (studied), `Known` (of these), `Found`, `Recall`, `RecallLow`, `RecallHigh`, `Enrichment` (recall over
        share), `EnrichmentLow`, `EnrichmentHigh`, `Precision`, at the prevalence `Prevalence`. Limits are of 95 %
        intervals over proteins.
    curves : DataFrame
        `Ranking` (also "chance"), `Share`, `Recall` with its limits, at `CURVE_POINTS` shares, evenly on a
        logarithmic axis.
    """

    metrics: pd.DataFrame
    curves: pd.DataFrame


def studied_watch(
    known: Rows, wanted: WantedPairs, trained: NDArray[np.bool_] | None, *, among_all: bool, of_training: bool
) -> Watch:
    """Which pairs' logits are kept, and among which pairs known ones are looked for.

    Parameters
    ----------
    known : ndarray, shape (M, 2), int64
        Rows of known pairs, the earlier protein first.
    wanted : WantedPairs
        The pairs that are scored.
    trained : ndarray, shape (P,), bool, optional
        Proteins that the model was trained on; None where that isn't known.
    among_all : bool
        Whether all partners of the queries that have known ones are studied, or only those that have known ones too.
    of_training : bool
        Whether pairs of two proteins that the model was trained on are studied, too.
    """
    known = np.unique(known[wanted.has(known[:, 0], known[:, 1])], axis=0)
    has_known = np.zeros(len(wanted.is_query), bool)
    has_known[known.ravel()] = True
    left_out = np.zeros_like(has_known) if trained is None or of_training else trained
    targets = wanted.is_target if among_all and len(known) else has_known
    queries = has_known & wanted.is_query if among_all else has_known
    return Watch(known[:, 0], known[:, 1], queries, targets, left_out)


def measure_known(kept: Kept, watch: Watch, wanted: WantedPairs, prevalence: float | None) -> KnownPairs | None:
    """Recall, enrichment and precision of the screen, of node degree alone, and of chance.

    Parameters
    ----------
    kept : Kept
        What is kept of the scores.
    watch : Watch
        Of `studied_watch`, as the screen had it.
    wanted : WantedPairs
        The pairs that are scored.
    prevalence : float, optional
        Share of the studied pairs that interact, for the precision; by default that of the known ones, with which it is
        a lower bound, since others may interact too.

    Returns
    -------
    known : KnownPairs, or None
        None where no known pair is studied.
    """
    is_studied = watch.studied(watch.a, watch.b)
    if not is_studied.any():
        return None
    a, b = watch.a[is_studied], watch.b[is_studied]
    by_screen = _places_of_logits(kept.watched[is_studied], kept.studied)
    places = {SCREEN: by_screen, DEGREE: _places_of_degrees(a, b, watch, wanted)}
    total, assumed = by_screen.total, len(a) / by_screen.total if prevalence is None else prevalence
    tops = np.unique([*(n for n in NUMBERS if n < total), *(max(1, round(share * total)) for share in SHARES)])
    shares = np.geomspace(1 / total, 1, CURVE_POINTS)
    metrics, curves = [], []
    for name, of_ranking in places.items():
        metrics.append(_table(name, of_ranking, tops.astype(np.float64), a, b).assign(Prevalence=assumed))
        curves.append(_table(name, of_ranking, shares * total, a, b)[["Ranking", "Share", *_RECALL]])
    chance = pd.DataFrame({"Ranking": CHANCE, "Share": shares, **dict.fromkeys(_RECALL, shares)})
    table = pd.concat(metrics, ignore_index=True)
    table["Precision"] = np.minimum(1, table["Enrichment"] * table["Prevalence"])
    return KnownPairs(table, pd.concat([*curves, chance], ignore_index=True))


def _table(ranking: str, places: Places, tops: NDArray[np.float64], a: Rows, b: Rows) -> pd.DataFrame:
    found = places.found(tops)
    interval = rate_intervals(found, a, b)
    limits = dict(zip(_RECALL, (interval.mean, interval.low, interval.high), strict=True))
    share = tops / places.total
    return pd.DataFrame(
        {
            "Ranking": ranking,
            "Top": np.round(tops).astype(np.int64),
            "Share": share,
            "Pairs": places.total,
            "Known": len(a),
            "Found": found.sum(axis=0),
            **limits,
            **{name.replace("Recall", "Enrichment"): value / share for name, value in limits.items()},
        }
    )


def _places_of_logits(logit: NDArray[np.float32], counts: NDArray[np.int64]) -> Places:
    bins = np.searchsorted(EDGES, logit, side="right")
    higher = counts[::-1].cumsum()[::-1]
    return Places(higher[bins] - counts[bins], higher[bins], int(counts.sum()))


def _places_of_degrees(a: Rows, b: Rows, watch: Watch, wanted: WantedPairs) -> Places:
    """Places by the sum of log(1 + degree) among the known pairs; a known pair without itself, so that none helps."""
    degree = np.bincount(np.concatenate([a, b[a != b]]), minlength=len(watch.trained))
    roles = [watch.trained, watch.queries, watch.targets, wanted.is_query, wanted.is_target]
    _, kind, size = np.unique(np.stack([degree, *roles]), axis=1, return_index=True, return_counts=True)
    first, second = np.triu_indices(len(kind))
    is_own, one, other = first == second, kind[first], kind[second]
    is_studied = watch.studied(one, other) & _may_meet(wanted, one, other)
    pairs = np.where(is_own, size[first] * (size[first] - 1) // 2, size[first] * size[second])
    pairs = (pairs + is_own * size[first] * wanted.self_pairs) * is_studied
    score, at = np.unique(_degree_score(degree[one], degree[other]), return_inverse=True)
    counts = np.bincount(at, weights=pairs, minlength=len(score)).astype(np.int64)
    higher = np.r_[counts[::-1].cumsum()[::-1], 0]
    own = _degree_score(degree[a] - 1, degree[b] - 1)
    return Places(
        higher[np.searchsorted(score, own, side="right")] - 1,  # without itself, whose whole degrees are higher
        higher[np.searchsorted(score, own, side="left")],
        int(counts.sum()),
    )


def _may_meet(wanted: WantedPairs, a: Rows, b: Rows) -> NDArray[np.bool_]:
    return (wanted.is_query[a] & wanted.is_target[b]) | (wanted.is_query[b] & wanted.is_target[a])


def _degree_score(degree: Rows, other: Rows) -> NDArray[np.float64]:
    return np.round(np.log1p(degree) + np.log1p(other), 9)  # the same in either order
