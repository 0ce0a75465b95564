"""Annotations set against the proteins they are for: what doesn't fit is taken out and listed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import listed
from esm2_amp.names import resembling_names
from esm2_amp.parameters.functional_regions import LeftOut, RegionParameters
from esm2_amp.regions.annotations import PROBLEM_COLUMNS, Annotations
from esm2_amp.regions.types import chosen_types


class PlacedRegions(NamedTuple):
    """Regions on the sequences of the proteins they were looked up for.

    Attributes
    ----------
    regions : DataFrame
        Those of the types that count: the columns of `Annotations.regions`, and the row of the file in a column `Row`.
    proteins : DataFrame
        `Entry`, `Length` (residues) and `Annotated`: whether the protein has a region that counts.
    problems : DataFrame
        `PROBLEM_COLUMNS`.
    report : dict
        Counts of what was read, kept and left out.
    """

    regions: pd.DataFrame
    proteins: pd.DataFrame
    problems: pd.DataFrame
    report: dict[str, Any]


def place(
    annotations: Annotations, entries: Sequence[str], sequences: Mapping[str, int], parameters: RegionParameters
) -> PlacedRegions:
    """Set the annotations of proteins against their sequences.

    Parameters
    ----------
    annotations : Annotations
        What was read for the proteins.
    entries : sequence of str
        The proteins asked for.
    sequences : mapping of str to int
        Residues of the proteins with known sequences.
    parameters : RegionParameters
        Which types count, and what happens where lengths differ or an annotation can't be used.

    Returns
    -------
    placed : PlacedRegions
        The proteins are those of `entries` but the ones left out.

    Raises
    ------
    InputError
        There are no annotations that can be used, a length isn't known, or something doesn't fit that must.
    """
    check_annotations(annotations, entries)
    lengths, left_out = protein_lengths(annotations, entries, sequences, parameters.length_mismatch)
    regions, unplaced = place_regions(annotations, lengths)
    problems = pd.concat([unplaced, left_out]) if len(left_out) else unplaced
    if len(problems) and parameters.malformed == "stop":
        raise listed(annotations.file, _problem_lines(problems))
    types = chosen_types(parameters.types, annotations.regions["Source"].unique(), set(annotations.regions["Type"]))
    counts = regions["Type"].isin(types)
    proteins = pd.DataFrame({"Entry": list(lengths), "Length": list(lengths.values())})
    proteins["Annotated"] = proteins["Entry"].isin(regions.loc[counts, "Entry"])
    report = {
        "file": annotations.file,
        "layout": annotations.layout,
        "proteins": len(proteins),
        "proteins_not_in_file": int((~proteins["Entry"].isin(annotations.entries)).sum()),
        "proteins_without_annotation": int((~proteins["Annotated"]).sum()),
        "regions": int(counts.sum()),
        "regions_by_type": regions.loc[counts, "Type"].value_counts().to_dict(),
        "regions_of_other_types": regions.loc[~counts, "Type"].value_counts().to_dict(),
        "regions_of_isoforms": int((~annotations.regions["Entry"].isin(entries)).sum()),
        "names_matched": annotations.matched,
        "similar_names": _similar_entries(annotations, entries),
        "problems": len(problems),
        "types": types,
    }
    return PlacedRegions(regions[counts].reset_index(drop=True), proteins, problems, report)


def check_annotations(annotations: Annotations, entries: Sequence[str]) -> None:
    """Check that a file has annotations of some of the proteins, and that some of these can be used.

    Parameters
    ----------
    annotations : Annotations
        What was read for the proteins.
    entries : sequence of str
        The proteins asked for.

    Raises
    ------
    InputError
        The file has none of the proteins, or nothing that it has of them can be used.
    """
    if not annotations.entries.intersection(entries):
        raise InputError(
            f"{annotations.file} must have annotations of the pairs' proteins, but has none of these {len(entries):,}: "
            f"{_both_sides(annotations, entries)}; give theirs by --params=regions=FILE"
        )
    if annotations.regions.empty and len(annotations.problems):
        raise InputError.listing(
            f"{annotations.file} must have annotations of the pairs' proteins that can be used, but none of its "
            f"{len(annotations.problems):,} can; make or download it again (InterProScan needs --iprlookup)",
            _problem_lines(annotations.problems),
        )


def _both_sides(annotations: Annotations, entries: Sequence[str]) -> str:
    """Names in the pairs and in the file, similar ones where there are any."""
    if similar := _similar_entries(annotations, entries):
        return f"the pairs name {', '.join(list(similar)[:3])}, the file {', '.join(list(similar.values())[:3])}"
    others = ", ".join(sorted(annotations.others)[:3])
    return f"the pairs name {', '.join(entries[:3])}, the file {others or 'no protein that could be read'}"


def _similar_entries(annotations: Annotations, entries: Iterable[str]) -> dict[str, str]:
    """For each protein that the file lacks, a similar name in the file, if there is one."""
    missing = [entry for entry in entries if entry not in annotations.entries]
    return _similar_names(missing, annotations.others | annotations.entries) if missing else {}


def _similar_names(missing: Iterable[str], present: Iterable[str]) -> dict[str, str]:
    """For each missing name that resembles others, the first of these in alphabetical order."""
    return {name: found[0] for name, found in resembling_names(missing, sorted(present)).items() if found}


def _problem_lines(problems: pd.DataFrame) -> list[str]:
    """Lines of an error message, one for each problem."""
    where = problems["File"] + " row " + problems["Row"].astype("str") + ": " + problems["Entry"]
    lines: list[str] = (where + ": " + problems["Problem"]).tolist()
    return lines


def protein_lengths(
    annotations: Annotations, entries: Sequence[str], sequences: Mapping[str, int], mismatch: LeftOut
) -> tuple[dict[str, int], pd.DataFrame]:
    """Lengths of proteins: those of their sequences, or else those in the annotations.

    Parameters
    ----------
    annotations : Annotations
        What was read for the proteins.
    entries : sequence of str
        The proteins asked for.
    sequences : mapping of str to int
        Residues of the proteins with known sequences.
    mismatch : {"stop", "leave_out"}
        What happens to a protein whose sequence has another length than its annotation says.

    Returns
    -------
    lengths : dict of int
        Residues of each protein but those left out.
    left_out : DataFrame
        `PROBLEM_COLUMNS`: the proteins left out, and why.

    Raises
    ------
    InputError
        A protein's length isn't known, or lengths disagree and `mismatch` is "stop".
    """
    lengths, left_out, unknown = {}, {}, []
    for entry in entries:
        annotated, of_sequence = annotations.lengths.get(entry), sequences.get(entry)
        length = of_sequence or annotated
        if length is None:
            unknown.append(entry)
        elif annotated not in (None, length):
            left_out[entry] = f"its sequence has {length} residues, its annotation is for {annotated}"
        else:
            lengths[entry] = length
    if unknown:
        similar = _similar_names(unknown, sequences)
        examples = [f"{entry} (there is {similar[entry]})" if entry in similar else entry for entry in unknown[:5]]
        raise InputError(
            f"The length of every protein must be known, but {len(unknown)} of {len(entries)} are neither among the "
            f"sequences nor in {annotations.file} with a length, such as {', '.join(examples)}; give their "
            "sequences by --params=proteins=FILE, or drop their pairs"
        )
    if left_out and mismatch == "stop":
        raise InputError.listing(
            f"{annotations.file} must be for the sequences given, but {len(left_out)} of {len(entries)} proteins have "
            "another length; fetch both from the same release, or leave these proteins out by "
            "--params=functional_regions.length_mismatch=leave_out",
            [f"{entry}: {words}" for entry, words in left_out.items()],
        )
    rows = [(annotations.file, 0, entry, words) for entry, words in left_out.items()]
    return lengths, pd.DataFrame(rows, columns=list(PROBLEM_COLUMNS))


def place_regions(annotations: Annotations, lengths: Mapping[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Regions that lie within their proteins, and the problems of those that don't.

    Parameters
    ----------
    annotations : Annotations
        What was read for the proteins.
    lengths : mapping of str to int
        Residues of each protein; regions of others, such as isoforms, are left out without a problem.

    Returns
    -------
    regions : DataFrame
        The columns of `Annotations.regions`, and the row of the file in a column `Row`.
    problems : DataFrame
        `PROBLEM_COLUMNS`, among them the problems of the file itself.
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
    on_sequences = known[reason == ""].drop(columns="Length").reset_index(drop=True)
    return on_sequences, everything.sort_values("Row", kind="stable").reset_index(drop=True)
