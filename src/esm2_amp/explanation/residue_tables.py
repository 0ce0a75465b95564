"""Residues of explained pairs as tables, and as text for genome browsers and for molecular graphics."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.explanation.agreement import rank_correlation
from esm2_amp.explanation.planted_residues import peak_of
from esm2_amp.explanation.residues import Profiles, smoothed
from esm2_amp.explanation.results import importance_table, token_columns
from esm2_amp.protein import SEGMENTS, SIDES, segment_bounds

RESIDUE_COLUMNS: Final = ("Protein1", "Protein2", "Side", "Residue", "AminoAcid", "Attribution", "ScanEffect")
MEASURES: Final = ("Attribution", "ScanEffect")
"""What a residue adds to the logit by its state, and what its pair's logit falls by where its window is replaced."""

MEASURE_NAMES: Final = {"Attribution": "Integrated Gradients", "ScanEffect": "Changed sequence"}
"""What tables and figures call the measures."""

WINDOW_COLUMNS: Final = ("Protein1", "Protein2", "Side", "Rank", "Start", "End", "Sequence", *MEASURES)

_ATTRIBUTES: Final = {"Attribution": "esm2ampAttribution", "ScanEffect": "esm2ampScanEffect"}
"""Names of the measures in ChimeraX."""


def no_residues() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of residues and of windows where residues can't be explained."""
    return pd.DataFrame(columns=list(RESIDUE_COLUMNS)), pd.DataFrame(columns=list(WINDOW_COLUMNS))


def residue_table(
    explained: pd.DataFrame,
    sequences: Mapping[str, str],
    attribution: Profiles,
    scan_effect: Profiles | None = None,
) -> pd.DataFrame:
    """Every residue of every pair with what both measures say of it.

    Parameters
    ----------
    explained : DataFrame, B rows
        `Protein1`, `Protein2`; each pair once.
    sequences : mapping of str to str
        Sequences by the names of the proteins.
    attribution : list of B tuples of two ndarray
        What each residue of both partners adds to the logit.
    scan_effect : list of B tuples of two ndarray, optional
        What replacing its window takes from the logit; NaN without it.

    Returns
    -------
    table : DataFrame
        `RESIDUE_COLUMNS`: pair by pair the residues of A, then those of B. `Side` is A or B, `Residue` is 1-based.
    """
    parts = []
    for pair, partners in enumerate(explained[["Protein1", "Protein2"]].itertuples(index=False)):
        for number, side in enumerate(SIDES):
            sequence = sequences[partners[number]]
            effect = np.full(len(sequence), np.nan) if scan_effect is None else scan_effect[pair][number]
            columns = (*partners, side, np.arange(1, len(sequence) + 1), list(sequence),
                       attribution[pair][number], effect)  # fmt: skip
            parts.append(pd.DataFrame(dict(zip(RESIDUE_COLUMNS, columns, strict=True))))
    return pd.concat(parts, ignore_index=True)


def profiles_of(table: pd.DataFrame, explained: pd.DataFrame, measure: str) -> Profiles:
    """The values of the residues of some pairs, from the table of all.

    Parameters
    ----------
    table : DataFrame
        As from `residue_table`.
    explained : DataFrame, B rows
        `Protein1`, `Protein2`.
    measure : str
        Name of the column with the values.

    Returns
    -------
    profiles : list of B tuples of two ndarray, shapes (L of A,) and (L of B,), float64
    """
    values = {
        key: of_side.to_numpy(np.float64)
        for key, of_side in table.groupby(["Protein1", "Protein2", "Side"], sort=False)[measure]
    }
    pairs = zip(explained["Protein1"], explained["Protein2"], strict=True)
    return [(values[*pair, SIDES[0]], values[*pair, SIDES[1]]) for pair in pairs]


def segment_sums(table: pd.DataFrame, explained: pd.DataFrame) -> pd.DataFrame:
    """What the residues of each tenth of a protein add to the logit together.

    For models that read whole proteins, in which a segment has no importance of its own.

    Parameters
    ----------
    table : DataFrame
        As from `residue_table`.
    explained : DataFrame
        `Protein1`, `Protein2` and what else is known of the pairs.

    Returns
    -------
    sums : DataFrame
        Of the pairs that are in both tables, in the order of the second: its columns, and `A_segment0` …
        `B_segment9`.
    """
    pairs = explained.merge(table[["Protein1", "Protein2"]].drop_duplicates(), on=["Protein1", "Protein2"])
    sums = [np.concatenate([_sums_of_tenths(of_a), _sums_of_tenths(of_b)])
            for of_a, of_b in profiles_of(table, pairs, "Attribution")]  # fmt: skip
    return importance_table(pairs, sums, SEGMENTS)


def _sums_of_tenths(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.diff(np.concatenate([[0.0], np.cumsum(values)])[segment_bounds(len(values))])


def scanned_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """`Protein1`, `Protein2` of the pairs whose sequences were changed, in the order of the table.

    Parameters
    ----------
    table : DataFrame
        As from `residue_table`.
    """
    scanned = table.loc[table["ScanEffect"].notna(), ["Protein1", "Protein2"]]
    return scanned.drop_duplicates(ignore_index=True)


def strongest_windows(table: pd.DataFrame, window: int, count: int) -> pd.DataFrame:
    """The windows of each protein that add most to the logit, none of which overlaps another.

    Parameters
    ----------
    table : DataFrame
        As from `residue_table`.
    window : int
        Residues of a window; a shorter protein is one window.
    count : int
        The most windows of a protein.

    Returns
    -------
    windows : DataFrame
        `Protein1`, `Protein2`, `Side`, `Rank` from 1, `Start`, `End` (1-based, inclusive), `Sequence`, `Attribution`,
        the sum over the window, and `ScanEffect`, the mean over it.
    """
    rows = []
    for (first, second, side), of_protein in table.groupby(["Protein1", "Protein2", "Side"], sort=False):
        letters = "".join(of_protein["AminoAcid"])
        attribution, effect = (of_protein[measure].to_numpy(np.float64) for measure in MEASURES)
        for rank, start in enumerate(_best_starts(attribution, window, count), start=1):
            within = slice(start, start + window)
            sums = attribution[within].sum(), effect[within].mean()
            end = min(start + window, len(letters))
            rows.append((first, second, side, rank, start + 1, end, letters[within], *sums))
    return pd.DataFrame(rows, columns=list(WINDOW_COLUMNS))


def _best_starts(values: np.ndarray, window: int, count: int) -> list[int]:
    """0-based starts of the windows of highest sum, the highest first; each next one overlaps none before it."""
    size = min(window, len(values))
    sums = np.convolve(values, np.ones(size), mode="valid")
    starts: list[int] = []
    while len(starts) < count and np.isfinite(sums).any():
        best = int(np.argmax(sums))
        starts.append(best)
        sums[max(0, best - size + 1) : best + size] = -np.inf
    return starts


def compare_measures(table: pd.DataFrame, smoothing: int) -> pd.DataFrame:
    """Whether both measures point at the same residues of each protein: where they don't, trust neither alone.

    Parameters
    ----------
    table : DataFrame
        As from `residue_table`; proteins that weren't scanned are left out.
    smoothing : int
        Residues over which the profiles are averaged before they are compared.

    Returns
    -------
    compared : DataFrame
        `Protein1`, `Protein2`, `Side`; Spearman's `Correlation` of the profiles, NaN where one is flat; the residues
        `AttributionPeak` and `ScanPeak` (1-based) at which they are highest, and their `Distance`.
    """
    rows = []
    known = table[table["ScanEffect"].notna()]
    for key, of_protein in known.groupby(["Protein1", "Protein2", "Side"], sort=False):
        profiles = [of_protein[measure].to_numpy(np.float64) for measure in MEASURES]
        peaks = [peak_of(profile, smoothing) + 1 for profile in profiles]
        correlation = rank_correlation(*(smoothed(profile, smoothing)[None] for profile in profiles)).item()
        rows.append((*key, correlation, *peaks, abs(peaks[0] - peaks[1])))
    names = ["Protein1", "Protein2", "Side", "Correlation", "AttributionPeak", "ScanPeak", "Distance"]
    return pd.DataFrame(rows, columns=names)


def own_parts(explained: pd.DataFrame, own: NDArray[np.float64], protein_tokens: slice) -> pd.DataFrame:
    """What tokens add to the logit that stand for no residue.

    Parameters
    ----------
    explained : DataFrame, B rows
        `Protein1`, `Protein2`.
    own : ndarray, shape (B, T), float64
        Of `esm2_amp.explanation.residues.ResidueAttributions`.
    protein_tokens : slice
        Which of a protein's 13 vectors the network reads.

    Returns
    -------
    table : DataFrame, B rows
        `Protein1`, `Protein2`, and a column for each token that has a part of its own: cls and eos of networks that
        read them, and segments of proteins shorter than 10 residues.
    """
    table = importance_table(explained[["Protein1", "Protein2"]], own, protein_tokens)
    return table.drop(columns=[name for name in token_columns(table) if not table[name].any()])


def bed_graph(table: pd.DataFrame) -> str:
    """The residues of one pair in the bedGraph format, a track for each partner and measure that has values.

    A protein stands in place of a chromosome. Its residues are counted from 0, and the end isn't included, as the
    format has it.

    Parameters
    ----------
    table : DataFrame
        The rows of `residue_table` of one pair.
    """
    return "\n".join(_bed_graph_lines(table)) + "\n"


def _bed_graph_lines(table: pd.DataFrame) -> Iterator[str]:
    for side, of_side in table.groupby("Side", sort=True):
        entry = of_side["Protein1" if side == SIDES[0] else "Protein2"].iloc[0]
        for measure in MEASURES:
            known = of_side[of_side[measure].notna()]
            if known.empty:
                continue
            yield f'track type=bedGraph name="{side} {entry} {measure}" visibility=full'
            for residue, value in zip(known["Residue"], known[measure], strict=True):
                yield f"{entry}\t{residue - 1}\t{residue}\t{value:.6g}"


def chimerax_attributes(table: pd.DataFrame, chains: tuple[str, str] = ("A", "B")) -> str:
    """The residues of one pair as a file of attributes for UCSF ChimeraX (.defattr), to colour a structure by.

    In ChimeraX, with the structure open: `open pair.defattr`, then
    `color byattribute esm2ampAttribution palette blue:white:red`.

    Parameters
    ----------
    table : DataFrame
        The rows of `residue_table` of one pair.
    chains : tuple of two str
        The structure's chains of A and of B. The structure must number residues as the sequences do.
    """
    lines = ["# Residues are numbered as in the sequences; those that a structure lacks are passed over."]
    for measure, attribute in _ATTRIBUTES.items():
        known = table[table[measure].notna()]
        if known.empty:
            continue
        lines += [f"attribute: {attribute}", "match mode: any", "recipient: residues"]
        chain = known["Side"].map(dict(zip(SIDES, chains, strict=True)))
        lines += [f"\t/{name}:{residue}\t{value:.6g}"
                  for name, residue, value in zip(chain, known["Residue"], known[measure], strict=True)]  # fmt: skip
    return "\n".join(lines) + "\n"
