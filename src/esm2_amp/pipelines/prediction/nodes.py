"""Nodes of `prediction`: scores for new pairs by a trained or published model."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.prediction import PredictionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import ProteinFeatures, TrainedModel

logger = logging.getLogger(__name__)


def clean_new_pairs(
    pairs_raw: SourceTable | None,
    proteins: pd.DataFrame,
    dropped_proteins: pd.DataFrame | None,
    parameters: PredictionParameters,
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Check a pair file for prediction, in which every row stays, or make all pairs of the proteins.

    Parameters
    ----------
    pairs_raw : SourceTable, optional
        As read; labels are not needed, and not checked.
    proteins : DataFrame
        Column `Entry`; empty where features are given in their place.
    dropped_proteins : DataFrame, optional
        Columns `Entry` and `Problem` of the proteins that were left out.
    parameters : PredictionParameters
        How many pairs are made where none are given.

    Returns
    -------
    pairs : DataFrame
        Columns `Protein1` and `Protein2` as written, `Label` if given, `row`; where there are `proteins` also
        `Status`, why a pair can't be scored, or an empty text.
    report : dict
        Counts of what was read and changed.
    paired : DataFrame
        Rows of `proteins` that are in pairs.

    Raises
    ------
    InputError
        A name is missing or illegal, no pair can be scored, or there are no pairs and too many or too few proteins to
        make them of.
    """
    from esm2_amp.validation.pairs import clean_pairs, paired_proteins, why_not_scored

    if pairs_raw is None:
        return *_all_pairs(proteins["Entry"].to_numpy(), parameters.all_pairs_up_to), proteins
    pairs, report = clean_pairs(
        pairs_raw, None, self_pairs="keep", duplicate_pairs="keep", labels="unused", protein_source=""
    )
    if len(proteins):
        pairs["Status"] = why_not_scored(pairs, proteins["Entry"].tolist(), pairs_raw.file, dropped_proteins)
    return pairs, report, paired_proteins(proteins, pairs)


def score_new_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Score new pairs: the probability that they interact, and the decision.

    Each input pair has its row, in input order.

    Parameters
    ----------
    pairs : DataFrame
        Of `clean_new_pairs`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    model : TrainedModel
        The network, and what is known of its training.
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    predicted : DataFrame
        `Protein1`, `Protein2`, `Label` if given, `Probability`, `CalibratedProbability` (by the temperature that the
        model's training fitted on its validation pairs; a published checkpoint has none), `Prediction`, all empty when
        the pair could not be scored, and `Status`: `scored`, or the proteins that have no features, and why.

    Raises
    ------
    InputError
        No pair can be scored, or the features are not those that the model reads.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.scoring import SCORED, score_pairs
    from esm2_amp.names import match_names
    from esm2_amp.statistics.metrics import sigmoid
    from esm2_amp.validation.pairs import why_not_scored

    threshold = parameters.fixed_threshold
    status = pairs["Status"] if "Status" in pairs else why_not_scored(pairs, features.entries, "the pair file")
    known = (status == "").to_numpy()
    partners = pairs.loc[known, ["Protein1", "Protein2"]]
    entry_of = match_names(partners.to_numpy().ravel(), features.entries)
    logit = score_pairs(
        model.network,
        model.pairs(features, partners.apply(lambda names: names.map(entry_of))),
        batch_size=run.scoring_batch_size,
        device=resolve_device(run.device),
    )
    predicted = pairs.drop(columns=["row", "Status"], errors="ignore").reset_index(drop=True)
    predicted["Probability"] = pd.Series(sigmoid(logit), index=predicted.index[known])
    if (temperature := model.card.get("temperature")) is not None:
        predicted["CalibratedProbability"] = pd.Series(sigmoid(logit / temperature), index=predicted.index[known])
    predicted["Prediction"] = (predicted["Probability"] >= threshold).astype("Int8").where(known)
    predicted["Status"] = status.where(~known, SCORED).to_numpy()
    logger.info(
        "%s of %s pairs scored by %s, trained on %s", f"{known.sum():,}", f"{len(pairs):,}",
        model.card.get("name", model.architecture), model.card.get("data", "data that its card doesn't name"),
    )  # fmt: skip
    return predicted


def describe_model(model: TrainedModel) -> dict[str, Any]:
    """What a reader of the scores must know of the model, as `esm2_amp.models.storage.summary_of` gives it."""
    from esm2_amp.models.storage import summary_of

    return summary_of(model)


def _all_pairs(entries: np.ndarray, most: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """All pairs of different proteins, in their order, where these are not too many."""
    if not len(entries):
        raise InputError("Pairs must be given where features are given in place of proteins; add --params=pairs=FILE")
    count = len(entries) * (len(entries) - 1) // 2
    if not 1 <= count <= most:
        raise InputError(
            f"Without pairs, all pairs of the proteins are scored, if these are from 1 to {most:,}: got "
            f"{len(entries):,} proteins with {count:,} pairs; give pairs by --params=pairs=FILE"
            + (f", or set prediction.all_pairs_up_to={count}" if count else "")
        )
    logger.info("No pairs are given: all %s pairs of the %s proteins are scored", f"{count:,}", f"{len(entries):,}")
    a, b = np.triu_indices(len(entries), k=1)
    pairs = pd.DataFrame({"Protein1": entries[a], "Protein2": entries[b]}, dtype="str")
    return pairs.assign(Status=""), {"read": 0, "kept": count}
