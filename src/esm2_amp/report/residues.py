"""Parts of chapters on residues: what masking those named first takes from the logit, and whether measures agree."""

from collections.abc import Iterator

import pandas as pd

from esm2_amp.explanation.residue_deletion import TOO_FEW
from esm2_amp.explanation.residue_tables import MEASURE_NAMES
from esm2_amp.report.parts import Table, interval_cells, number_cells, table_of, text_cells

_NAMED_BY = "Residues named by"


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
