"""The chapter on the tokens that a model's scores rest on, and how far the explanations can be trusted."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from esm2_amp.explanation.faithfulness import CURVES, RANDOM
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.results import Explanations, of_same_pairs
from esm2_amp.explanation.selection import is_true_positive
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.report import cautions
from esm2_amp.report.parts import (
    Block,
    Cell,
    Folded,
    Gallery,
    Group,
    Missing,
    Paragraph,
    Picture,
    Section,
    Table,
    interval_cells,
    number_cells,
    picture_of,
    table_of,
    text_cells,
)
from esm2_amp.report.residues import deletion_table, deletion_words

_CLASSIFIERS: Final = ("forest_metrics", "network_metrics")
"""Metrics of the classifiers whose scores are explained on latents."""

_CONTROLS: Final = ("randomised_weights", "agreement")
"""Parts that are folded: a caution stands at the top of the report where they cast doubt."""

_COMMAND: Final = "kedro run --pipeline=interpretability"
_TOP_TOKENS: Final = 3
_TOLERANCE: Final = 1e-3
"""Largest difference between probabilities of the same model, computed in batches of other sizes."""


def explanation_chapter(
    settings: ModelParameters,
    explained: pd.DataFrame | None,
    scored: pd.DataFrame,
    metrics: dict[str, Any],
    explanations: Explanations | None,
    latent_explanations: Explanations | None,
    plots: dict[str, Any] | None,
    latent_plots: dict[str, Any] | None,
    **found: Any | None,
) -> Section:
    """Show which tokens a model's scores rest on by each method, whether the methods agree, and whether they are right.

    Parameters
    ----------
    settings : ModelParameters
        Settings of the model.
    explained : DataFrame, optional
        `explained_pairs` of `interpretability`.
    scored : DataFrame
        The model's scored pairs.
    metrics : dict
        The model's metrics, of `evaluation`.
    explanations, latent_explanations : dict of Explanation, optional
        Explanations by method.
    plots, latent_plots : dict of PNGs, optional
        Figures of the explanations.
    **found
        `agreement`, `faithfulness`, `randomised_weights`, `planted_truth`, `planted_residues`, `residue_deletion`, the
        figure `<table>_plot` of each, `residue_agreement`, and
        `forest_metrics` and `network_metrics` of the classifiers of latents; None where not made yet.
    """
    name = settings.network.architecture
    section = f"explanation-{name}", f"What the scores of {name} rest on"
    if explained is None or not explanations:
        return Section(*section, [Missing(f"The scores of {name} aren't explained yet.", _COMMAND)])
    if not _is_of_same_model(explained, scored):
        words = f"The explanations that there are belong to an earlier {name}, with other scores."
        return Section(*section, [Missing(words, _COMMAND)])
    of_pairs = of_same_pairs(explained, explanations, latent_explanations)
    if not any(METHODS[method].needs == "latents" for method in of_pairs):
        found |= dict.fromkeys(_CLASSIFIERS)  # of other explanations than those shown
    pictures = (plots or {}) | (latent_plots or {})
    blocks = [Paragraph(_introduction(explained)), *_trust(name, found), *_tokens(of_pairs, pictures), *_maps(pictures)]
    warnings = list(cautions.of_explanation(name, found, metrics["test"]["auroc"]))
    return Section(*section, blocks, warnings)


def _is_of_same_model(explained: pd.DataFrame, scored: pd.DataFrame) -> bool:
    """Whether pairs have the probabilities that the evaluation gave them; true where they have none in common."""
    both = explained.merge(scored, on=["Protein1", "Protein2"], suffixes=("", "Evaluated"))
    return bool(np.allclose(both["Probability"], both["ProbabilityEvaluated"], rtol=0, atol=_TOLERANCE))


def _introduction(explained: pd.DataFrame) -> str:
    return (
        f"All methods explain the same {len(explained):,} pairs, of which {is_true_positive(explained).sum():,} are "
        "interacting and predicted to be. A token is a tenth of a protein, segment0 to segment9, or its cls or eos."
    )


def _trust(name: str, found: Mapping[str, Any]) -> Iterator[Block]:
    parts = {
        "planted_truth": ("Is it right? Planted truth", "How often the top tokens hold a planted site", _planted),
        "planted_residues": (
            "Is it right to the residue? Planted motifs",
            "Residues of planted motifs among the top ones",
            _residues,
        ),
        "residue_deletion": (
            "Does the score rest on those residues? Masked residues",
            "Fall of the logit where the residues named first are masked, and where random windows are",
            deletion_table,
        ),
        "faithfulness": ("Does the score rest on it? Faithfulness", "Deletion and insertion of tokens", _faithfulness),
        "randomised_weights": ("Is it of what was learnt? Random weights", "Control with random weights", _randomised),
        "agreement": ("Do the methods agree?", "Rank correlations between the methods", _agreement),
    }
    for part, (title, caption, table_from) in parts.items():
        table, picture = found.get(part), found.get(f"{part}_plot")
        if table is None or table.empty:
            continue
        of_model = table_from(table)
        blocks: list[Block] = [of_model._replace(caption=f"{name}: {of_model.caption}")]
        if part == "residue_deletion":
            blocks.insert(0, Paragraph(deletion_words(table, found.get("residue_agreement"))))
        if picture is not None:
            alt = f"{caption}; the table has the same in numbers"
            blocks = [Gallery([picture_of(picture, alt)], is_wide=True), Folded("The same in numbers", blocks)]
        yield Folded(title, blocks) if part in _CONTROLS else Group(title, blocks)


def _planted(table: pd.DataFrame) -> Table:
    columns = {"Method": _names(table["Method"].unique())}
    for top, rows in table.groupby("Top"):
        words = "top token" if top == 1 else f"top {top} tokens"
        columns[f"In the {words}"] = interval_cells(rows[["Rate", "Low", "High"]], ".0%")
        columns[f"By chance, {words}"] = number_cells(rows["Chance"], ".0%")
    pairs = table["Pairs"].iloc[0]
    return table_of(f"share of {pairs:,} recognised interacting pairs whose top tokens hold a planted site", columns)


def _residues(table: pd.DataFrame) -> Table:
    first = table.iloc[0]
    columns = {
        "Measure": text_cells(table["Method"]),
        "Proteins": number_cells(table["Proteins"], ",.0f"),
        f"Of the motif among the top {first['Top']}": interval_cells(table[["Share", "Low", "High"]], ".0%"),
        "Median": number_cells(table["MedianShare"], ".0%"),
        "By chance": number_cells(table["ShareByChance"], ".0%"),
        f"Peaks up to {first['Near']} residues away": interval_cells(
            table[["AtMotif", "AtMotifLow", "AtMotifHigh"]], ".0%"
        ),
        "Peaks by chance": number_cells(table["AtMotifByChance"], ".0%"),
    }
    return table_of("planted motifs in recognised interacting pairs; the sequences of few are changed", columns)


def _faithfulness(table: pd.DataFrame) -> Table:
    table = table[table["Method"] != RANDOM]
    columns = {"Method": _names(table["Method"].unique())}
    for curve, sign in CURVES.items():
        rows = table[table["Curve"] == curve]
        name, better = curve.capitalize(), "negative" if sign < 0 else "positive"
        differences = rows[["Difference", "DifferenceLow", "DifferenceHigh"]]
        columns[f"{name} ({better} is better)"] = interval_cells(differences, "+z.3f")
        columns[f"{name}: verdict"] = text_cells(rows["Verdict"])
    return table_of("area under the curve minus that of random orders of tokens, with 95 % intervals", columns)


def _randomised(table: pd.DataFrame) -> Table:
    last = table[table["Stage"] == table["Stage"].max()]
    correlations = interval_cells(last[["Correlation", "Low", "High"]], "z.2f")
    caption = "rank correlation with the trained model's explanation once all weights are random; median and quartiles"
    return table_of(caption, {"Method": _names(last["Method"]), "Correlation": correlations})


def _agreement(table: pd.DataFrame) -> Table:
    columns = {"Method": _names(table["MethodA"].unique())}
    for other, rows in table.groupby("MethodB", sort=False):
        columns[METHODS[str(other)].name] = number_cells(rows["OfMeans"], "z.2f")
    return table_of("rank correlations of mean importances over all explained pairs", columns)


def _names(methods: Iterable[str]) -> list[Cell]:
    return text_cells(METHODS[method].name for method in methods)


def _tokens(explanations: Explanations, drawn: Mapping[str, Any]) -> Iterator[Block]:
    pictures = []
    for method, explanation in explanations.items():
        if (picture := drawn.get(f"{method}_tokens")) is None:
            continue
        tokens, (name, unit, *_) = explanation.tokens, METHODS[method]
        top = ", ".join(f"{row.Token} {row.Importance:.3g}" for row in tokens[:_TOP_TOKENS].itertuples())
        pictures.append(picture_of(picture, f"Bars of {len(tokens)} tokens by {name}, {unit}; first {top}"))
    if pictures:
        yield Group("Tokens by importance", [Gallery(pictures)])


def _maps(drawn: Mapping[str, Any]) -> Iterator[Block]:
    maps, gradients = drawn.get("attention_maps", {}), drawn.get("integrated_gradients_pairs", {})
    pictures = [_map(pair, png) for pair, png in maps.items()]
    if pictures:
        yield Folded("Attention, layer by layer", [Gallery(pictures, is_wide=True)])
    if gradients:
        words = "Bars of the tokens that raise and lower the score of {}, by Integrated Gradients"
        chosen = [picture_of(png, words.format(pair), pair) for pair, png in gradients.items()]
        yield Group("Chosen pairs by Integrated Gradients", [Gallery(chosen)])


def _map(pair: str, png: bytes) -> Picture:
    of = "the mean of all explained pairs" if pair == "all_pairs" else pair
    alt = f"Heat maps of attention, {of}: attending tokens in rows, tokens attended to in columns, a panel per layer"
    return picture_of(png, alt, of)
