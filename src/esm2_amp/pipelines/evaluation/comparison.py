"""The node that sets all models side by side."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.evaluation import figures
from esm2_amp.evaluation.metrics import comparison_table
from esm2_amp.models.registry import MODELS
from esm2_amp.pipelines.evaluation.nodes import REPORTED_SPLIT
from esm2_amp.pipelines.model_training.nodes import RunParameters


def compare_models(run: RunParameters, *metrics_then_scored: Any) -> tuple[pd.DataFrame, Figure, Figure]:
    """One table and two figures of all models on the test pairs.

    Parameters
    ----------
    run : RunParameters
    *metrics_then_scored : dict, then DataFrame
        The metrics of every model of the registry, in its order, then their scored pairs.

    Returns
    -------
    table : DataFrame
        One row per model, best AUROC first.
    metrics_figure, curves_figure : Figure
    """
    count = len(MODELS)
    metrics = dict(zip(MODELS, (m[REPORTED_SPLIT] for m in metrics_then_scored[:count]), strict=True))
    scored = {
        model: table[table["Split"] == REPORTED_SPLIT]
        for model, table in zip(MODELS, metrics_then_scored[count:], strict=True)
    }
    table, title = comparison_table(metrics), f"{REPORTED_SPLIT.capitalize()} split of {run.data_name}"
    return table, figures.comparison_figure(table, title), figures.comparison_curves(scored, title)
