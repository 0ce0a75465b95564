"""Nodes of `evaluation`: every pair scored, every model measured, all models side by side."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import torch
from matplotlib.figure import Figure
from pydantic import Field

from esm2_amp.encoder.embedding import resolve_device
from esm2_amp.evaluation import figures, plots
from esm2_amp.evaluation.metrics import decisions, pair_metrics, sigmoid
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters import Parameters
from esm2_amp.pipelines.model_training.nodes import RunParameters, check_rows
from esm2_amp.training.score import score_pairs

REPORTED_SPLIT = "test"
"""The split that plots and comparisons show; metrics are written for validation too."""


class EvaluationParameters(Parameters):
    """How pairs are scored.

    Attributes
    ----------
    threshold : float
        Probability from which a pair is called interacting.
    batch_size : int
        Pairs scored at once.
    """

    threshold: float = Field(gt=0, lt=1)
    batch_size: int = Field(ge=1)


def score_model_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Score the validation and test pairs with one model.

    Returns
    -------
    scored : DataFrame
        Columns `Protein1`, `Protein2`, `Split`, `Seen`, `Label`, `Logit`, `Probability`, `Prediction`.
    """
    check_rows(features, pairs)
    held_out = pairs[pairs["split"] != "train"]
    table = features.select(model.network.protein_tokens)
    a, b = (torch.from_numpy(held_out[name].to_numpy("int64")) for name in ("a", "b"))
    device = resolve_device(run.device)
    logit = score_pairs(model.network, table, a, b, batch_size=parameters.batch_size, device=device)
    probability = sigmoid(logit)
    return pd.DataFrame(
        {
            "Protein1": held_out["Protein1"],
            "Protein2": held_out["Protein2"],
            "Split": held_out["split"],
            "Seen": held_out["seen"],
            "Label": held_out["label"].astype("int8"),
            "Logit": logit,
            "Probability": probability,
            "Prediction": decisions(probability, parameters.threshold),
        }
    ).reset_index(drop=True)


def measure_model(scored: pd.DataFrame, parameters: EvaluationParameters) -> dict[str, dict[str, Any]]:
    """All metrics of one model, for the validation and the test split."""
    return {
        str(split): pair_metrics(part["Label"].to_numpy(), part["Logit"].to_numpy(), parameters.threshold)
        for split, part in scored.groupby("Split", sort=False)
    }


def plot_model(
    scored: pd.DataFrame, model: TrainedModel, parameters: EvaluationParameters, run: RunParameters
) -> tuple[Figure, go.Figure, go.Figure, go.Figure, go.Figure]:
    """A summary figure, and ROC, precision-recall, confusion and calibration each, of the test pairs."""
    test = scored[scored["Split"] == REPORTED_SPLIT]
    label, probability = test["Label"].to_numpy(), test["Probability"].to_numpy()
    title = f"{model.architecture}, {REPORTED_SPLIT} split of {run.data_name}"
    return (
        figures.summary_figure(label, probability, title, parameters.threshold),
        plots.roc_plot(label, probability, title),
        plots.precision_recall_plot(label, probability, title),
        plots.confusion_plot(label, probability, title, parameters.threshold),
        plots.calibration_plot(label, probability, title),
    )
