"""Nodes of `evaluation`: every held-out pair scored by models and baselines, measured, compared and drawn."""

import logging
import time
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from esm2_amp.columns import column_name
from esm2_amp.errors import InputError
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import (
    Comparison,
    Figure,
    ProteinFeatures,
    ProteinViews,
    Section,
    TrainedModel,
    Uncertainty,
)
from esm2_amp.progress import in_words
from esm2_amp.protein import TOKENS

logger = logging.getLogger(__name__)


def identify(held_out: pd.DataFrame) -> pd.DataFrame:
    """The columns that every table of scores begins with.

    Parameters
    ----------
    held_out : DataFrame
        Validation and test pairs of `model_pairs`.

    Returns
    -------
    identified : DataFrame
        `Protein1`, `Protein2`, `Split`, `Seen`, `Label` (int8), rows numbered from 0.
    """
    table = held_out[["Protein1", "Protein2", "split", "seen", "label"]].reset_index(drop=True)
    return table.set_axis(["Protein1", "Protein2", "Split", "Seen", "Label"], axis=1).astype({"Label": "int8"})


class ModelEvaluation(NamedTuple):
    """What the evaluation of one model leaves.

    Attributes
    ----------
    scored : DataFrame
        Columns of `identify`, then those of `Assessment.scores`; `Spread` and `Unlikeness`, where the model knows them
        (`esm2_amp.models.unlikeness.uncertainty`); for an ensemble the logits of its members, `LogitOfMember1` and so
        on; for a network that isn't symmetric also `SwappedLogit`, that of B-A.
    metrics : dict
        Of `Assessment`; for a network that isn't symmetric with `auroc_swapped` in each split.
    figures : dict of Figure
        Of the test pairs: ROC and precision-recall curves, confusion matrix and calibration, each alone for Kedro-Viz
        and all four as `summary`. Calibration asks whether of pairs scored 0.8 about 80 % interact.
    description : dict
        What is known of the model without its weights: `model`, its number of `weights`, and its `card`.
    """

    scored: pd.DataFrame
    metrics: dict[str, Any]
    figures: dict[str, Any]
    description: dict[str, Any]


def evaluate_model(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> ModelEvaluation:
    """Score the validation and test pairs with one model, and measure and draw how well scores and labels agree."""
    from esm2_amp.devices import resolve_device
    from esm2_amp.evaluation.assessment import assess, reported
    from esm2_amp.evaluation.uncertainty import member_columns
    from esm2_amp.models.scoring import score_by_members
    from esm2_amp.models.unlikeness import uncertainty
    from esm2_amp.statistics.metrics import pair_metrics

    held_out = pairs[pairs["split"] != "train"]
    of_model = model.pairs(features, held_out)
    device = resolve_device(run.device)
    score = partial(score_by_members, model.network, batch_size=run.scoring_batch_size, device=device)
    identified, scores = identify(held_out), score(of_model)
    assessment = assess(model.architecture, identified, scores.logit, parameters.threshold)
    sure = uncertainty(scores.spread, model.unlikeness(features), identified)
    scored = identified.join(assessment.scores).assign(**sure, **member_columns(scores))
    if not model.network.symmetric:
        scored["SwappedLogit"] = score(of_model.swapped()).logit
        for split in ("validation", "test"):
            rows = scored[scored["Split"] == split]
            swapped = pair_metrics(rows["Label"], rows["SwappedLogit"])
            assessment.metrics[split]["auroc_swapped"] = swapped["auroc"]
    return ModelEvaluation(
        scored,
        assessment.metrics,
        _figures(scored, assessment.metrics["threshold"], f"{model.architecture}, {reported(run.data_name)}"),
        {"model": model.architecture, "weights": model.weights, "card": model.card},
    )


def _figures(scored: pd.DataFrame, threshold: float, title: str) -> dict[str, Any]:
    from esm2_amp.evaluation import figures, plots
    from esm2_amp.evaluation.assessment import REPORTED_SPLIT
    from esm2_amp.statistics.curves import confusion, pair_curves

    test = scored[scored["Split"] == REPORTED_SPLIT]
    label, probability = test["Label"].to_numpy(), test["Probability"].to_numpy()
    curves, cells = pair_curves(label, probability), confusion(label, probability, threshold)
    return {
        "summary": figures.summary_figure(curves, cells, title),
        **plots.model_plots(curves, cells, title),
    }


def score_baselines(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    proteins: pd.DataFrame,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Fit simple predictors on the same training pairs, and measure them on the same validation and test pairs.

    A model is worth its complexity only where it beats them: they read no more than amino-acid composition, mean
    vectors, similarity to training pairs, or the number of a protein's partners.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
        Imported ones may lack the mean vectors.
    proteins : DataFrame
        `Entry`, `Sequence`; empty beside imported features. A baseline that reads what isn't there is left out.
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    scores : DataFrame
        Columns of `identify`, then the logits of each baseline under its `column_name`.
    metrics : dict
        Baseline → its metrics, as those of a model.

    Raises
    ------
    InputError
        No baseline is left.
    """
    from esm2_amp.evaluation.assessment import assess
    from esm2_amp.evaluation.baselines import BASELINES, baseline_logits
    from esm2_amp.pairs import protein_rows

    a, b = protein_rows(features.entries, pairs)
    pairs = pairs.assign(a=a, b=b)
    views = _protein_views(features, proteins)
    train, held_out = pairs[pairs["split"] == "train"], pairs[pairs["split"] != "train"]
    scores = identify(held_out)
    metrics: dict[str, dict[str, Any]] = {}
    for name in parameters.baselines.use:
        reads = BASELINES[name].reads
        if reads is not None and getattr(views, reads) is None:
            logger.info("baseline %s: left out, the imported features come without %s", name, reads.replace("_", " "))
            continue
        started = time.monotonic()
        logit = baseline_logits(name, train, held_out, views, parameters.baselines, seed=run.seed)
        metrics[name] = assess(name, scores, logit, parameters.threshold).metrics
        scores[column_name(name)] = logit
        logger.info("baseline %s: fitted and scored in %s", name, in_words(time.monotonic() - started))
    if not metrics:
        raise InputError(
            "evaluation.baselines.use must name a baseline that the imported features allow, "
            f"got {', '.join(parameters.baselines.use)}; add node_degree, which needs only the pairs"
        )
    return scores, metrics


def _protein_views(features: ProteinFeatures, proteins: pd.DataFrame) -> ProteinViews:
    """Sequences and mean vectors in the order of the features' rows, as far as they are there."""
    from esm2_amp.evaluation.baselines import ProteinViews

    sequences = None
    if len(proteins):
        in_order = proteins.set_index("Entry")["Sequence"].reindex(features.entries)
        if in_order.isna().any():
            raise InputError(
                f"The proteins must be those of the features, but lack {in_order.index[in_order.isna()][0]}; "
                "run `kedro run --pipeline=feature_extraction` again"
            )
        sequences = in_order.tolist()
    if "mean" not in features.provenance.get("tokens", TOKENS):
        return ProteinViews(sequences, None)
    mean = TOKENS.index("mean")
    return ProteinViews(sequences, features.select(slice(mean, mean + 1))[:, 0].float().numpy())


def compare_models(
    parameters: EvaluationParameters,
    run: RunParameters,
    baseline_scores: pd.DataFrame,
    baseline_metrics: dict[str, dict[str, Any]],
    *scored_then_metrics: Any,
) -> Comparison:
    """Put all models and baselines side by side on the test pairs, each number with its 95 % interval.

    Of each two it is said which is better, or that they aren't distinguishable. Pairs are measured in strata, too: with
    two (C1), one (C2) or no protein (C3) in training pairs.

    Parameters
    ----------
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    baseline_scores, baseline_metrics
        Of `score_baselines`.
    *scored_then_metrics : DataFrame, then dict
        The scored pairs of every model of the registry, in its order, then their metrics.
    """
    from esm2_amp.evaluation.comparison import compare, comparison_lines, reference_of

    half = len(ARCHITECTURES)
    scored, metrics = (
        dict(zip(ARCHITECTURES, part, strict=True)) for part in (scored_then_metrics[:half], scored_then_metrics[half:])
    )
    comparison = compare(
        baseline_scores, baseline_metrics, scored, metrics, replicates=parameters.replicates, seed=run.seed
    )
    title = f"{_title(run)}, {comparison.models['Pairs'].iloc[0]:,} pairs:"
    logger.info("%s", "\n".join([title, *comparison_lines(comparison, reference_of(baseline_scores))]))
    return comparison


def measure_sureness(parameters: EvaluationParameters, run: RunParameters, *scored: pd.DataFrame) -> Uncertainty:
    """Ask whether the pairs that one is surest of are the ones scored right, and whether ensembles beat their members.

    Parameters
    ----------
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    *scored : DataFrame
        The scored pairs of every model of the registry, in its order.

    Returns
    -------
    curves, surest, members : DataFrame
        Of `esm2_amp.evaluation.uncertainty.Uncertainty`.
    """
    from esm2_amp.evaluation.uncertainty import measure_uncertainty, uncertainty_lines

    by_model: dict[str, pd.DataFrame] = dict(zip(ARCHITECTURES, scored, strict=True))
    found = measure_uncertainty(by_model, replicates=parameters.replicates, seed=run.seed)
    logger.info("%s", "\n".join(uncertainty_lines(found.surest, found.members)))
    return found


def plot_comparison(
    run: RunParameters,
    models: pd.DataFrame,
    differences: pd.DataFrame,
    strata: pd.DataFrame,
    risk_coverage: pd.DataFrame,
    baseline_scores: pd.DataFrame,
    *scored: pd.DataFrame,
) -> dict[str, Figure]:
    """Draw the comparison: metrics, curves, differences from the reference baseline, strata, error against coverage.

    Parameters
    ----------
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    models, differences, strata
        Of `Comparison`.
    risk_coverage : DataFrame
        The curves of `measure_sureness`.
    baseline_scores : DataFrame
        Scores of the baselines.
    *scored : DataFrame
        The scored pairs of every model of the registry, in its order.

    Returns
    -------
    figures : dict of Figure
        By the names of their files.
    """
    from esm2_amp.evaluation.comparison import Comparison, draw_comparison
    from esm2_amp.evaluation.figures import risk_coverage_figure
    from esm2_amp.evaluation.uncertainty import MEASURES

    by_model: dict[str, pd.DataFrame] = dict(zip(ARCHITECTURES, scored, strict=True))
    drawn = draw_comparison(Comparison(models, differences, strata), baseline_scores, by_model, _title(run))
    return {**drawn, "sureness/risk_coverage": risk_coverage_figure(risk_coverage, MEASURES, _title(run))}


def describe_models(
    run: RunParameters, parameters: EvaluationParameters, *descriptions_then_plots: Any | None
) -> Section:
    """Say for the report which models were measured and how, with the figures of each.

    Parameters
    ----------
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    parameters : EvaluationParameters
        Threshold, baselines, and replicates of the bootstrap.
    *descriptions_then_plots : dict
        The `description` of every model of the registry, in its order, then the PNGs of their `evaluation_plots`; None
        for a model that isn't evaluated yet.

    Raises
    ------
    InputError
        No model is evaluated.
    """
    from esm2_amp.report.run import models_part

    half = len(ARCHITECTURES)
    descriptions = [description for description in descriptions_then_plots[:half] if description]
    if not descriptions:
        raise InputError("There is no evaluated model to describe; run `kedro run --pipeline=evaluation` first")
    plots = dict(zip(ARCHITECTURES, descriptions_then_plots[half:], strict=True))
    return models_part(run, parameters, descriptions, {model: drawn for model, drawn in plots.items() if drawn})


def _title(run: RunParameters) -> str:
    from esm2_amp.evaluation.assessment import reported

    title = reported(run.data_name)
    return title[0].upper() + title[1:]
