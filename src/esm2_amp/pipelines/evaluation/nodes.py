"""Nodes of `evaluation` for one model: every held-out pair scored, the model measured and drawn."""

from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from esm2_amp.devices import resolve_device
from esm2_amp.evaluation import figures, plots
from esm2_amp.evaluation.assessment import assess
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.statistics.metrics import pair_metrics

REPORTED_SPLIT = "test"
"""The split that plots and comparisons show; metrics are written for validation too."""


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
        Columns of `identify`, then those of `Assessment.scores`; for a network that isn't symmetric also
        `SwappedLogit`, that of B-A.
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
    held_out = pairs[pairs["split"] != "train"]
    of_model = model.pairs(features, held_out)
    score = partial(score_pairs, model.network, batch_size=run.scoring_batch_size, device=resolve_device(run.device))
    identified = identify(held_out)
    assessment = assess(model.architecture, identified, score(of_model), parameters.threshold)
    scored = identified.join(assessment.scores)
    if not model.network.symmetric:
        scored["SwappedLogit"] = score(of_model.swapped())
        for split in ("validation", "test"):
            rows = scored[scored["Split"] == split]
            swapped = pair_metrics(rows["Label"], rows["SwappedLogit"])
            assessment.metrics[split]["auroc_swapped"] = swapped["auroc"]
    weights = sum(weight.numel() for weight in model.network.parameters())
    return ModelEvaluation(
        scored,
        assessment.metrics,
        _figures(scored, assessment.metrics["threshold"], f"{model.architecture}, {reported(run)}"),
        {"model": model.architecture, "weights": weights, "card": model.card},
    )


def reported(run: RunParameters) -> str:
    """What figures and tables of test pairs are of."""
    return f"{REPORTED_SPLIT} split of {run.data_name}"


def _figures(scored: pd.DataFrame, threshold: float, title: str) -> dict[str, Any]:
    test = scored[scored["Split"] == REPORTED_SPLIT]
    label, probability = test["Label"].to_numpy(), test["Probability"].to_numpy()
    return {
        "summary": figures.summary_figure(label, probability, title, threshold),
        "roc": plots.roc_plot(label, probability, title),
        "precision_recall": plots.precision_recall_plot(label, probability, title),
        "confusion": plots.confusion_plot(label, probability, title, threshold),
        "calibration": plots.calibration_plot(label, probability, title),
    }
