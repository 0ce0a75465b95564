"""Leakage audit: what a model can learn of its test pairs from a split other than by their sequences.

A model can recognise proteins seen in training, how often each was in a positive, or sequences all but equal to seen
ones (Park and Marcotte 2012; Bernett et al. 2024). The audit counts how much of that a split allows.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from esm2_amp.errors import InputError
from esm2_amp.parameters.pair_building import SPLITS, Split

logger = logging.getLogger(__name__)

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)
_SHOWN = 5
_ORDER_MATTERS = 0.02


class Audit(NamedTuple):
    """What an audit finds.

    Attributes
    ----------
    report : dict
        For JSON. `splits`, by split: proteins `only_in_positives`, `only_in_negatives`; `degrees` with the `QUANTILES`
        and mean of a protein's positives and of its negatives, and the Kolmogorov-Smirnov statistic between the two;
        `order_auroc`, how well a pair's label follows from its first protein having more pairs than its second, 0.5
        being not at all; `seen_in_training`, pairs of class C1, C2 and C3 (not for training). `shared`, by two splits,
        as `train-test`: `proteins`, `identical_sequences` of different ones and perhaps `similar_proteins`, two by two.
    degrees : DataFrame
        One row for each protein of each split: `Protein`, `Split`, `Positives` and `Negatives`, counts of its pairs.
    """

    report: dict[str, Any]
    degrees: pd.DataFrame


def check_split(pairs: pd.DataFrame, *, claims_disjoint_proteins: bool) -> None:
    """Raise InputError where two splits have a pair in common, or a protein although they claim not to.

    Parameters
    ----------
    pairs : DataFrame
        Columns `Protein1`, `Protein2`; `a`, `b`, rows among the proteins; `split`; `file` and `row`, where each stands.
    claims_disjoint_proteins : bool
        Whether no protein is supposed to be in two splits.
    """
    _check_pairs(pairs)
    if claims_disjoint_proteins:
        _check_proteins(pairs)


def audit_pairs(pairs: pd.DataFrame, keys: Sequence[str], similar: pd.DataFrame | None = None) -> Audit:
    """Count what splits share, and how positives differ from negatives by degree alone.

    Parameters
    ----------
    pairs : DataFrame
        Columns `Protein1`, `Protein2`; `a`, `b`, rows among the P proteins; `label`, 0 or 1; `split`; `seen`, of C1,
        C2 and C3.
    keys : sequence of P str
        Equal for proteins of equal sequence, as the hashes of `ProteinFeatures.index`.
    similar : DataFrame, optional
        Columns `a`, `b`, rows of similar proteins, as from `esm2_amp.splits.similarity.similar_proteins`.

    Returns
    -------
    audit : Audit
        A test split that tells little of new proteins is warned of, too.
    """
    parts = {split: pairs[pairs["split"] == split] for split in SPLITS}
    proteins = _proteins(pairs)
    degrees = pd.concat([_degrees(part, split) for split, part in parts.items()], ignore_index=True)
    splits = {
        split: _split_report(degrees[degrees["Split"] == split])
        | {"order_auroc": _order_auroc(part)}
        | ({} if split == "train" else {"seen_in_training": _seen_counts(part["seen"])})
        for split, part in parts.items()
    }
    key = pd.factorize(np.asarray(keys, dtype=object))[0]
    shared: dict[str, dict[str, int]] = {}
    for one, other in combinations(SPLITS, 2):
        shared[f"{one}-{other}"] = {
            "proteins": len(np.intersect1d(proteins[one], proteins[other])),
            "identical_sequences": _identical_sequences(key, proteins[one], proteins[other]),
        }
        if similar is not None:
            shared[f"{one}-{other}"]["similar_proteins"] = _similar_pairs(similar, proteins[one], proteins[other])
    warn_unless_new_proteins(parts["test"]["seen"], "the test split")
    _warn_of_order(splits, {split: part["label"] for split, part in parts.items()})
    return Audit({"splits": splits, "shared": shared}, degrees)


def warn_unless_new_proteins(seen: pd.Series, what: str) -> None:
    """Log a warning where most held-out pairs have a protein seen in training, and so tell little of new ones.

    Parameters
    ----------
    seen : Series of str
        C1, C2 or C3 of each held-out pair, as from `esm2_amp.splits.splitting.seen_class`.
    what : str
        What holds them out, as `the test split` or `cross-validation`.
    """
    counts = _seen_counts(seen)
    known = counts["C1"] + counts["C2"]
    if known > counts["C3"]:
        logger.warning(
            "In %s %s a protein that is in training pairs too (C1 %s, C2 %s, C3 %s pairs): its figures are of "
            "new pairs of known proteins, not of new proteins; for those choose pair_building.split protein_disjoint",
            what,
            f"{known:,} of {len(seen):,} pairs have" if counts["C3"] else "every pair has",
            *(f"{count:,}" for count in counts.values()),
        )


def _order_auroc(part: pd.DataFrame) -> float | None:
    """AUROC of the labels by the degree of a pair's first protein less that of its second; None for one class."""
    if part["label"].nunique() < 2:  # noqa: PLR2004
        return None
    degree = np.bincount(np.concatenate([part["a"], part["b"]]))
    return float(roc_auc_score(part["label"], degree[part["a"]] - degree[part["b"]]))


def order_tells_label(auroc: float | None, n_pairs: int, n_positives: int) -> bool:
    """Whether the order of partners tells the label beyond chance, and by more than a little.

    Parameters
    ----------
    auroc : float, optional
        `order_auroc` of a split.
    n_pairs, n_positives : int
        Of the split.
    """
    if auroc is None:
        return False
    chance = math.sqrt((n_pairs + 1) / (12 * n_positives * (n_pairs - n_positives)))  # deviation of an AUROC of 0.5
    return abs(auroc - 0.5) > _ORDER_MATTERS + 3 * chance


def _warn_of_order(splits: Mapping[Split, dict[str, Any]], labels: Mapping[Split, pd.Series]) -> None:
    """Log a warning where the order of partners tells the label."""
    auroc = {split: splits[split]["order_auroc"] for split in labels}
    telling = [
        f"{split} {auroc[split]:.3f}"
        for split, label in labels.items()
        if order_tells_label(auroc[split], len(label), int(label.sum()))
    ]
    if telling:
        logger.warning(
            "The order of a pair's proteins tells its label (AUROC by which of them has more pairs: %s). ESM2_DPM and "
            "ESM2_GRU can learn that: train them with training.pair_order random, and compare auroc with auroc_swapped",
            ", ".join(telling),
        )


def _seen_counts(seen: pd.Series) -> dict[str, int]:
    return {name: int((seen == name).sum()) for name in ("C1", "C2", "C3")}


def _proteins(pairs: pd.DataFrame) -> dict[Split, NDArray[np.int64]]:
    """Rows of the proteins of each split, ascending."""
    return {split: np.unique(pairs.loc[pairs["split"] == split, ["a", "b"]].to_numpy()) for split in SPLITS}


def _check_pairs(pairs: pd.DataFrame) -> None:
    low, high = np.sort(pairs[["a", "b"]].to_numpy(), axis=1).T
    ends = pd.DataFrame({"low": low, "high": high, "split": pairs["split"].to_numpy()}).drop_duplicates()
    ends = ends[ends.duplicated(["low", "high"], keep=False)]
    if ends.empty:
        return
    twice = pairs.iloc[ends.index]
    place = twice["split"] + " (" + twice["file"] + " row " + twice["row"].astype("str") + ")"
    places = ends.assign(name=(twice["Protein1"] + "-" + twice["Protein2"]).to_numpy(), place=place.to_numpy())
    places = places.groupby(["low", "high"], sort=False).agg({"name": "first", "place": " and ".join})
    raise InputError.listing(
        "A pair must be in one split only, A-B and B-A being the same; drop these from all but one of the pair files, "
        "or, where one file is split, set pair_building.duplicate_pairs to drop:",
        (places["name"] + " is in " + places["place"]).tolist(),
    )


def _check_proteins(pairs: pd.DataFrame) -> None:
    proteins = _proteins(pairs)
    rows = np.concatenate([pairs["a"], pairs["b"]])
    name = dict(zip(rows, np.concatenate([pairs["Protein1"], pairs["Protein2"]]), strict=True))
    problems = []
    for one, other in combinations(SPLITS, 2):
        both = np.intersect1d(proteins[one], proteins[other])
        if len(both):
            some = ", ".join(str(name[row]) for row in both[:_SHOWN]) + (", …" if len(both) > _SHOWN else "")
            problems.append(f"{one} and {other} share {len(both):,}: {some}")
    if problems:
        raise InputError.listing(
            "pair_building claims that no protein is in two splits, but some are; drop their pairs from one of the "
            "files, choose split protein_disjoint, or set disjoint_proteins to false:",
            problems,
        )


def _degrees(part: pd.DataFrame, split: str) -> pd.DataFrame:
    """Pairs of each class that each protein of a split is in; a self-pair counts once."""
    ends = pd.DataFrame(
        {
            "pair": np.tile(np.arange(len(part)), 2),
            "row": np.concatenate([part["a"], part["b"]]),
            "Protein": np.concatenate([part["Protein1"], part["Protein2"]]),
            "is_positive": np.tile(part["label"].to_numpy() == 1, 2),
        }
    ).drop_duplicates(["pair", "row"])
    counts = ends.groupby("Protein", sort=True)["is_positive"].agg(["sum", "size"]).astype("int64")
    return pd.DataFrame(
        {
            "Protein": counts.index.astype("str"),
            "Split": split,
            "Positives": counts["sum"].to_numpy(),
            "Negatives": (counts["size"] - counts["sum"]).to_numpy(),
        }
    )


def _split_report(degrees: pd.DataFrame) -> dict[str, Any]:
    positives, negatives = degrees["Positives"].to_numpy(), degrees["Negatives"].to_numpy()
    distance = float(ks_2samp(positives, negatives, method="asymp").statistic) if len(degrees) else None
    return {
        "only_in_positives": int((negatives == 0).sum()),
        "only_in_negatives": int((positives == 0).sum()),
        "degrees": {
            "positives": _summary(positives),
            "negatives": _summary(negatives),
            "kolmogorov_smirnov": distance,
        },
    }


def _summary(degree: NDArray[np.int64]) -> dict[str, float]:
    if not len(degree):
        return {}
    quantiles = {f"q{100 * q:.0f}": float(np.quantile(degree, q)) for q in QUANTILES}
    return {"mean": float(degree.mean()), **quantiles}


def _identical_sequences(key: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Sequences that two splits hold under different names."""
    size = int(key.max(initial=-1)) + 1
    counts = [np.bincount(key[rows], minlength=size) for rows in (one, other, np.intersect1d(one, other))]
    return int((counts[0] * counts[1] > counts[2]).sum())


def _similar_pairs(similar: pd.DataFrame, one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Two proteins that are similar, one in each split."""
    across = np.zeros(len(similar), dtype=bool)
    for a, b in (("a", "b"), ("b", "a")):
        across |= (similar[a].isin(one) & similar[b].isin(other)).to_numpy()
    return int(across.sum())
