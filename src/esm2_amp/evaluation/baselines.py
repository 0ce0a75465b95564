"""Baselines: what can be predicted without a network, so that every model is shown beside it (METHOD section 5).

Each is fitted on the training pairs, and predicts logits of other pairs. All are symmetric: swapping the partners of a
pair changes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esm2_amp.errors import InputError
from esm2_amp.evaluation.nearest_pairs import nearest_pair_similarity
from esm2_amp.evaluation.pair_logistic import PairLogistic, PairRows, symmetric_blocks, symmetric_features
from esm2_amp.parameters.evaluation import BaselineName, BaselineParameters
from esm2_amp.protein import STANDARD_RESIDUES


class ProteinViews(NamedTuple):
    """What baselines read of P proteins; imported features come without sequences, and perhaps without means.

    Attributes
    ----------
    sequences : sequence of P str, optional
        Residues of each protein.
    mean_vectors : ndarray, shape (P, D), float32, optional
        Mean of each protein's residue vectors.
    """

    sequences: Sequence[str] | None
    mean_vectors: NDArray[np.float32] | None


def composition(
    train: pd.DataFrame, pairs: pd.DataFrame, proteins: ProteinViews, parameters: BaselineParameters, seed: int
) -> NDArray[np.float64]:
    """Gradient-boosted trees on the partners' amino-acid frequencies and log lengths."""
    assert proteins.sequences is not None
    table = composition_table(proteins.sequences)
    trees = HistGradientBoostingClassifier(
        **parameters.composition.model_dump(), early_stopping=False, random_state=seed
    )
    trees.fit(symmetric_features(table, _rows(train)), train["label"].to_numpy() == 1)
    return np.concatenate([trees.decision_function(block) for block in symmetric_blocks(table, _rows(pairs))])


def node_degree(
    train: pd.DataFrame, pairs: pd.DataFrame, proteins: ProteinViews, parameters: BaselineParameters, seed: int
) -> NDArray[np.float64]:
    """Logistic regression on how many positive and negative training pairs the partners have.

    Features are the sums over both partners of log(1 + degree), one for positives and one for negatives; a protein
    unseen in training has degree 0. The degrees of a training pair leave the pair itself out, as those of a new pair
    do: with it, every positive would be recognised by its own edge.
    """
    train = train[~_repeated(train)]
    is_positive = train["label"].to_numpy() == 1
    size = 1 + max(int(table[["a", "b"]].to_numpy().max(initial=0)) for table in (train, pairs))
    known, new = [], []
    for of_class in (is_positive, ~is_positive):
        rows = _rows(train[of_class])
        degree = np.bincount(rows.a, minlength=size) + np.bincount(rows.b[rows.a != rows.b], minlength=size)
        known.append(_log_degree(degree, _rows(train), own=of_class))
        new.append(_log_degree(degree, _rows(pairs), own=np.zeros(len(pairs), dtype=bool)))
    return _calibrated(np.column_stack(known), is_positive, np.column_stack(new))


def similarity(
    train: pd.DataFrame, pairs: pd.DataFrame, proteins: ProteinViews, parameters: BaselineParameters, seed: int
) -> NDArray[np.float64]:
    """Logistic regression on the similarity to the nearest training positive, as cosines of centred mean vectors.

    The mean over the training proteins is subtracted first, since mean vectors of one encoder have most of their
    direction in common. A training pair is compared with the other training pairs.
    """
    assert proteins.mean_vectors is not None
    train = train[~_repeated(train)]
    is_positive = train["label"].to_numpy() == 1
    options = parameters.similarity
    vectors = proteins.mean_vectors - proteins.mean_vectors[np.unique(np.concatenate(_rows(train)))].mean(axis=0)
    classes = {1: is_positive, -1: ~is_positive} if options.subtract_negatives else {1: is_positive}

    def feature(rows: PairRows, *, is_training: bool) -> NDArray[np.float64]:
        total = np.zeros((len(rows.a), 1))
        for sign, chosen in classes.items():
            reference = _rows(train[chosen])
            total[:, 0] += sign * nearest_pair_similarity(
                vectors, rows, reference, combine=options.combine, leave_itself_out=is_training
            )
        return total

    known = feature(_rows(train), is_training=True)
    return _calibrated(known, is_positive, feature(_rows(pairs), is_training=False))


def mean_vector_logistic(
    train: pd.DataFrame, pairs: pd.DataFrame, proteins: ProteinViews, parameters: BaselineParameters, seed: int
) -> NDArray[np.float64]:
    """Logistic regression on the partners' mean vectors."""
    assert proteins.mean_vectors is not None
    model = PairLogistic(proteins.mean_vectors, **parameters.mean_vector_logistic.model_dump())
    return model.fit(_rows(train), train["label"].to_numpy(np.float64)).logits(_rows(pairs))


class Baseline(NamedTuple):
    """A baseline and what it reads beside the pairs: None, or the field of `ProteinViews`."""

    logits: Callable[[pd.DataFrame, pd.DataFrame, ProteinViews, BaselineParameters, int], NDArray[np.float64]]
    reads: Literal["sequences", "mean_vectors"] | None


BASELINES: Final[dict[BaselineName, Baseline]] = {
    "composition": Baseline(composition, "sequences"),
    "node_degree": Baseline(node_degree, None),
    "similarity": Baseline(similarity, "mean_vectors"),
    "mean_vector_logistic": Baseline(mean_vector_logistic, "mean_vectors"),
}


def baseline_logits(
    name: BaselineName,
    train: pd.DataFrame,
    pairs: pd.DataFrame,
    proteins: ProteinViews,
    parameters: BaselineParameters,
    *,
    seed: int,
) -> NDArray[np.float64]:
    """Fit a baseline on the training pairs, and score other pairs.

    Parameters
    ----------
    name : str
        One of `BASELINES`.
    train : DataFrame
        Columns `a`, `b`, rows of the partners among the P proteins, and `label`, 0 or 1.
    pairs : DataFrame
        Columns `a`, `b`.
    proteins : ProteinViews
        What the baseline reads of the proteins.
    parameters : BaselineParameters
        Parameters of all baselines.
    seed : int
        Seed of what a baseline draws at random.

    Returns
    -------
    logit : ndarray, shape (pairs,), float64
        Log-odds of interaction.

    Raises
    ------
    InputError
        The name is unknown, what the baseline reads is missing, or the training pairs are of one class.
    """
    if name not in BASELINES:
        raise InputError(f"A baseline must be one of {', '.join(BASELINES)}, got {name!r}")
    logits, reads = BASELINES[name]
    if reads is not None and getattr(proteins, reads) is None:
        raise InputError(f"The baseline {name} needs the proteins' {reads}, got none; leave it out, or give proteins")
    positives = int((train["label"] == 1).sum())
    if not 0 < positives < len(train):
        raise InputError(
            f"The baseline {name} needs training pairs of both classes, got {positives:,} positive and "
            f"{len(train) - positives:,} negative; add pairs, or choose another split"
        )
    return logits(train, pairs, proteins, parameters, seed) if len(pairs) else np.empty(0)


def composition_table(sequences: Sequence[str]) -> NDArray[np.float64]:
    """Frequencies of the 20 standard amino acids, in the order of `STANDARD_RESIDUES`, and log length: shape (P, 21).

    Frequencies are shares of all residues, rare ones included; lengths are in residues, their logarithm is natural.
    """
    place = np.frombuffer(STANDARD_RESIDUES.encode(), dtype=np.uint8)
    table = np.empty((len(sequences), len(place) + 1))
    for row, sequence in zip(table, sequences, strict=True):
        counts = np.bincount(np.frombuffer(sequence.encode(), dtype=np.uint8), minlength=256)
        row[:-1], row[-1] = counts[place] / len(sequence), np.log(len(sequence))
    return table


def _rows(pairs: pd.DataFrame) -> PairRows:
    return PairRows(pairs["a"].to_numpy(np.int64), pairs["b"].to_numpy(np.int64))


def _repeated(pairs: pd.DataFrame) -> NDArray[np.bool_]:
    """Which pairs are of the same two proteins as an earlier one, in either order, and so can't be left out alone."""
    ends = np.sort(pairs[["a", "b"]].to_numpy(), axis=1)
    return pd.DataFrame(ends).duplicated().to_numpy()


def _log_degree(degree: NDArray[np.integer], rows: PairRows, *, own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum over both partners of log(1 + degree), without the pair itself where `own`."""
    total: NDArray[np.float64] = np.log1p(degree[rows.a] - own) + np.log1p(degree[rows.b] - own)
    return total


def _calibrated(
    known: NDArray[np.float64], is_positive: NDArray[np.bool_], new: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log-odds of new pairs by logistic regression on the features of known ones."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(known, is_positive)
    logit: NDArray[np.float64] = model.decision_function(new)
    return logit
