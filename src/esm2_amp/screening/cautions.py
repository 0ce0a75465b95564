"""What a reader of candidates must know: a weak model, hubs, scores that don't differ."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.models.storage import caution_on_data
from esm2_amp.screening.kept import COARSE, COARSE_EDGES, FINE, Kept
from esm2_amp.screening.known import DEGREE, SCREEN, SHARES

NEAR_CHANCE: Final = 0.7
"""AUROC below which a model is said to be near chance: at 1 interacting pair of 1000, hardly a candidate is right."""

_LOOKED_AT: Final = 1_000
_HUBS: Final = 0.5
_FEW: Final = 0.01
_OFTEN: Final = 0.05
_NARROW: Final = 0.1
_MIDDLE: Final = (0.005, 0.995)


def cautions(
    candidates: pd.DataFrame, kept: Kept, card: Mapping[str, Any], n_proteins: int, queries: Collection[str]
) -> list[str]:
    """Sentences on what makes the candidates doubtful; none where nothing does.

    Parameters
    ----------
    candidates : DataFrame
        Of `candidates.candidate_table`, best first.
    kept : Kept
        What is kept of the scores.
    card : dict
        The model's.
    n_proteins : int
        P.
    queries : collection of str
        Names of the queries, where any are given.
    """
    of_hubs = _of_partners(candidates, queries) if queries else _of_hubs(candidates, n_proteins)
    of_data = caution_on_data(card.get("name", "The model"), card.get("data", ""))
    found = [of_data, _of_model(card), of_hubs, _of_scores(kept.scores)]
    return [words for words in found if words]


def caution_on_known(metrics: pd.DataFrame) -> str:
    """A sentence where known pairs are found as well without looking at a sequence, else an empty text.

    Parameters
    ----------
    metrics : DataFrame
        Of `known.KnownPairs`.
    """
    if metrics.empty:
        return ""
    nearest = (metrics["Share"] - SHARES[0]).abs().groupby(metrics["Ranking"]).idxmin().to_dict()
    share, screened = (float(metrics[column][nearest[SCREEN]]) for column in ("Share", "Recall"))
    by_degree = float(metrics["Recall"][nearest[DEGREE]])
    if screened > by_degree:
        return ""
    return (
        f"The best {share:.2g} of the pairs hold {screened:.1%} of the known ones; ranked by how many known partners "
        f"both have, they hold {by_degree:.1%}: the scores add little to knowing which proteins are studied much"
    )


def auroc_of(card: Mapping[str, Any]) -> tuple[float, str] | None:
    """The AUROC that a model's card tells, and on which pairs it was measured; None where it doesn't tell it."""
    measured = card.get("evaluation", {}).get("metrics", {}).get(card.get("model"), {}).get("auroc")
    if measured:
        return float(measured[0]), "test pairs"
    validation = card.get("ensemble", card.get("selected_epoch", {})).get("validation_auroc")
    return None if validation is None else (float(validation), "validation pairs")


def narrowest(counts: NDArray[np.int64]) -> float:
    """Width of the logits that the middle 99 % of the scores span, by their bins: shape (COARSE,) → logit."""
    shares = counts.cumsum() / max(1, counts.sum())
    low, high = (int(np.searchsorted(shares, share)) for share in _MIDDLE)
    edges = np.r_[-np.inf, COARSE_EDGES.astype(np.float64), np.inf]
    return 0.0 if low == high else float(edges[high + 1] - edges[low])


def _of_model(card: Mapping[str, Any]) -> str:
    auroc = auroc_of(card)
    if auroc is None:
        return (
            "The model's folder doesn't tell how well it ranks pairs: measure it with `kedro run --pipeline=evaluation`"
        )
    value, pairs = auroc
    if value >= NEAR_CHANCE:
        return ""
    return (
        f"The model is not far from chance: its AUROC on its {pairs} is {value:.3f} (0.5 is chance). Most candidates "
        "must be expected to be wrong"
    )


def _of_hubs(candidates: pd.DataFrame, n_proteins: int) -> str:
    best = candidates.head(_LOOKED_AT)
    ends = pd.concat([best["Protein1"], best["Protein2"]]).value_counts()
    number = int((ends.cumsum() < _HUBS * len(best)).sum()) + 1
    if len(best) < 10 * number or number > max(1, _FEW * n_proteins):
        return ""
    return (
        f"The candidates are mostly hubs: {number} of {n_proteins:,} proteins make up half of the {len(best):,} best "
        f"pairs, the first of them {ends.index[0]}. Look at Above1 and Above2: a protein that scores high with "
        "everything says little about a partner"
    )


def _of_partners(candidates: pd.DataFrame, queries: Collection[str]) -> str:
    """What there is to say of the best partners of queries, by their scores with a sample of the proteins."""
    best = candidates.head(_LOOKED_AT)
    shares = [best[f"Above{n}"][~best[f"Protein{n}"].isin(queries)] for n in (1, 2)]
    above = pd.concat(shares).dropna()
    n_hubs = int((above > _OFTEN).sum())
    if n_hubs <= _HUBS * len(above):
        return ""
    return (
        f"The partners are mostly hubs: {n_hubs:,} of the {len(above):,} best score higher with more than {_OFTEN:.0%} "
        "of randomly drawn proteins than with the query (Above1, Above2; AboveOfQuery of the tables of partners)"
    )


def _of_scores(scores: NDArray[np.int64]) -> str:
    width = narrowest(scores.reshape(COARSE, FINE // COARSE).sum(axis=1))
    if width > _NARROW:
        return ""
    return (
        f"The scores hardly differ: 99 % of the logits lie within {width:.2g}. The model doesn't tell these proteins "
        "apart; check that the features are of the encoder that it was trained with"
    )
