"""The figures of explanations: for every method the tokens by importance, and what else a method's details show."""

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.explanation import figures
from esm2_amp.explanation.attention import READINGS
from esm2_amp.explanation.context import LatentContext, ModelContext
from esm2_amp.explanation.latent_figures import beeswarm_figure
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.results import (
    PAIR_COLUMNS,
    Explanation,
    Explanations,
    token_columns,
    token_intervals,
    token_table,
)
from esm2_amp.explanation.selection import is_true_positive, pair_ids

Figures = dict[str, Figure | dict[str, Figure]]
"""Figures by name, or by the name of a folder and their names within it."""


class Subject(NamedTuple):
    """What figures are about, for their titles.

    Attributes
    ----------
    model : str
        Name of the explained model.
    split : str
        Split of the explained pairs.
    data_name : str
        What figures call the data.
    """

    model: str
    split: str
    data_name: str

    def title(self, what: str, explained: pd.DataFrame) -> str:
        """A title that says what a figure shows, and of which model and pairs."""
        kind = "true positives" if is_true_positive(explained).all() else "pairs"
        return f"{self.model}, {what}\n{len(explained):,} {self.split} {kind} of {self.data_name}"


def draw_explanations(explanations: Explanations, context: ModelContext, subject: Subject) -> Figures:
    """Draw what methods found that explain a model by its own attention or gradients.

    Returns
    -------
    figures : dict
        `<method>_tokens` of each method; `attention_maps`, every layer's weights as the mean of all pairs and for each
        chosen pair; `integrated_gradients_pairs`, what each token adds to the score of each chosen pair.
    """
    drawn: Figures = {}
    for method, found in explanations.items():
        even = 1 / len(found.tokens) if method in READINGS else None
        title = subject.title(METHODS[method].name, context.explained)
        drawn[f"{method}_tokens"] = figures.token_bars(
            found.tokens, title, METHODS[method].unit, even=even, intervals=token_intervals(found.importance)
        )
        if "weights" in found.details:
            drawn["attention_maps"] = _attention_maps(found.details["weights"], context, subject)
        if "contributions" in found.details:
            drawn["integrated_gradients_pairs"] = _contribution_bars(found.details["contributions"], context, subject)
    return drawn


def draw_latent_explanations(
    explanations: Explanations, context: LatentContext, subject: Subject, remarks: dict[str, str]
) -> Figures:
    """Draw what methods on latents found.

    The titles end with `remarks`, by method how good its classifier is.

    Returns
    -------
    figures : dict
        `<method>_tokens` of each method, and `<method>_summary` of those with values of single pairs.
    """
    drawn: Figures = {}
    for method, found in explanations.items():
        name, unit = METHODS[method][:2]
        title = f"{subject.title(name, context.explained)}\n{remarks[method]}"
        if found.importance is None:
            title = f"{subject.model}, {name}\ntraining pairs of {subject.data_name}\n{remarks[method]}"
        drawn[f"{method}_tokens"] = figures.token_bars(
            found.tokens, title, unit, intervals=token_intervals(found.importance)
        )
        if "values" in found.details:
            drawn[f"{method}_summary"] = _summary(found, context, title, unit)
    return drawn


def _attention_maps(weights: Any, context: ModelContext, subject: Subject) -> dict[str, Figure]:
    names, (mean, *single) = weights.axes["key"].tolist(), weights.array
    maps = {"all_pairs": figures.attention_map(mean, names, subject.title("attention", context.explained))}
    ids = pair_ids(context.explained)
    for row, of_layers in zip(context.chosen, single, strict=True):
        title = f"{subject.model}, attention\n{_of_pair(context.explained.iloc[row])}"
        maps[ids[row]] = figures.attention_map(of_layers, names, title)
    return maps


def _contribution_bars(contributions: Any, context: ModelContext, subject: Subject) -> dict[str, Figure]:
    """For each chosen pair the tokens that raise the logit (right) and that lower it (left)."""
    names, ids, drawn = token_columns(contributions), pair_ids(contributions), {}
    for row in context.chosen:
        pair = contributions.iloc[row]
        title = f"{subject.model}, Integrated Gradients\n{_of_pair(pair)}"
        table = token_table(names, pair[names].astype(float))
        drawn[ids[row]] = figures.token_bars(table, title, "Contribution to the logit, by Integrated Gradients")
    return drawn


def _summary(found: Explanation, context: LatentContext, title: str, unit: str) -> Figure:
    values: Any = found.details["values"]
    by_column = values.drop(columns=PAIR_COLUMNS)
    signed = f"Attribution {unit[unit.rindex('(') :]}"  # the unit of single attributions
    return beeswarm_figure(by_column.to_numpy(), context.values, by_column.columns.tolist(), title, signed)


def _of_pair(pair: pd.Series) -> str:
    """A pair, its label where that is known, and its probability, for a title."""
    words = {0: "not interacting; ", 1: "interacting; "}
    label = words[pair["Label"]] if pd.notna(pair.get("Label")) else ""
    return f"{pair['Protein1']}-{pair['Protein2']} ({label}probability {pair['Probability']:.3f})"
