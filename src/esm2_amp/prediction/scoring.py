"""Checked pairs scored part by part, and the table of what a model says of them."""

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.cluster import Cluster
from esm2_amp.errors import InputError
from esm2_amp.models.scoring import SCORED, PairScores
from esm2_amp.models.unlikeness import uncertainty_columns
from esm2_amp.prediction.checking import NO_LABEL, CheckedPairs, FoundProteins, PairRows
from esm2_amp.prediction.cluster import score_on_cluster
from esm2_amp.prediction.store import ScoreStore
from esm2_amp.progress import Progress
from esm2_amp.screening.rows import RowScorer
from esm2_amp.statistics.metrics import sigmoid

logger = logging.getLogger(__name__)

_BYTES_OF_A_SCORE: Final = 5
"""Of a pair in the store, with what its file costs."""


class Decision(NamedTuple):
    """What becomes of logits.

    Attributes
    ----------
    threshold : float
        Probability from which a pair is called interacting.
    temperature : float, optional
        That by which the training of the model calibrated its logits.
    """

    threshold: float
    temperature: float | None


@dataclass(frozen=True)
class Predictions:
    """What a model says of checked pairs: tables of `predicted_table`, some rows at a time, in the order of the pairs.

    Attributes
    ----------
    pairs : CheckedPairs
        All pairs.
    proteins : FoundProteins
        What their names mean.
    rows : ndarray, shape (names,), int64
        The row of each name's protein among the vectors that are scored.
    part_rows : int
        The most pairs of a part of the store.
    members : int
        Networks that score each pair: of an ensemble its members, else one.
    store : ScoreStore
        The logits.
    decision : Decision
        What becomes of these.
    unlikeness : ndarray, float32, optional
        How unlike the training proteins the protein of each row of vectors is, in percent.
    """

    pairs: CheckedPairs
    proteins: FoundProteins
    rows: NDArray[np.int64]
    part_rows: int
    members: int
    store: ScoreStore
    decision: Decision
    unlikeness: NDArray[np.float32] | None = None

    @property
    def scored(self) -> int:
        """How many pairs have a score."""
        return sum(int(self.proteins.can_be_scored(rows).sum()) for rows in self.pairs.parts())

    def __len__(self) -> int:
        return self.pairs.report["kept"]

    def __iter__(self) -> Iterator[pd.DataFrame]:
        names = pd.array(list(self.pairs.names), dtype="str")
        for number, rows in enumerate(self.parts()):
            a, b = self.known(rows)
            members = self.store.load(number, a, b) if len(a) else np.empty((0, self.members), np.float32)
            if members is None:
                raise InputError("Scores that this run had written are gone; run the same command again")
            scores = PairScores.of(members)
            of_partners = None if self.unlikeness is None else (self.unlikeness[a], self.unlikeness[b])
            how_sure = uncertainty_columns(scores.spread, of_partners)
            yield predicted_table(_frame(rows, names), self._status(rows, names), scores.logit, self.decision, how_sure)

    def parts(self) -> Iterator[PairRows]:
        """The pairs of each part of the store."""
        return (part for rows in self.pairs.parts() for part in rows.cut(self.part_rows))

    def known(self, rows: PairRows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the vectors of those pairs that can be scored."""
        known = self.proteins.can_be_scored(rows)
        return self.rows[rows.a[known]], self.rows[rows.b[known]]

    def _status(self, rows: PairRows, names: pd.api.extensions.ExtensionArray) -> pd.Series:
        known = self.proteins.can_be_scored(rows)
        status = pd.Series("", index=range(len(known)), dtype="str")
        if not known.all():
            status[~known] = self.proteins.lacking.reasons(_frame(rows, names)[~known])
        return status


def score_parts(
    pairs: CheckedPairs,
    proteins: FoundProteins,
    rows: NDArray[np.int64],
    scorer: RowScorer,
    folder: Path,
    decision: Decision,
    unlikeness: NDArray[np.float32] | None = None,
    cluster: Cluster | None = None,
) -> Predictions:
    """Score all pairs whose proteins are there, but those that an earlier run has scored.

    Parameters
    ----------
    pairs, proteins, rows, decision, unlikeness
        Of `Predictions`.
    scorer : RowScorer
        The network, and the vectors of the proteins.
    folder : Path
        Of the store.
    cluster : Cluster, optional
        Workers that score the parts.

    Raises
    ------
    InputError
        The disk is full, or will be, or the cluster can't be reached.
    """
    store = ScoreStore(folder, scorer.fingerprint)
    predictions = Predictions(pairs, proteins, rows, scorer.part_rows, scorer.members, store, decision, unlikeness)
    count, missing, done, left = 0, set[int](), 0, 0
    for count, part in enumerate(predictions.parts(), start=1):
        a, b = predictions.known(part)
        if len(a) and store.load(count - 1, a, b) is None:
            missing.add(count - 1)
            left += len(a)
        else:
            done += len(a)
    store.keep_first(count)
    if done:
        logger.info("%s of %s pairs were scored by an earlier run", f"{done:,}", f"{done + left:,}")
    _check_room(folder, left * scorer.members)
    progress = Progress(logger, "scoring pairs", left, unit="pairs")
    unscored = ((number, part) for number, part in enumerate(predictions.parts()) if number in missing)
    wanted = ((number, *predictions.known(part)) for number, part in unscored)
    if cluster:
        scored = score_on_cluster(scorer, wanted, cluster, progress.add)
    else:
        scored = ((number, a, b, scorer.scores(a, b, progress.add).members) for number, a, b in wanted)
    for number, a, b, members in scored:
        store.save(number, a, b, members)
    return predictions


def predicted_table(
    pairs: pd.DataFrame,
    status: pd.Series,
    logit: NDArray[np.float32],
    decision: Decision,
    how_sure: Mapping[str, NDArray[np.float32]],
) -> pd.DataFrame:
    """The rows of pairs with what a model says of them.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`, and `Label` if given; rows numbered from 0.
    status : Series of str
        Why a pair can't be scored, or an empty text.
    logit : ndarray, shape (scored,), float32
        Of the pairs whose status is empty.
    decision : Decision
        What becomes of logits.
    how_sure : mapping of ndarray, shape (scored,), float32
        Further columns, those of `esm2_amp.models.unlikeness.uncertainty`.

    Returns
    -------
    predicted : DataFrame
        With `Probability`, `CalibratedProbability` where there is a temperature, `Prediction` and those of
        `how_sure`, all empty when the pair isn't scored, and `Status`: `scored`, or why not.
    """
    known, predicted = (status == "").to_numpy(), pairs.copy()
    predicted["Probability"] = pd.Series(sigmoid(logit), index=predicted.index[known])
    if decision.temperature is not None:
        calibrated = sigmoid(logit / decision.temperature)
        predicted["CalibratedProbability"] = pd.Series(calibrated, index=predicted.index[known])
    predicted["Prediction"] = (predicted["Probability"] >= decision.threshold).astype("Int8").where(known)
    for name, values in how_sure.items():
        predicted[name] = pd.Series(values, index=predicted.index[known])
    predicted["Status"] = status.where(~known, SCORED).to_numpy()
    return predicted


def _frame(rows: PairRows, names: pd.api.extensions.ExtensionArray) -> pd.DataFrame:
    frame = pd.DataFrame({"Protein1": names.take(rows.a), "Protein2": names.take(rows.b)})
    if rows.label is not None:
        frame["Label"] = pd.arrays.IntegerArray(rows.label, rows.label == NO_LABEL)
    return frame


def _check_room(folder: Path, pairs: int) -> None:
    needed, free = _BYTES_OF_A_SCORE * pairs, shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"The scores of {pairs:,} pairs need about {needed / 1e6:,.0f} MB below {folder}, where "
            f"{free / 1e6:,.0f} MB are free; free some space, or give another folder by --params=output=DIR"
        )
