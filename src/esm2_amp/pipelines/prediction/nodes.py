"""Nodes of `prediction`: scores for new pairs by a trained or published model."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esm2_amp.cluster import Cluster
from esm2_amp.errors import InputError
from esm2_amp.files import SourceBlocks, SourceTable
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.prediction import PredictionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import CheckedPairs, Predictions, ProteinFeatures, TrainedModel

logger = logging.getLogger(__name__)


def clean_new_pairs(
    pairs_raw: SourceTable | None,
    proteins: pd.DataFrame,
    dropped_proteins: pd.DataFrame | None,
    parameters: PredictionParameters,
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Check pairs that are in memory, of which every row stays, or make all pairs of the proteins.

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
    """Score new pairs that are in memory: the probability that they interact, and the decision.

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
        model's training fitted on its validation pairs; a published checkpoint has none), `Prediction`; `Spread`, the
        standard deviation over the logits of an ensemble's members (a single network has none); `Unlikeness`, the
        larger of both proteins' percentiles of `TrainingVectors.unlikeness` (a model's folder without training vectors
        has none); all empty when the pair could not be scored; and `Status`: `scored`, or the proteins that have no
        features, and why.

    Raises
    ------
    InputError
        No pair can be scored, or the features are not those that the model reads.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.unlikeness import uncertainty
    from esm2_amp.names import match_names
    from esm2_amp.prediction.scoring import Decision, predicted_table
    from esm2_amp.screening.rows import RowScorer
    from esm2_amp.validation.pairs import why_not_scored

    decision = Decision(parameters.fixed_threshold, model.card.get("temperature"))
    status = pairs["Status"] if "Status" in pairs else why_not_scored(pairs, features.entries, "the pair file")
    partners = pairs.loc[(status == "").to_numpy(), ["Protein1", "Protein2"]]
    entry_of = match_names(partners.to_numpy().ravel(), features.entries)
    named = partners.apply(lambda names: names.map(entry_of))
    known = model.pairs(features, named)
    scores = RowScorer(model.network, known.table, resolve_device(run.device)).scores(known.a.numpy(), known.b.numpy())
    predicted = pairs.drop(columns=["row", "Status"], errors="ignore").reset_index(drop=True)
    _log_scored(model, len(scores.logit), len(pairs))
    how_sure = uncertainty(scores.spread, model.unlikeness(features), named)
    return predicted_table(predicted, status.reset_index(drop=True), scores.logit, decision, how_sure)


def check_pair_file(
    pairs_raw: SourceBlocks | None, proteins: pd.DataFrame, parameters: PredictionParameters
) -> CheckedPairs:
    """Check a pair file for prediction, in which every row stays, or make all pairs of the proteins.

    Parameters
    ----------
    pairs_raw : SourceBlocks, optional
        Labels are not needed, and not checked.
    proteins : DataFrame
        Column `Entry`; empty where features are given in their place.
    parameters : PredictionParameters
        How many pairs are made where none are given.

    Returns
    -------
    pairs : CheckedPairs
        The pairs as they are written in the file, which is read, some rows at a time, when they are saved: then, before
        anything is scored, a name that is missing or illegal raises InputError.

    Raises
    ------
    InputError
        There are no pairs, and too many or too few proteins to make them of.
    """
    from esm2_amp.prediction.checking import AllPairs, PairCheck

    if pairs_raw is not None:
        return PairCheck(pairs_raw)
    entries = proteins["Entry"].tolist()
    _check_count(len(entries), parameters.all_pairs_up_to)
    return AllPairs(entries)


def match_pairs(
    pairs: CheckedPairs, proteins: pd.DataFrame, dropped_proteins: pd.DataFrame | None
) -> tuple[pd.DataFrame, dict[str, int], pd.DataFrame]:
    """Find the proteins that checked pairs name.

    Parameters
    ----------
    pairs : CheckedPairs
        Of `check_pair_file`.
    proteins : DataFrame
        Column `Entry`; empty where features are given in their place.
    dropped_proteins : DataFrame, optional
        Columns `Entry` and `Problem` of the proteins that were left out.

    Returns
    -------
    names : DataFrame
        Of `esm2_amp.prediction.checking.FoundProteins`; without rows where there are no `proteins`.
    report : dict
        Counts of what was read and changed.
    paired : DataFrame
        Rows of `proteins` that are in pairs which can be scored.

    Raises
    ------
    InputError
        No pair can be scored.
    """
    from esm2_amp.prediction.checking import match_proteins

    if proteins.empty:
        return pd.DataFrame({"Name": [], "Entry": [], "LeftOut": []}, dtype="str"), pairs.report, proteins
    found, is_used = match_proteins(pairs, proteins["Entry"].tolist(), dropped_proteins)
    paired = proteins[proteins["Entry"].isin(found.table["Entry"][is_used])]
    return found.table, pairs.report, paired.reset_index(drop=True)


def score_pair_file(
    pairs: CheckedPairs,
    names: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    state: Path,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> tuple[Predictions, dict[str, Any]]:
    """Score checked pairs, part by part.

    Parameters
    ----------
    pairs : CheckedPairs
        Of `check_pair_file`.
    names : DataFrame
        Of `match_pairs`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    model : TrainedModel
        The network, and what is known of its training.
    state : Path
        The scores so far: an interrupted prediction goes on from there.
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    predicted : Predictions
        Tables with the columns of `score_new_pairs`, made from the scores when they are saved; each input pair has its
        row, in input order.
    summary : dict
        `esm2_amp.models.storage.summary_of` the model: what a reader of the scores must know of it.

    Raises
    ------
    InputError
        No pair can be scored, the features are not those that the model reads, or the disk is full.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.storage import summary_of
    from esm2_amp.prediction.checking import FoundProteins, match_proteins
    from esm2_amp.prediction.scoring import Decision, score_parts
    from esm2_amp.screening.rows import RowScorer

    model.check_features(features)
    found = FoundProteins(names) if len(names) else match_proteins(pairs, features.entries)[0]
    used, rows = found.rows_among(features.entries)
    table = features.select(model.network.protein_tokens, used)
    scorer = RowScorer(model.network, table, resolve_device(run.device))
    decision = Decision(parameters.fixed_threshold, model.card.get("temperature"))
    unlikeness = model.unlikeness(features)
    of_used = None if unlikeness is None else unlikeness.to_numpy()[used]
    predicted = score_parts(pairs, found, rows, scorer, state, decision, of_used, Cluster.of(run))
    _log_scored(model, predicted.scored, len(predicted))
    return predicted, summary_of(model)


def _log_scored(model: TrainedModel, scored: int, pairs: int) -> None:
    from esm2_amp.models.storage import caution_on_data, summary_of

    summary = summary_of(model)
    name, trained_on = summary["model"], summary["trained_on"]
    logger.info("%s of %s pairs scored by %s, trained on %s", f"{scored:,}", f"{pairs:,}", name, trained_on)
    if caution := caution_on_data(name, trained_on):
        logger.warning("%s; leave out model= to score by ppi_mini, which was trained on human pairs", caution)


def _all_pairs(entries: np.ndarray, most: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """All pairs of different proteins, in their order, where these are not too many."""
    count = _check_count(len(entries), most)
    a, b = np.triu_indices(len(entries), k=1)
    pairs = pd.DataFrame({"Protein1": entries[a], "Protein2": entries[b]}, dtype="str")
    return pairs.assign(Status=""), {"read": 0, "kept": count}


def _check_count(proteins: int, most: int) -> int:
    """How many pairs so many proteins have; InputError where these are none or too many."""
    if not proteins:
        raise InputError("Pairs must be given where features are given in place of proteins; add --params=pairs=FILE")
    count = proteins * (proteins - 1) // 2
    if not 1 <= count <= most:
        raise InputError(
            f"Without pairs, all pairs of the proteins are scored, if these are from 1 to {most:,}: got "
            f"{proteins:,} proteins with {count:,} pairs; give pairs by --params=pairs=FILE"
            + (f", or set prediction.all_pairs_up_to={count}" if count else "")
        )
    logger.info("No pairs are given: all %s pairs of the %s proteins are scored", f"{count:,}", f"{proteins:,}")
    return count
