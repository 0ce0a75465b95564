"""Splits of pairs: at random, or so that no two parts share a protein."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from esm2_amp.parameters.pair_building import SPLITS


class SplitFractions(NamedTuple):
    """Shares of the kept pairs; what is left of 1 is for training."""

    validation: float
    test: float

    @property
    def all(self) -> NDArray[np.float64]:
        """Training, validation and test."""
        return np.array([1 - self.validation - self.test, self.validation, self.test])


def random_split(label: NDArray[np.int8], fractions: SplitFractions, seed: int) -> NDArray[np.object_]:
    """Assign pairs to splits at random, each with the same share of positives.

    Proteins are shared between the splits, so a score on such a test split says little about new proteins.

    Parameters
    ----------
    label : ndarray, shape (pairs,), int8
        Labels of the pairs, 0 or 1.
    fractions : SplitFractions
        Shares of validation and test pairs.
    seed : int
        Seed of what is drawn at random.

    Returns
    -------
    split : ndarray of str, shape (pairs,)
    """
    rows = np.arange(len(label))
    n_test, n_other = (round(len(label) * share) for share in (fractions.test, fractions.validation + fractions.test))
    train, other = train_test_split(rows, test_size=n_other, stratify=label, random_state=seed)
    validation, test = train_test_split(other, test_size=n_test, stratify=label[other], random_state=seed)
    split = np.empty(len(label), dtype=object)
    split[train], split[validation], split[test] = SPLITS
    return split


def protein_disjoint_split(
    a: NDArray[np.int32], b: NDArray[np.int32], fractions: SplitFractions, seed: int
) -> NDArray[np.object_]:
    """Assign proteins to splits at random, and keep the pairs whose partners fell into the same one.

    No protein is in two splits, so every test pair is of class C3 (Park and Marcotte 2012). A pair between two
    splits is dropped. Proteins are drawn in proportion to the square root of the fractions, since a split holding a
    share p of the proteins keeps about p² of the pairs: so the kept pairs come out in the fractions asked for.

    Parameters
    ----------
    a, b : ndarray, shape (pairs,), int32
        Numbers of the partners.
    fractions : SplitFractions
        Shares of validation and test pairs.
    seed : int
        Seed of what is drawn at random.

    Returns
    -------
    split : ndarray of str or None, shape (pairs,)
        None where the pair is dropped.
    """
    proteins = np.unique(np.concatenate((a, b)))
    shares = np.sqrt(fractions.all)
    order = np.random.default_rng(seed).permutation(len(proteins))
    bounds = np.round(np.cumsum(shares / shares.sum()) * len(proteins)).astype(int)
    part_of_rank = np.searchsorted(bounds, np.arange(len(proteins)), side="right")
    part = np.empty(len(proteins), dtype=np.int8)
    part[order] = part_of_rank
    part_a, part_b = part[np.searchsorted(proteins, a)], part[np.searchsorted(proteins, b)]
    split = np.array(SPLITS, dtype=object)[part_a]
    split[part_a != part_b] = None
    return split


def seen_class(pairs: pd.DataFrame) -> pd.Series:
    """How much of each pair was seen in training: C1 both proteins, C2 one, C3 none (Park and Marcotte 2012).

    Parameters
    ----------
    pairs : DataFrame
        Columns `a`, `b`, `split`.

    Returns
    -------
    seen : Series of str
        Empty for training pairs.
    """
    training = pairs.loc[pairs["split"] == "train", ["a", "b"]]
    seen = np.unique(training.to_numpy())
    count = np.isin(pairs["a"], seen).astype(int) + np.isin(pairs["b"], seen)
    classes = pd.Series(np.array(["C3", "C2", "C1"])[count], index=pairs.index)
    return classes.where(pairs["split"] != "train", "")
