"""Nodes of `model_release`: a trained and measured model as a folder to give away, with its card."""

import math
from collections.abc import Hashable

import pandas as pd

from esm2_amp.columns import column_name
from esm2_amp.parameters.model_release import ReleaseParameters
from esm2_amp.pipelines.types import TrainedModel

REPORTED = {
    "accuracy": "accuracy",
    "mcc": "MCC",
    "auroc": "AUROC",
    "aupr": "AUPR",
    "precision_at_1_10": "precision at 1:10",
    "precision_at_1_100": "precision at 1:100",
}
"""Metrics that a card has, and what it calls them."""


def release_model(
    model: TrainedModel, comparison: pd.DataFrame, parameters: ReleaseParameters
) -> tuple[TrainedModel, str]:
    """A model with its measured quality in its card, and the card as a page.

    Parameters
    ----------
    model : TrainedModel
        The network, and what is known of its training.
    comparison : DataFrame
        `model_comparison` of `evaluation`: the model and the baselines on the same test pairs.
    parameters : ReleaseParameters
        What the card says.

    Returns
    -------
    released : TrainedModel
        The same network; the card also has `name` and `evaluation`, the model's and the baselines' metrics with
        their 95 % intervals as (value, low, high).
    page : str
        Markdown with the head that model hubs read.
    """
    from esm2_amp.evaluation.baselines import BASELINES
    from esm2_amp.report.cards import MeasuredValue, model_card

    shown = comparison[comparison["Model"].isin([model.architecture, *BASELINES])].set_index("Model")
    metrics = {name: {metric: _with_interval(row, metric) for metric in REPORTED} for name, row in shown.iterrows()}
    evaluation = {"split": "test", "pairs": int(shown["Pairs"].iloc[0]), "metrics": metrics}
    card = {**model.card, "name": parameters.name, "evaluation": evaluation}
    page = model_card(
        "pair_model.md.j2",
        name=parameters.name,
        licence=parameters.licence,
        tags=["biology", "protein-protein-interaction", "esm"],
        task="protein-protein interaction prediction",
        measured=[
            MeasuredValue(f"test split of {card['data']}", REPORTED[metric], value)
            for metric, (value, *_) in metrics[model.architecture].items()
            if value is not None
        ],
        card=card,
        training=card["settings"]["training"],
        parameters=parameters,
        columns=REPORTED,
        table=[[_shown(name), *map(_in_words, of_model.values())] for name, of_model in metrics.items()],
        network=model.network.sizes,
        weights=model.weights,
    )
    return model._replace(card=card), page


def _with_interval(row: pd.Series, metric: str) -> list[float | None]:
    name = column_name(metric)
    values = row[[name, f"{name}Low", f"{name}High"]].astype(float)
    return [None if math.isnan(value) else value for value in values]


def _shown(name: Hashable) -> str:
    from esm2_amp.evaluation.baselines import BASELINES

    return str(name).replace("_", " ") if name in BASELINES else f"`{name}`"


def _in_words(interval: list[float | None]) -> str:
    value, low, high = ("–" if end is None else f"{end:.3f}" for end in interval)
    return f"{value} ({low} to {high})"
