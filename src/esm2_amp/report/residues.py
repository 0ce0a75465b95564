"""Parts of chapters on residues: what masking those named first takes from the logit, and whether measures agree."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from esm2_amp.explanation.residue_deletion import TOO_FEW
from esm2_amp.explanation.residue_tables import MEASURE_NAMES
from esm2_amp.report import cautions
from esm2_amp.report.parts import (
    Block,
    Caution,
    Folded,
    Group,
    Paragraph,
    Section,
    Table,
    interval_cells,
    named_after,
    number_cells,
    shown_with_numbers,
    table_of,
    text_cells,
)

_NAMED_BY = "Residues named by"
_MOST_ROWS: Final = 50


class ModelResidues(NamedTuple):
    """What was found out about the residues that a model's scores rest on, in tables of `interpretability`.

    Attributes
    ----------
    windows : DataFrame
        `residue_windows`; empty where residues weren't explained.
    check : mapping
        `residue_check`.
    planted : DataFrame
        `planted_residues`; empty where none are known.
    masked, masked_pairs, agreement : DataFrame
        `residue_deletion`, `residue_deletion_pairs` and `residue_agreement`; empty where no pair was scanned.
    """

    windows: pd.DataFrame
    check: Mapping[str, Any]
    planted: pd.DataFrame
    masked: pd.DataFrame
    masked_pairs: pd.DataFrame
    agreement: pd.DataFrame


def residue_part(name: str, found: ModelResidues, plots: Mapping[str, bytes]) -> Section:
    """Show which residues a model's scores rest on, and how far to trust that.

    Parameters
    ----------
    name : str
        Name of the model.
    found : ModelResidues
        What was found out.
    plots : mapping of PNGs
        `planted_residues` and `residue_deletion`, as far as they were drawn.
    """
    blocks: list[Block] = []
    warnings: list[Caution] = []
    if len(found.planted):
        table = named_after(name, planted_table(found.planted))
        caption = "Residues of planted motifs among the top ones"
        shown = shown_with_numbers([table], plots.get("planted_residues"), caption)
        blocks.append(Group("Is it right to the residue? Planted motifs", shown))
    if len(found.masked):
        words = Paragraph(deletion_words(found.masked, found.agreement))
        caption = "Fall of the logit where the residues named first are masked, and where random windows are"
        numbers: list[Block] = [words, named_after(name, deletion_table(found.masked))]
        shown = shown_with_numbers(numbers, plots.get("residue_deletion"), caption)
        of_pairs = Folded("Pair by pair", [named_after(name, masked_pairs_table(found.masked_pairs[:_MOST_ROWS]))])
        blocks.append(Group("Does the score rest on those residues? Masked residues", [*shown, of_pairs]))
        warnings += cautions.of_residues(name, found.masked)
    if len(found.windows):
        table = named_after(name, windows_table(found.windows[:_MOST_ROWS]))
        blocks.append(Folded("The residues that add most to the scores", [table]))
    if words_of_sums := sum_caution(found.check):
        warnings.append(Caution(words_of_sums, name))
    return Section("residues", name, blocks, warnings)


def deletion_words(areas: pd.DataFrame, agreement: pd.DataFrame | None) -> str:
    """What masking residues takes from the logits of pairs, in sentences.

    Parameters
    ----------
    areas : DataFrame
        Of `esm2_amp.explanation.residue_deletion.ResidueDeletion`, not empty.
    agreement : DataFrame, optional
        Of `esm2_amp.explanation.residue_tables.compare_measures`.
    """
    return " ".join(_sentences(areas, agreement))


def _sentences(areas: pd.DataFrame, agreement: pd.DataFrame | None) -> Iterator[str]:
    (found,) = areas[areas["Method"] == "Attribution"].to_dict("records")
    difference, n_pairs = found["Difference"], found["Pairs"]
    spread = f"95 % interval {found['Low']:+.2f} to {found['High']:+.2f}"
    yield (
        f"Masking the residues named first by Integrated Gradients lowers the logit by {abs(difference):.2f} "
        f"{'more' if difference >= 0 else 'less'} than masking random windows of the same sizes "
        f"({n_pairs:,} {'pair' if n_pairs == 1 else 'pairs'}, "
        f"{'too few for an interval' if found['Verdict'] == TOO_FEW else spread}; the mean over shares up to "
        f"{found['UpTo']:.0%} of the residues)."
    )
    yield (
        "The order by changed sequence is itself found by masking: it says how far the logit can be brought down, and "
        "is no test."
    )
    if agreement is not None and len(agreement):
        yield (
            "Along a protein, what its residues add and what the logit falls by where they are changed have a rank "
            f"correlation of {agreement['Correlation'].median():.2f}, and their peaks are "
            f"{agreement['Distance'].median():.0f} residues apart (medians of {len(agreement):,} proteins of pairs)."
        )


def deletion_table(areas: pd.DataFrame) -> Table:
    """Show what masking residues takes from the logits of pairs.

    Parameters
    ----------
    areas : DataFrame
        Of `esm2_amp.explanation.residue_deletion.ResidueDeletion`.
    """
    return table_of(
        "fall of the logit where residues are masked, the mean over the shares; differences with 95 % intervals",
        {
            _NAMED_BY: text_cells(areas["Method"].map(MEASURE_NAMES)),
            "Logit falls by": number_cells(areas["Fall"], "z.2f"),
            "By random windows": number_cells(areas["RandomFall"], "z.2f"),
            "Difference": interval_cells(areas[["Difference", "Low", "High"]], "+z.2f"),
            "Verdict": text_cells(areas["Verdict"]),
        },
    )


def sum_caution(check: Mapping[str, Any]) -> str:
    """What to know where residues don't add up to tokens, without a full stop; empty where they do.

    Parameters
    ----------
    check : mapping
        `residue_check`: the `share_within_tolerance` of pairs and the `tolerance`; empty without residues.
    """
    share = check.get("share_within_tolerance", 1)
    if share == 1:
        return ""
    return (
        f"Residues don't add up to their tokens within {check['tolerance']:g} of the score's difference for "
        f"{1 - share:.0%} of the pairs"
    )


def windows_table(windows: pd.DataFrame) -> Table:
    """Show the windows of residues that add most to the score of each pair.

    Parameters
    ----------
    windows : DataFrame
        Of `esm2_amp.explanation.residue_tables.strongest_windows`.
    """
    columns = {name: text_cells(windows[name]) for name in ("Protein1", "Protein2", "Side")}
    columns["Residues"] = text_cells(f"{row.Start}–{row.End}" for row in windows.itertuples())
    columns["Sequence"] = text_cells(windows["Sequence"])
    columns["Adds to the logit"] = number_cells(windows["Attribution"], "+z.3f")
    columns["Changed, the logit falls by"] = number_cells(windows["ScanEffect"], "+z.3f")
    return table_of("The windows of residues that add most to the score of each pair, by Integrated Gradients", columns)


def planted_table(table: pd.DataFrame) -> Table:
    """Show how often measures of residues find planted motifs.

    Parameters
    ----------
    table : DataFrame
        Of `esm2_amp.explanation.planted_residues.planted_residues`, not empty.
    """
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


def masked_pairs_table(of_pairs: pd.DataFrame) -> Table:
    """Show what masking residues takes from the logit of each pair.

    Parameters
    ----------
    of_pairs : DataFrame
        The pairs of `esm2_amp.explanation.residue_deletion.ResidueDeletion`.
    """
    placements = zip(of_pairs["Exceeded"], of_pairs["Placements"], strict=True)
    return table_of(
        "Fall of each pair's logit where the residues named first are masked, and where random windows are",
        {
            "Protein1": text_cells(of_pairs["Protein1"]),
            "Protein2": text_cells(of_pairs["Protein2"]),
            _NAMED_BY: text_cells(of_pairs["Method"].map(MEASURE_NAMES)),
            "Logit falls by": number_cells(of_pairs["Fall"], "z.2f"),
            "By random windows": number_cells(of_pairs["RandomFall"], "z.2f"),
            "Difference": number_cells(of_pairs["Difference"], "+z.2f"),
            "Falls more than": text_cells(f"{number} of {of} placements" for number, of in placements),
        },
    )


def agreement_table(agreement: pd.DataFrame) -> Table:
    """Show for each protein whether both measures point at the same residues.

    Parameters
    ----------
    agreement : DataFrame
        Of `esm2_amp.explanation.residue_tables.compare_measures`.
    """
    columns = {name: text_cells(agreement[name]) for name in ("Protein1", "Protein2", "Side")}
    columns["Rank correlation"] = number_cells(agreement["Correlation"], "z.2f")
    peaks = {"Peak of what residues add": "AttributionPeak", "Peak where changed": "ScanPeak", "Apart": "Distance"}
    columns |= {words: number_cells(agreement[name], ".0f") for words, name in peaks.items()}
    return table_of("What residues add and what changing them takes, along each protein of the scanned pairs", columns)
