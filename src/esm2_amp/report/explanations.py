"""The chapter on the tokens that a model's scores rest on, and how far the explanations can be trusted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from esm2_amp.explanation.faithfulness import CURVES, RANDOM
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.results import Explanations
from esm2_amp.explanation.selection import is_true_positive
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.report import cautions
from esm2_amp.report.parts import (
    Block,
    Cell,
    Colours,
    Folded,
    Gallery,
    Group,
    Missing,
    Paragraph,
    Picture,
    Section,
    Table,
    interval_cells,
    named_after,
    number_cells,
    picture_of,
    shown_with_numbers,
    table_of,
    text_cells,
)

_CONTROLS: Final = ("randomised_weights", "agreement")
"""Parts that are folded: a caution stands at the top of the report where they cast doubt."""

_COMMAND: Final = "kedro run --pipeline=interpretability"
_TOP_TOKENS: Final = 3
_TOLERANCE: Final = 1e-3
"""Largest difference between probabilities of the same model, computed in batches of other sizes."""


def explanation_chapter(
    settings: ModelParameters, explained: pd.DataFrame | None, scored: pd.DataFrame, part: Section | None
) -> Section:
    """Show what a model's scores rest on, as far as that was found for the scores that it has now.

    Parameters
    ----------
    settings : ModelParameters
        Settings of the model.
    explained : DataFrame, optional
        `explained_pairs` of `interpretability`.
    scored : DataFrame
        The model's scored pairs.
    part : Section, optional
        Of `explanation_part`.
    """
    name = settings.network.architecture
    section = f"explanation-{name}", f"What the scores of {name} rest on"
    if explained is None or part is None:
        return Section(*section, [Missing(f"The scores of {name} aren't explained yet.", _COMMAND)])
    if not _is_of_same_model(explained, scored):
        words = f"The explanations that there are belong to an earlier {name}, with other scores."
        return Section(*section, [Missing(words, _COMMAND)])
    return Section(*section, part.blocks, part.cautions)


class Checks(NamedTuple):
    """What says how far explanations can be trusted.

    Attributes
    ----------
    planted_truth, faithfulness, randomised_weights, agreement : DataFrame
        Tables of `interpretability`.
    figures : mapping of PNGs
        The figure of each, by its name.
    """

    planted_truth: pd.DataFrame
    faithfulness: pd.DataFrame
    randomised_weights: pd.DataFrame
    agreement: pd.DataFrame
    figures: Mapping[str, bytes]


def explanation_part(
    name: str,
    auroc: float | None,
    explained: pd.DataFrame,
    of_pairs: Explanations,
    plots: Mapping[str, Any],
    checks: Checks,
    residues: Section,
    latents: Section | None,
) -> Section:
    """Show which tokens a model's scores rest on by each method, whether the methods agree, and whether they are right.

    Parameters
    ----------
    name : str
        Name of the model.
    auroc : float, optional
        Its AUROC on test pairs.
    explained : DataFrame
        `explained_pairs` of `interpretability`.
    of_pairs : dict of Explanation
        Explanations of these pairs by method, those on latents among them.
    plots : mapping of PNGs
        Figures of the explanations.
    checks : Checks
        How far they can be trusted.
    residues : Section
        Of `residue_part`.
    latents : Section, optional
        Of `latent_part`.
    """
    if latents is None or not any(METHODS[method].needs == "latents" for method in of_pairs):
        latents = Section("", "", [])  # those that there are explain other pairs
    planted, *others = _trust(name, checks)
    pictures = token_pictures(of_pairs, plots)
    blocks = [
        Paragraph(_introduction(explained)),
        *planted,
        *residues.blocks,
        *(block for blocks in others for block in blocks),
        *([Group("Tokens by importance", [Gallery(pictures)])] if pictures else []),
        *latents.blocks,
        *_maps(plots),
    ]
    warnings = list(cautions.of_explanation(name, checks._asdict(), auroc))
    return Section("explanation", name, blocks, [*warnings, *residues.cautions, *latents.cautions])


def _is_of_same_model(explained: pd.DataFrame, scored: pd.DataFrame) -> bool:
    """Whether pairs have the probabilities that the evaluation gave them; true where they have none in common."""
    both = explained.merge(scored, on=["Protein1", "Protein2"], suffixes=("", "Evaluated"))
    return bool(np.allclose(both["Probability"], both["ProbabilityEvaluated"], rtol=0, atol=_TOLERANCE))


def _introduction(explained: pd.DataFrame) -> str:
    return (
        f"All methods explain the same {len(explained):,} pairs, of which {is_true_positive(explained).sum():,} are "
        "interacting and predicted to be. A token is a tenth of a protein, segment0 to segment9, or its cls or eos."
    )


def _trust(name: str, checks: Checks) -> Iterator[list[Block]]:
    """The blocks of each check, the planted truth first; none where there is no table."""
    parts: dict[str, tuple[str, str, Callable[[pd.DataFrame], Table], Colours]] = {
        "planted_truth": (
            "Is it right? Planted truth",
            "How often the top tokens hold a planted site",
            _planted,
            "ink",
        ),
        "faithfulness": (
            "Does the score rest on it? Faithfulness",
            "Deletion and insertion of tokens",
            _faithfulness,
            "ink",
        ),
        "randomised_weights": (
            "Is it of what was learnt? Random weights",
            "Control with random weights",
            _randomised,
            "ink",
        ),
        "agreement": ("Do the methods agree?", "Rank correlations between the methods", _agreement, "scale"),
    }
    for part, (title, caption, table_from, colours) in parts.items():
        table: pd.DataFrame = getattr(checks, part)
        if table.empty:
            yield []
            continue
        numbers: list[Block] = [named_after(name, table_from(table))]
        blocks = shown_with_numbers(numbers, checks.figures.get(part), caption, colours=colours)
        yield [Folded(title, blocks) if part in _CONTROLS else Group(title, blocks)]


def _planted(table: pd.DataFrame) -> Table:
    columns = {"Method": _names(table["Method"].unique())}
    for top, rows in table.groupby("Top"):
        words = "top token" if top == 1 else f"top {top} tokens"
        columns[f"In the {words}"] = interval_cells(rows[["Rate", "Low", "High"]], ".0%")
        columns[f"By chance, {words}"] = number_cells(rows["Chance"], ".0%")
    pairs = table["Pairs"].iloc[0]
    return table_of(f"share of {pairs:,} recognised interacting pairs whose top tokens hold a planted site", columns)


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


def token_pictures(explanations: Explanations, drawn: Mapping[str, Any]) -> list[Picture]:
    """The figures of tokens by importance, with the first tokens in their descriptions.

    Parameters
    ----------
    explanations : dict of Explanation
        By method.
    drawn : mapping of PNGs
        `<method>_tokens` of the methods that are shown.
    """
    pictures = []
    for method, explanation in explanations.items():
        if (picture := drawn.get(f"{method}_tokens")) is None:
            continue
        tokens, (name, unit, *_) = explanation.tokens, METHODS[method]
        top = ", ".join(f"{row.Token} {row.Importance:.3g}" for row in tokens[:_TOP_TOKENS].itertuples())
        pictures.append(picture_of(picture, f"Bars of {len(tokens)} tokens by {name}, {unit}; first {top}"))
    return pictures


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
    return picture_of(png, alt, of, colours="scale")
