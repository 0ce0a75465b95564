"""The chapter on given pairs: what a model says of them, and which parts of the proteins its scores rest on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pandas as pd

from esm2_amp.explanation.methods import LOW_AUROC, METHODS
from esm2_amp.explanation.results import Explanations, importances, token_columns
from esm2_amp.explanation.selection import pair_ids
from esm2_amp.files import as_file_name
from esm2_amp.models.storage import caution_on_data
from esm2_amp.regions.protein_map import PairMap
from esm2_amp.regions.residue_plot import residue_plot
from esm2_amp.report.parts import (
    Block,
    Cell,
    Colours,
    Gallery,
    Group,
    Paragraph,
    Picture,
    Plot,
    Section,
    Table,
    number_cells,
    picture_of,
    plot_of,
    protein_cells,
    table_of,
    text_cells,
)
from esm2_amp.report.residues import agreement_table, deletion_words, masked_pairs_table, sum_caution, windows_table
from esm2_amp.screening.cautions import auroc_of


class ExplainedResidues(NamedTuple):
    """Residues of pairs as `esm2_amp.pipelines.explanation.nodes.explain_residues` gives them, and their regions.

    Attributes
    ----------
    residues, windows : DataFrame
        Empty where residues weren't explained.
    check : mapping
        How well residues add up to tokens.
    masked, masked_pairs : DataFrame
        Areas and pairs of `esm2_amp.explanation.residue_deletion.ResidueDeletion`; empty where no pair was scanned.
    agreement : DataFrame
        Of `esm2_amp.explanation.residue_tables.compare_measures`.
    masked_plot : PNG, optional
        What masking takes from the logits.
    regions : DataFrame, optional
        Annotated regions of the pairs' proteins.
    types : list of str
        Types of region that count.
    """

    residues: pd.DataFrame
    windows: pd.DataFrame
    check: Mapping[str, Any]
    masked: pd.DataFrame
    masked_pairs: pd.DataFrame
    agreement: pd.DataFrame
    masked_plot: bytes | None
    regions: pd.DataFrame | None = None
    types: Sequence[str] = ()


_TOP_TOKENS: Final = 3
_MOST_ROWS: Final = 200
_NO_REGIONS: Final = pd.DataFrame(columns=["Entry", "Type", "Start", "End", "Note"])
_SEEN: Final = {"C1": "both", "C2": "one", "C3": "none"}
_OF_PAIRS: Final[dict[str, tuple[str, Colours]]] = {
    "pair_maps": ("Map of {}: its segments shaded by importance, above annotated regions", "scale"),
    "integrated_gradients_pairs": (
        "Bars of the tokens that raise and lower the score of {}, by Integrated Gradients",
        "ink",
    ),
    "attention_maps": ("Heat maps of attention, {}: attending tokens in rows, tokens attended to in columns", "scale"),
}
"""Folders of figures of single pairs, what these show, and what their colours are."""


def explained_chapter(
    explained: pd.DataFrame,
    explanations: Explanations,
    plots: Mapping[str, Any],
    card: Mapping[str, Any],
    data_name: str,
    residues: ExplainedResidues,
) -> Section:
    """Show the score of each pair, its most important tokens and residues, and figures of single pairs.

    Parameters
    ----------
    explained : DataFrame
        Of `esm2_amp.pipelines.explanation.nodes.explain_given_pairs`.
    explanations : dict of Explanation
        By method.
    plots : mapping of PNGs
        Figures of the explanations, and the `pair_maps`.
    card : mapping
        What is known of the model.
    data_name : str
        What the pairs are called.
    residues : ExplainedResidues
        Residues of the pairs, and their regions.
    """
    blocks: list[Block] = [
        Paragraph(_introduction(explained, card, data_name)),
        _scores(explained),
        _top_tokens(explanations),
        *_windows(residues),
        *_masked(residues),
        *_single_pairs(explained, explanations, plots, residues),
    ]
    if len(explained) > 1:
        blocks += _all_pairs(explanations, plots)
    return Section(
        "pairs",
        f"{len(explained):,} {_pairs(explained)} of {data_name}",
        blocks,
        [*_cautions(card, explanations, residues)],
    )


def _pairs(explained: pd.DataFrame) -> str:
    return "pair" if len(explained) == 1 else "pairs"


def _introduction(explained: pd.DataFrame, card: Mapping[str, Any], data_name: str) -> str:
    reads = "segments, tenths of a protein"
    if card["architecture"] == "ESM2_DPM":
        reads = (
            "one vector of each protein, the mean over all its residues, and no segments: a tenth of a protein has no "
            "importance of its own, and counts by what its residues add together"
        )
    data = card.get("data", "data that its folder doesn't name")
    return (
        f"{card['name']} ({card['architecture']}), trained on {data}, scored {len(explained):,} {_pairs(explained)} of "
        f"{data_name}. It reads {reads}. A is the first protein of a pair, B the second. Importance says what a score "
        "rests on, which need not be where the proteins bind."
    )


def _scores(explained: pd.DataFrame) -> Table:
    first = explained.sort_values("Probability", ascending=False, kind="stable")[:_MOST_ROWS]
    columns: dict[str, list[Cell]] = {name: protein_cells(first[name], {}) for name in ("Protein1", "Protein2")}
    columns["Probability"] = number_cells(first["Probability"], ".4f")
    if "CalibratedProbability" in first:
        columns["Calibrated"] = number_cells(first["CalibratedProbability"], ".4f")
    columns["Called"] = text_cells(first["Prediction"].map({1: "interacting", 0: "not interacting"}))
    if "Label" in first:
        columns["Label"] = text_cells(first["Label"].map({1: "interacting", 0: "not interacting"}).fillna("unknown"))
    columns["Proteins seen in training"] = text_cells(first["Seen"].map(_SEEN).fillna("unknown"))
    return table_of(f"{_first(len(first), len(explained))} by probability", columns)


def _first(shown: int, of: int) -> str:
    return f"The first {shown:,} of {of:,} pairs" if shown < of else f"All {of:,} pairs" if of > 1 else "The pair"


def _top_tokens(explanations: Explanations) -> Table:
    tables = importances(explanations)
    first = next(iter(tables.values()))[:_MOST_ROWS]
    columns = {name: text_cells(first[name]) for name in ("Protein1", "Protein2")}
    for method, table in tables.items():
        tokens = table[token_columns(table)][:_MOST_ROWS]
        order = (-tokens.to_numpy(float)).argsort(axis=1, kind="stable")[:, :_TOP_TOKENS]
        names = tokens.columns.to_numpy()[order]
        columns[METHODS[method].name] = text_cells(", ".join(row) for row in names)
    return table_of("Most important tokens of each pair, by method", columns)


def _windows(residues: ExplainedResidues) -> Iterator[Block]:
    windows = residues.windows[:_MOST_ROWS]
    if windows.empty:
        return
    yield windows_table(windows)
    yield Paragraph(
        "The state of a residue holds its whole context, so that what it adds can't prove where the cause lies. "
        "Changing the sequence can: where a window carries the score, masking its residues lowers the logit. Windows "
        "on which both agree deserve trust first."
    )


def _masked(residues: ExplainedResidues) -> Iterator[Block]:
    """What masking residues takes from the logits of the pairs that were scanned."""
    if residues.masked.empty:
        return
    blocks: list[Block] = [
        Paragraph(deletion_words(residues.masked, residues.agreement)),
        masked_pairs_table(residues.masked_pairs[:_MOST_ROWS]),
        agreement_table(residues.agreement[:_MOST_ROWS]),
    ]
    if residues.masked_plot is not None:
        words = "Fall of the logit where the residues named first are masked, and where random windows are"
        blocks.append(Gallery([picture_of(residues.masked_plot, words)], is_wide=True))
    yield Group("Do the scores rest on these residues? Masked residues", blocks)


def _residue_plot(pair: pd.Series, importance: pd.DataFrame | None, residues: ExplainedResidues) -> Plot | None:
    """The interactive map of a pair; None where its residues weren't explained."""
    proteins = (pair["Protein1"], pair["Protein2"])
    table = residues.residues
    of_pair = table[(table["Protein1"] == proteins[0]) & (table["Protein2"] == proteins[1])]
    if of_pair.empty:
        return None
    lengths = of_pair.groupby("Side")["Residue"].max()
    regions = _NO_REGIONS if residues.regions is None else residues.regions
    shades = None if importance is None else importance.iloc[int(str(pair.name))]
    drawn = PairMap(
        proteins,
        (int(lengths["A"]), int(lengths["B"])),
        pd.DataFrame(),
        regions,
        list(residues.types),
        shades,
        "",
        of_pair,
    )
    figure = residue_plot(drawn)
    title = (
        "Residues: what each adds to the logit (up: for an interaction), and what the logit falls by where it is "
        "changed. Drag sideways to zoom until the sequence can be read; double-click to go back."
    )
    words = "Profiles of both proteins, residue by residue, above their segments and regions"
    return plot_of(figure, title, words, height=int(figure.layout.height), is_wide=True)


def _single_pairs(
    explained: pd.DataFrame, explanations: Explanations, plots: Mapping[str, Any], residues: ExplainedResidues
) -> Iterator[Block]:
    """The figures of each pair that has some, under its name and probability; of highest probability first."""
    order = explained["Probability"].sort_values(ascending=False, kind="stable").index
    ids = [as_file_name(name) for name in pair_ids(explained)]
    found = explanations.get("integrated_gradients")
    importance = None if found is None or found.importance is None else found.importance
    for row in order:
        name, pair = ids[row], explained.loc[row]
        pictures = [
            picture_of(plots[kind][name], words.format(name), colours=colours)
            for kind, (words, colours) in _OF_PAIRS.items()
            if name in (plots.get(kind) or {})
        ]
        if pictures:
            plot = _residue_plot(pair, importance, residues)
            title = f"{pair['Protein1']} and {pair['Protein2']}: probability {pair['Probability']:.3f}"
            yield Group(title, [*([plot] if plot else []), Gallery(pictures, is_wide=True)])


def _all_pairs(explanations: Explanations, plots: Mapping[str, Any]) -> Iterator[Block]:
    pictures: list[Picture] = []
    for method, found in explanations.items():
        if (png := plots.get(f"{method}_tokens")) is not None:
            name, unit, *_ = METHODS[method]
            pictures.append(
                picture_of(png, f"Bars of {len(found.tokens)} tokens by {name}, {unit}, the mean of all pairs")
            )
    if pictures:
        yield Group("Tokens by importance, the mean of all pairs", [Gallery(pictures)])


def _cautions(card: Mapping[str, Any], explanations: Explanations, residues: ExplainedResidues) -> Iterator[str]:
    if words := sum_caution(residues.check):
        yield f"{words}."
    if caution := caution_on_data(card["name"], card.get("data", "")):
        yield f"{caution}."
    measured = auroc_of(card)
    if measured is not None and measured[0] < LOW_AUROC:
        yield (
            f"{card['name']} hardly separates interacting pairs from others (AUROC {measured[0]:.2f} on its "
            f"{measured[1]}): what its scores rest on shows little about interaction."
        )
    if measured is None:
        yield f"How good {card['name']} is isn't known: its folder holds no metrics."
    for method, found in explanations.items():
        largest = found.check.get("largest_error")
        if largest is not None and largest > found.check["tolerance"]:
            outside = 1 - found.check["share_within_tolerance"]
            yield (
                f"{METHODS[method].name}: for {outside:.0%} of the pairs the parts don't add up to the score within "
                f"{found.check['tolerance']:.0%} of its difference from the baseline's (largest error {largest:.1%})."
            )
