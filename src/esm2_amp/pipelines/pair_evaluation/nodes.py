"""Nodes of `pair_evaluation`: an existing model measured on labelled pairs that it need not have been trained for."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Figure, ProteinFeatures, Section, TrainedModel

logger = logging.getLogger(__name__)


def clean_labelled_pairs(
    pairs_raw: SourceTable, proteins: pd.DataFrame, dropped_proteins: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Check a file of labelled pairs; of a pair that stands there twice the first row stays.

    Parameters
    ----------
    pairs_raw : SourceTable
        As read.
    proteins : DataFrame
        Column `Entry`; empty where features are given in their place.
    dropped_proteins : DataFrame
        Columns `Entry` and `Problem` of the proteins that were left out.

    Returns
    -------
    pairs : DataFrame
        `Protein1`, `Protein2`, `Label`, `row`; where there are `proteins` also `Status`, why a pair can't be scored, or
        an empty text.
    report : dict
        Counts of what was read and changed.
    paired : DataFrame
        Rows of `proteins` that are in pairs.

    Raises
    ------
    InputError
        A name or a label is missing or illegal, a pair has both labels, or no pair can be scored.
    """
    from esm2_amp.validation.pairs import clean_pairs, paired_proteins, why_not_scored

    pairs, report = clean_pairs(
        pairs_raw, None, self_pairs="keep", duplicate_pairs="drop", labels="required", protein_source="the protein file"
    )
    if len(proteins):
        pairs["Status"] = why_not_scored(pairs, proteins["Entry"].tolist(), pairs_raw.file, dropped_proteins)
    return pairs, report, paired_proteins(proteins, pairs)


def measure_model(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Score labelled pairs with a model, and measure it on all of them and in strata, with 95 % intervals.

    Parameters
    ----------
    pairs : DataFrame
        Of `clean_labelled_pairs`; pairs that can't be scored are left out.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    model : TrainedModel
        Its card gives the temperature of its training. Nothing is fitted or chosen on the pairs.
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    scored : DataFrame
        `Protein1`, `Protein2`, `Split` ("test"), `Seen`, `Label`, `Logit`, `Probability`, `CalibratedProbability` (NaN
        for a model without a temperature), `Prediction`; `Spread`, `Unlikeness` and the logits of members as
        `evaluate_model` of `evaluation` gives them. `Seen` is how many of the two proteins are among those the
        model was trained on, by their sequences: "C1" both, "C2" one, "C3" none, "unknown" where its folder doesn't
        hold them.
    comparison : DataFrame
        One row, as `model_comparison` of `evaluation`.
    strata : DataFrame
        As `model_strata` of `evaluation`.
    metrics : dict
        `model`, `trained_on`, `threshold`, `temperature`, the metrics under `test`, and under `surest_half` the rows
        of `surest_half` of `evaluation`.

    Raises
    ------
    InputError
        No pair could be scored, or all are of one class.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.evaluation.assessment import REPORTED_SPLIT, measure
    from esm2_amp.evaluation.comparison import compare
    from esm2_amp.evaluation.uncertainty import measure_uncertainty, member_columns
    from esm2_amp.models.scoring import score_by_members
    from esm2_amp.models.unlikeness import uncertainty
    from esm2_amp.statistics.metrics import decisions, sigmoid
    from esm2_amp.validation.pairs import known_pairs

    known = known_pairs(pairs, features.entries)
    if not model.training_proteins:
        logger.info("The model's folder doesn't hold the proteins it was trained on: strata are unknown")
    scored = known[["Protein1", "Protein2"]].assign(
        Split=REPORTED_SPLIT, Seen=model.seen(features, known), Label=known["Label"].astype("int8")
    )
    if set(scored["Label"]) != {0, 1}:
        raise InputError(
            f"The labels of the {len(scored):,} scored pairs must be 0 and 1, got only {scored['Label'].iloc[0]}; add "
            "pairs of the other class, or score without labels by `kedro run --pipeline=prediction`"
        )
    threshold, temperature = parameters.fixed_threshold, model.card.get("temperature")
    scores = score_by_members(
        model.network,
        model.pairs(features, known),
        batch_size=run.scoring_batch_size,
        device=resolve_device(run.device),
    )
    logit = scores.logit
    scored["Logit"], scored["Probability"] = logit, sigmoid(logit)
    scored["CalibratedProbability"] = np.nan if temperature is None else sigmoid(logit / temperature)
    scored["Prediction"] = decisions(scored["Probability"], threshold)
    sure = uncertainty(scores.spread, model.unlikeness(features), known)
    scored = scored.assign(**sure, **member_columns(scores))
    name = model.card.get("name", model.architecture)
    test = measure(scored["Label"], logit, threshold, temperature)
    of_model = {"threshold": threshold, "temperature": temperature, "test": test}
    bootstrap: dict[str, int] = {"replicates": parameters.replicates, "seed": run.seed}
    comparison = compare(scored, {}, {name: scored}, {name: of_model}, **bootstrap)
    surest = measure_uncertainty({name: scored}, **bootstrap).surest.drop(columns="Model").to_dict("records")
    row = comparison.models.iloc[0]
    logger.info(
        "%s, trained on %s, on %s pairs of %s: AUROC %.3f (%.3f to %.3f); C1 %s, C2 %s, C3 %s, unknown %s",
        name, model.card.get("data", "data that its folder doesn't name"), f"{len(scored):,}", run.data_name,
        row["AUROC"], row["AUROCLow"], row["AUROCHigh"],
        *(f"{(scored['Seen'] == stratum).sum():,}" for stratum in ("C1", "C2", "C3", "unknown")),
    )  # fmt: skip
    trained_on = model.card.get("data", "unknown")
    metrics = {"model": name, "trained_on": trained_on, **of_model, "surest_half": surest}
    return scored, comparison.models, comparison.strata, metrics


def draw_evaluation(
    scored: pd.DataFrame, comparison: pd.DataFrame, strata: pd.DataFrame, metrics: dict[str, Any], run: RunParameters
) -> dict[str, Figure]:
    """Draw curves, confusion matrix and calibration, and the metrics with their intervals, by name.

    Parameters
    ----------
    scored, comparison, strata, metrics
        Of `measure_model`.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    """
    from esm2_amp.evaluation import figures
    from esm2_amp.statistics.curves import confusion, pair_curves

    title = f"{metrics['model']}, {run.data_name}"
    label, probability = scored["Label"].to_numpy(), scored["Probability"].to_numpy()
    drawn = {
        "summary": figures.summary_figure(
            pair_curves(label, probability), confusion(label, probability, metrics["threshold"]), title
        ),
        "model_comparison": figures.comparison_figure(comparison, title),
    }
    if strata["Pairs"].any():
        drawn["model_strata"] = figures.strata_figure(strata, title)
    return drawn


def report_evaluation(
    scored: pd.DataFrame, comparison: pd.DataFrame, strata: pd.DataFrame, metrics: dict[str, Any], run: RunParameters
) -> str:
    """Write one page (HTML) on the evaluation of a model, which needs nothing but a browser.

    Parameters
    ----------
    scored, comparison, strata, metrics
        Of `measure_model`.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    """
    from esm2_amp.report.page import render
    from esm2_amp.report.results import pair_evaluation_chapter

    chapter: Section = pair_evaluation_chapter(scored, comparison, strata, metrics, run.data_name)
    return render(f"{metrics['model']} on {run.data_name}", [chapter])
