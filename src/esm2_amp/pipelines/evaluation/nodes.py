"""Nodes of `evaluation` for one model: every held-out pair scored, the model measured and drawn."""

from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import torch
from matplotlib.figure import Figure

from esm2_amp.devices import resolve_device
from esm2_amp.evaluation import figures, plots
from esm2_amp.evaluation.assessment import assess
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.model_training.nodes import check_rows
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


def score_model_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Score the validation and test pairs with one model, and measure how well scores and labels agree.

    Returns
    -------
    scored : DataFrame
        Columns of `identify`, then those of `Assessment.scores`; for a network that isn't symmetric also
        `SwappedLogit`, that of B-A.
    metrics : dict
        Of `Assessment`; for a network that isn't symmetric with `auroc_swapped` in each split.
    """
    check_rows(features, pairs)
    held_out = pairs[pairs["split"] != "train"]
    a, b = (torch.from_numpy(held_out[name].to_numpy("int64")) for name in ("a", "b"))
    table, device = features.select(model.network.protein_tokens), resolve_device(run.device)
    score = partial(score_pairs, model.network, table, batch_size=parameters.batch_size, device=device)
    identified = identify(held_out)
    assessment = assess(model.architecture, identified, score(a, b), parameters.threshold)
    scored = identified.join(assessment.scores)
    if not model.network.symmetric:
        scored["SwappedLogit"] = score(b, a)
        for split in ("validation", "test"):
            rows = scored[scored["Split"] == split]
            swapped = pair_metrics(rows["Label"], rows["SwappedLogit"])
            assessment.metrics[split]["auroc_swapped"] = swapped["auroc"]
    return scored, assessment.metrics


def plot_model(
    scored: pd.DataFrame, metrics: dict[str, Any], model: TrainedModel, run: RunParameters
) -> tuple[Figure, go.Figure, go.Figure, go.Figure, go.Figure]:
    """Draw how a model does on the test pairs: ROC and precision-recall curves, confusion matrix and calibration.

    Calibration asks whether of pairs scored 0.8 about 80 % interact. The first figure has all four.
    """
    test = scored[scored["Split"] == REPORTED_SPLIT]
    label, probability = test["Label"].to_numpy(), test["Probability"].to_numpy()
    title, threshold = f"{model.architecture}, {REPORTED_SPLIT} split of {run.data_name}", metrics["threshold"]
    return (
        figures.summary_figure(label, probability, title, threshold),
        plots.roc_plot(label, probability, title),
        plots.precision_recall_plot(label, probability, title),
        plots.confusion_plot(label, probability, title, threshold),
        plots.calibration_plot(label, probability, title),
    )
