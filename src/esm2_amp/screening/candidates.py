"""The candidates of a screen as tables: pairs with their probabilities, and their ranks among each partner's scores."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from esm2_amp.errors import InputError
from esm2_amp.models.storage import TrainedModel
from esm2_amp.models.unlikeness import SPREAD, UNLIKENESS
from esm2_amp.screening.kept import COARSE, COARSE_EDGES, LARGEST_LOGIT, Kept, ScoredPairs, candidate_pairs
from esm2_amp.screening.sureness import Sureness
from esm2_amp.screening.tiles import Rows
from esm2_amp.statistics.metrics import sigmoid

COLUMNS: Final = (
    "Protein1", "Protein2", "Logit", "Probability", "CalibratedProbability", "Rank1", "Rank2", "Above1", "Above2",
    "Known", "InTraining",
)  # fmt: skip
"""Columns of the candidates."""


class Calibration(NamedTuple):
    """How logits become calibrated probabilities.

    Attributes
    ----------
    temperature : float, optional
        Of the model's training; None for a model without one.
    shift : float
        What is added to the logit that the temperature has divided.
    """

    temperature: float | None
    shift: float = 0.0

    def probability(self, logit: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities; NaN without a temperature."""
        z = np.asarray(logit, dtype=np.float64)
        return np.full(z.shape, np.nan) if self.temperature is None else sigmoid(z / self.temperature + self.shift)


def log_odds(share: float) -> float:
    """The logit of a share between 0 and 1."""
    return float(np.log(share) - np.log1p(-share))


def calibration_of(model: TrainedModel, prevalence: float | None) -> Calibration:
    """The calibration of a model for pairs of which a share interacts (prior shift: Saerens et al. 2002).

    Parameters
    ----------
    model : TrainedModel
        Its card tells the temperature, and how many of its validation pairs interact.
    prevalence : float, optional
        Share of the pairs that are thought to interact; without it, as many as of the validation pairs.

    Raises
    ------
    InputError
        A prevalence is given, and the card lacks the temperature or the numbers of validation pairs.
    """
    temperature, of_validation = model.card.get("temperature"), model.validation_prevalence
    if prevalence is None:
        return Calibration(temperature)
    if temperature is None or of_validation is None:
        lacks = "temperature" if temperature is None else "share of interacting validation pairs"
        raise InputError(
            f"screening.prevalence={prevalence:g} moves probabilities that the model's training calibrated on its "
            f"validation pairs, but the card of {model.card.get('name', model.architecture)} holds no {lacks}; leave "
            "screening.prevalence out, or train the model with `kedro run --pipeline=training`"
        )
    return Calibration(temperature, log_odds(prevalence) - log_odds(of_validation))


class Ranks(NamedTuple):
    """Where B pairs stand among the scores of one of their proteins.

    Attributes
    ----------
    rank : ndarray, shape (B,), int64
        1 is best; 0 for a protein of which no partners were kept. Of equal scores the earlier partner is the better.
    above : ndarray, shape (B,), float64
        Share of the protein's scores that are higher; NaN for a protein of which no partners were kept.
    """

    rank: NDArray[np.int64]
    above: NDArray[np.float64]


def ranks_of(pairs: ScoredPairs, kept: Kept, background: Kept | None = None) -> tuple[Ranks, Ranks]:
    """Ranks of the candidates among the scores of A and of B.

    They are exact up to the number of partners that are kept of a protein, and from the threshold on, since all better
    partners are candidates too. Another pair's rank is the best that its bin of the counts allows.

    Parameters
    ----------
    pairs : ScoredPairs
        Of `candidate_pairs`.
    kept : Kept
        What is kept of the scores.
    background : Kept, optional
        Counts of the scores of further proteins with a sample; of these proteins the share that is higher is given,
        and no rank.
    """
    n_pairs, higher = len(pairs.a), _higher(kept)
    protein = np.concatenate([pairs.a, pairs.b]).astype(np.int64)
    partner = np.concatenate([pairs.b, pairs.a]).astype(np.int64)
    logit = np.concatenate([pairs.logit, pairs.logit])
    is_twice = np.r_[np.zeros(n_pairs, bool), pairs.a == pairs.b]  # a pair with itself is one of its partners once
    place = _places(protein, partner, logit, is_twice)
    better = place - _ties_before(protein, partner, logit, is_twice)
    query = np.minimum(np.searchsorted(kept.queries, protein), len(kept.queries) - 1)
    bins = np.searchsorted(COARSE_EDGES, logit, side="right")
    in_higher_bins = higher[query, bins]
    rank, better = np.maximum(place, in_higher_bins) + 1, np.maximum(better, in_higher_bins)
    counted = kept.queries[query] == protein
    share = better / np.maximum(higher[query, 0] + kept.counts[query, 0], 1)
    of_others = np.full(len(share), np.nan) if background is None else _share_higher(background, protein, bins)
    rank, share = np.where(counted, rank, 0), np.where(counted, share, of_others)
    rank[n_pairs:][pairs.a == pairs.b] = rank[:n_pairs][pairs.a == pairs.b]
    share[n_pairs:][pairs.a == pairs.b] = share[:n_pairs][pairs.a == pairs.b]
    return Ranks(rank[:n_pairs], share[:n_pairs]), Ranks(rank[n_pairs:], share[n_pairs:])


def candidate_table(
    kept: Kept,
    entries: list[str],
    calibration: Calibration,
    known: NDArray[np.int64],
    trained: NDArray[np.bool_] | None,
    background: Kept | None = None,
    sureness: Sureness | None = None,
) -> pd.DataFrame:
    """The candidates, best first.

    Parameters
    ----------
    kept : Kept
        What is kept of the scores.
    entries : list of P str
        Names of the proteins.
    calibration : Calibration
        How logits become calibrated probabilities.
    known : ndarray, shape (M, 2), int64
        Rows of known pairs, the earlier protein first.
    trained : ndarray, shape (P,), bool, optional
        Proteins that the model was trained on; None where that isn't known.
    background : Kept, optional
        What is kept of the scores of the queries' partners with a sample of the proteins.
    sureness : Sureness, optional
        How sure the scores are, as far as it is known.

    Returns
    -------
    candidates : DataFrame
        `COLUMNS`, then `Spread` and `Unlikeness` as far as they are known. `Rank1` is Protein2's rank among the
        partners of Protein1, and `Above1` the share of Protein1's scores that are higher; `Rank2` and `Above2` are
        those among Protein2's. Of a protein that is no query few pairs are scored: its rank is empty, and its share is
        that among its scores with the sample. `Known` is whether the pair is among the known ones.
        `InTraining` is how many of the two proteins the model was trained on (0, 1, 2), empty where that isn't known.
    """
    pairs = candidate_pairs(kept)
    of_a, of_b = ranks_of(pairs, kept, background)
    names = np.array(entries, dtype=object)
    a, b = pairs.a.astype(np.int64), pairs.b.astype(np.int64)
    in_training = pd.array([pd.NA] * len(a) if trained is None else trained[a].astype(int) + trained[b], dtype="Int8")
    table = pd.DataFrame(
        {
            "Protein1": pd.array(names[a], dtype="str"),
            "Protein2": pd.array(names[b], dtype="str"),
            "Logit": pairs.logit,
            "Probability": sigmoid(pairs.logit),
            "CalibratedProbability": calibration.probability(pairs.logit),
            **{f"Rank{n}": _integers(ranks.rank) for n, ranks in ((1, of_a), (2, of_b))},
            **{f"Above{n}": ranks.above for n, ranks in ((1, of_a), (2, of_b))},
            "Known": np.isin(a * len(entries) + b, known[:, 0] * len(entries) + known[:, 1]),
            "InTraining": in_training,
        }
    )
    return table if sureness is None else table.assign(**sureness.columns(a, b))


def partners_of_query(candidates: pd.DataFrame, query: str) -> pd.DataFrame:
    """The candidates of one query, best first: `Partner` in place of the pair's names, then that of each side.

    Parameters
    ----------
    candidates : DataFrame
        Of `candidate_table`.
    query : str
        Its name.

    Returns
    -------
    partners : DataFrame
        `Rank`, `Partner`, `Logit`, `Probability`, `CalibratedProbability`, `Above`, `RankOfQuery` and `AboveOfQuery`
        among the partner's own scores, `Known`, `InTraining`, and `Spread` and `Unlikeness` where they are known.
    """
    is_first = candidates["Protein1"] == query
    mine = candidates[is_first | (candidates["Protein2"] == query)]
    is_first = is_first[mine.index]
    own, other = ({name: mine[f"{name}{n}"] for name in ("Protein", "Rank", "Above")} for n in (1, 2))
    table = pd.DataFrame(
        {
            "Rank": own["Rank"].where(is_first, other["Rank"]),
            "Partner": other["Protein"].where(is_first, own["Protein"]),
            **{name: mine[name] for name in ("Logit", "Probability", "CalibratedProbability")},
            "Above": own["Above"].where(is_first, other["Above"]),
            "RankOfQuery": other["Rank"].where(is_first, own["Rank"]),
            "AboveOfQuery": other["Above"].where(is_first, own["Above"]),
            **{name: mine[name] for name in ("Known", "InTraining", SPREAD, UNLIKENESS) if name in mine},
        }
    )
    return table.sort_values("Rank", kind="stable").reset_index(drop=True)


def protein_table(
    kept: Kept,
    entries: list[str],
    trained: NDArray[np.bool_] | None,
    unlikeness: NDArray[np.float32] | None = None,
) -> pd.DataFrame:
    """The scores of each protein, or of each query where queries are given.

    Parameters
    ----------
    kept : Kept
        What is kept of the scores.
    entries : list of P str
        Names of the proteins.
    trained : ndarray, shape (P,), bool, optional
        Proteins that the model was trained on; None where that isn't known.
    unlikeness : ndarray, shape (P,), float32, optional
        Of each protein.

    Returns
    -------
    proteins : DataFrame, P rows
        `Entry`; `Scores`, their number; `Median` and `Quantile99`, logits at the middle of their bins; `Best`, the
        highest logit, and `BestPartner`; empty for a protein that is no query. `InTraining` (0 or 1, empty where that
        isn't known), and `Unlikeness` where it is known.
    """
    total = kept.counts.sum(axis=1, dtype=np.int64)
    partner, logit = kept.partners()
    names = np.array([*entries, None], dtype=object)  # partner −1 is none
    of_queries = pd.DataFrame(
        {
            "Scores": pd.array(total, dtype="Int64"),
            "Median": _quantile(kept.counts, 0.5),
            "Quantile99": _quantile(kept.counts, 0.99),
            "Best": logit[:, 0],
            "BestPartner": pd.array(names[partner[:, 0]], dtype="str"),
        },
        index=kept.queries,
    )
    table = pd.DataFrame({"Entry": pd.array(entries, dtype="str")}).join(of_queries)
    missing = [pd.NA] * len(entries)
    table["InTraining"] = pd.array(missing if trained is None else trained.astype(int), dtype="Int8")
    return table if unlikeness is None else table.assign(**{UNLIKENESS: unlikeness})


def score_distributions(kept: Kept, entries: list[str], queries: list[str]) -> pd.DataFrame:
    """Counts of scores in bins, of all pairs and of each query.

    Parameters
    ----------
    kept : Kept
        What is kept of the scores.
    entries : list of P str
        Names of the proteins.
    queries : list of str
        Names of the queries, where any are given.

    Returns
    -------
    distributions : DataFrame
        `Protein` ("all", or a query), `LogitFrom`, `LogitTo`, `Pairs`; bins without a score are left out. The outermost
        bins have no outer edge.
    """
    row_of = {entries[row]: number for number, row in enumerate(kept.queries)}
    counts = {"all": kept.scores.reshape(COARSE, -1).sum(axis=1)} | {
        name: kept.counts[row_of[name]] for name in queries
    }
    edges = np.r_[-np.inf, COARSE_EDGES.astype(np.float64), np.inf]
    tables = []
    for name, of_protein in counts.items():
        at = np.flatnonzero(of_protein)
        columns = {"LogitFrom": edges[at], "LogitTo": edges[at + 1], "Pairs": of_protein[at]}
        tables.append(pd.DataFrame({"Protein": name, **columns}))
    return pd.concat(tables, ignore_index=True)


def _quantile(counts: NDArray[np.int32], share: float) -> NDArray[np.float64]:
    """The middle of the bin that a quantile of each row falls into; NaN for a row without counts."""
    cumulated = counts.cumsum(axis=1, dtype=np.int64)
    total = cumulated[:, -1]
    at = (cumulated < share * total[:, None]).sum(axis=1)
    edges = np.r_[-LARGEST_LOGIT, COARSE_EDGES.astype(np.float64), LARGEST_LOGIT]
    return np.where(total > 0, (edges[at] + edges[np.minimum(at + 1, COARSE)]) / 2, np.nan)


def _higher(kept: Kept) -> NDArray[np.int64]:
    """Scores of each query in higher bins than each: shape (Q, COARSE)."""
    falling = kept.counts[:, ::-1].cumsum(axis=1, dtype=np.int64)[:, ::-1]
    return np.hstack([falling[:, 1:], np.zeros((len(falling), 1), np.int64)])


def _share_higher(background: Kept, protein: Rows, bins: Rows) -> NDArray[np.float64]:
    """Share of a protein's scores with a sample that are in higher bins; NaN for a protein without such scores."""
    at = np.minimum(np.searchsorted(background.queries, protein), len(background.queries) - 1)
    total = background.counts.sum(axis=1, dtype=np.int64)[at]
    share = _higher(background)[at, bins] / np.maximum(total, 1)
    return np.where((background.queries[at] == protein) & (total > 0), share, np.nan)


def _places(protein: Rows, partner: Rows, logit: NDArray[np.float32], is_twice: NDArray[np.bool_]) -> Rows:
    """How many candidates of the same protein come before each, by score, of equal ones by the partner's row."""
    return _numbered_within(np.lexsort((partner, -logit, is_twice, protein)), protein)


def _ties_before(protein: Rows, partner: Rows, logit: NDArray[np.float32], is_twice: NDArray[np.bool_]) -> Rows:
    """How many of those that come before have the same score."""
    order = np.lexsort((partner, -logit, is_twice, protein))
    group = np.empty(len(order), np.int64)
    new = np.r_[True, (np.diff(protein[order]) != 0) | (np.diff(logit[order]) != 0)] if len(order) else []
    group[order] = np.cumsum(new) - 1 if len(order) else []
    return _numbered_within(order, group)


def _numbered_within(order: Rows, group: Rows) -> Rows:
    """Number the members of each group from 0, in the order given, in which groups stand together."""
    sorted_groups = group[order]
    starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]) if len(order) else order
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return number


def _integers(rank: NDArray[np.int64]) -> pd.Series:
    return pd.Series(rank, dtype="Int64").mask(rank == 0)
