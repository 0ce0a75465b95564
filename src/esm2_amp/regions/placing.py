"""Annotations set against the proteins they are for: what doesn't fit is taken out and listed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.parameters.functional_regions import LeftOut
from esm2_amp.regions.annotations import PROBLEM_COLUMNS, Annotations


class PlacedRegions(NamedTuple):
    """Regions that lie on the sequences, and the proteins they were looked up for.

    Attributes
    ----------
    regions : DataFrame
        Of `Annotations`, with the row of the file in a column `Row`.
    proteins : DataFrame
        `Entry`, `Length` (residues) and `Annotated`: whether a region of the chosen types is known.
    problems : DataFrame
        `PROBLEM_COLUMNS`.
    """

    regions: pd.DataFrame
    proteins: pd.DataFrame
    problems: pd.DataFrame


def protein_lengths(
    annotations: Annotations, entries: list[str], sequences: Mapping[str, int], mismatch: LeftOut
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Lengths of the proteins: their sequences', or else what the annotations say.

    Parameters
    ----------
    annotations : Annotations
    entries : list of str
        The proteins asked for.
    sequences : mapping of str to int
        Residues of the proteins with known sequences.
    mismatch : {"stop", "leave_out"}
        What to do about a protein whose sequence has another length than its annotation says.

    Returns
    -------
    lengths : dict
    left_out : list of (entry, reason)

    Raises
    ------
    InputError
        A protein's length isn't known, or lengths disagree and `mismatch` is "stop".
    """
    lengths, left_out, unknown, problems = {}, [], [], []
    for entry in entries:
        annotated, of_sequence = annotations.lengths.get(entry), sequences.get(entry)
        length = of_sequence or annotated
        if length is None:
            unknown.append(entry)
        elif annotated not in (None, length):
            words = f"its sequence has {length} residues, its annotation is for {annotated}"
            problems.append(f"{entry}: {words}")
            left_out.append((entry, words))
        else:
            lengths[entry] = length
    if unknown:
        raise InputError(
            f"The length of every protein must be known, but {len(unknown)} of {len(entries)} are neither among the "
            f"sequences nor in {annotations.file} with a length, such as {', '.join(unknown[:5])}; give their "
            "sequences by --params=proteins=FILE, or drop their pairs"
        )
    if problems and mismatch == "stop":
        raise InputError.listing(
            f"{annotations.file} must be for the sequences given, but {len(problems)} of {len(entries)} proteins have "
            "another length; fetch both from the same release, or leave these proteins out by "
            "--params=functional_regions.length_mismatch=leave_out",
            problems,
        )
    return lengths, left_out


def place_regions(annotations: Annotations, lengths: Mapping[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Regions that lie within their proteins, and the problems of those that don't.

    Parameters
    ----------
    annotations : Annotations
    lengths : mapping of str to int
        Of the proteins asked for; regions of others, such as isoforms, are passed over.

    Returns
    -------
    regions : DataFrame
        With the row of the file in a column `Row`, rows numbered from 0.
    problems : DataFrame
        `PROBLEM_COLUMNS`, those of the parser included.
    """
    table = annotations.regions.rename_axis(index="Row").reset_index()
    length = table["Entry"].map(dict(lengths))
    known = table[length.notna()].assign(Length=length.dropna().astype("int64"))
    wrong = {
        "must begin at residue 1 or later": known["Start"] < 1,
        "must end where it starts or later": known["End"] < known["Start"],
        "must end within the protein": known["End"] > known["Length"],
    }
    reason = pd.Series(np.select(list(wrong.values()), list(wrong), default=""), index=known.index)
    bad = known[reason != ""]
    columns = (bad[name] for name in ("Type", "Start", "End", "Length"))
    texts = [
        f"{kind} {start}..{end} of a protein of {length} residues {why}"
        for kind, start, end, length, why in zip(*columns, reason[reason != ""], strict=True)
    ]
    problems = pd.DataFrame(
        {"File": annotations.file, "Row": bad["Row"], "Entry": bad["Entry"], "Problem": texts},
        columns=list(PROBLEM_COLUMNS),
    )
    everything = pd.concat([annotations.problems, problems]) if len(problems) else annotations.problems
    placed = known[reason == ""].drop(columns="Length").reset_index(drop=True)
    return placed, everything.sort_values("Row", kind="stable").reset_index(drop=True)


def isoform_regions(annotations: Annotations, entries: list[str]) -> int:
    """How many regions are of isoforms of the proteins asked for, and so not on their sequences."""
    return int((~annotations.regions["Entry"].isin(entries)).sum())


def report_of(annotations: Annotations, placed: PlacedRegions, entries: list[str]) -> dict[str, Any]:
    """Counts of what was read, kept and left out."""
    proteins = placed.proteins
    return {
        "file": annotations.file,
        "layout": annotations.layout,
        "proteins": len(proteins),
        "proteins_not_in_file": int((~proteins["Entry"].isin(annotations.entries)).sum()),
        "proteins_without_annotation": int((~proteins["Annotated"]).sum()),
        "regions": len(placed.regions),
        "regions_by_type": placed.regions["Type"].value_counts().to_dict(),
        "regions_of_isoforms": isoform_regions(annotations, entries),
        "problems": len(placed.problems),
    }
