"""What proteins and pairs must be like, checked at the door: everything wrong with a file is told at once.

Pandera checks what a cell must hold; what concerns two rows, or two files, is checked beside it. What is merely untidy
(case, blanks, a stop at the end) is put right and counted.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, listed
from esm2_amp.protein import RESIDUES, STANDARD_RESIDUES

Problem = tuple[int, str]
"""A row of the file, and what is wrong there."""

_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_ILLEGAL_RESIDUE = re.compile(f"[^{RESIDUES}]")
# White space, control characters and characters that can't be seen. Spelt out: pandas' regular expressions (RE2 or
# Python's, as the column is stored) differ in what \s is.
_ILLEGAL_IN_ID = "[\x01-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u2060\u3000\ufeff]"
_LETTERS_UP = {ord(letter): letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"}


def _id_column() -> pa.Column:
    return pa.Column(
        "str",
        [
            pa.Check(lambda ids: ids != "", error="must name a protein, got an empty cell; give its id"),
            pa.Check(
                lambda ids: ~ids.str.contains(_ILLEGAL_IN_ID),
                error="{value} must not hold blanks or control characters; remove them",
            ),
        ],
    )


PROTEINS = pa.DataFrameSchema(
    {
        "Entry": _id_column(),
        "Sequence": pa.Column(
            "str",
            [
                pa.Check(
                    lambda sequences: sequences != "",
                    error="must hold at least one residue, got none; add the sequence or drop the protein",
                ),
                pa.Check(
                    lambda sequences: sequences.str.fullmatch(f"[{RESIDUES}]*"),
                    error="must hold only residues, the letters A to Z but J, got {value}; correct it",
                ),
            ],
        ),
    }
)
"""Proteins after normalisation."""

PAIRS = pa.DataFrameSchema(
    {
        "Protein1": _id_column(),
        "Protein2": _id_column(),
        "Label": pa.Column(
            "str",
            pa.Check(
                lambda labels: labels.isin(list(_LABELS)),
                error="must be 0 or 1, got {value}; correct it, or drop the pair",
            ),
            required=False,
        ),
    }
)
"""Pairs after normalisation, labels still as text."""


def clean_proteins(proteins_raw: SourceTable) -> tuple[pd.DataFrame, dict[str, int]]:
    """Proteins with clean sequences, each id once.

    Parameters
    ----------
    proteins_raw : SourceTable
        `Entry`, `Sequence` as `esm2_amp.io.proteins.ProteinsDataset` loads them.

    Returns
    -------
    proteins : DataFrame of str
        `Entry`, unique, and `Sequence`, upper-case residues of `esm2_amp.protein.RESIDUES`; in order of first
        appearance, rows numbered from 0.
    report : dict of int
        Counts of proteins: read, kept, changed in each way, holding each rare letter; `shared_sequences`, how many
        sequences more than one id has; shortest and longest, in residues.

    Raises
    ------
    InputError
        An id or a sequence is missing or holds illegal characters, or an id has two different sequences.
    """
    raw = proteins_raw.frame
    entry = raw["Entry"].str.strip()
    unspaced = raw["Sequence"].map(lambda sequence: "".join(sequence.split()))
    unstopped = unspaced.str.removesuffix("*")
    sequence = unstopped.map(lambda residues: residues.translate(_LETTERS_UP))
    table = pd.DataFrame({"Entry": entry, "Sequence": sequence}).astype("str")
    _raise_any(proteins_raw, [*_cell_problems(PROTEINS, table), *_conflicting_sequences(table)])

    proteins = table.drop_duplicates("Entry", ignore_index=True)
    length = proteins["Sequence"].str.len()
    report = {
        "read": len(table),
        "kept": len(proteins),
        "blank_rows_skipped": proteins_raw.blank_rows,
        "lower_case_normalised": int((unstopped != sequence).sum()),
        "white_space_removed": int(((entry != raw["Entry"]) | (unspaced != raw["Sequence"])).sum()),
        "stop_removed": int((unspaced != unstopped).sum()),
        "identical_duplicates_dropped": len(table) - len(proteins),
        "shared_sequences": int((proteins["Sequence"].value_counts() > 1).sum()),
        **{
            f"with_{letter}": int(proteins["Sequence"].str.contains(letter, regex=False).sum())
            for letter in RESIDUES.removeprefix(STANDARD_RESIDUES)
        },
        "shortest": int(length.min()),
        "longest": int(length.max()),
    }
    return proteins, report


def clean_pairs(
    pairs_raw: SourceTable,
    entries: Sequence[str] | None,
    *,
    self_pairs: Literal["keep", "drop"],
    duplicate_pairs: Literal["keep", "drop"],
    labels: Literal["required", "optional"],
    protein_source: str,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Pairs of known proteins with consistent labels. A-B and B-A are the same pair.

    Parameters
    ----------
    pairs_raw : SourceTable
        `Protein1`, `Protein2` and perhaps `Label` as `esm2_amp.io.pairs.PairsDataset` loads them.
    entries : sequence of str, optional
        Ids of the proteins that pairs may name. None leaves this unchecked: see `missing_proteins`.
    self_pairs : {"keep", "drop"}
        What happens to a protein paired with itself.
    duplicate_pairs : {"keep", "drop"}
        Whether only the first row of a pair stays.
    labels : {"required", "optional"}
        Whether there must be a column `Label`.
    protein_source : str
        Where `entries` come from, for messages.

    Returns
    -------
    pairs : DataFrame
        `Protein1`, `Protein2`, str; `Label`, int8, where the input has it; `row`, int64, 1-based row in the file; in
        the order of the file, rows numbered from 0.
    report : dict of int
        Counts of pairs: read and kept; self-pairs and duplicates (of these swapped) in what was read; positives and
        negatives in what was kept.

    Raises
    ------
    InputError
        An id is missing, illegal or unknown; a label is missing or not 0 or 1; a pair has both labels; no pair is left.
    """
    file, raw = pairs_raw.file, pairs_raw.frame
    if labels == "required" and "Label" not in raw:
        raise InputError(f"{file} must have a column Label of 0 and 1, got {', '.join(map(str, raw))}; add the labels")
    columns = [column for column in ("Protein1", "Protein2", "Label") if column in raw]
    table = raw[columns].apply(lambda column: column.str.strip())
    first = _first_rows(table)
    problems = _cell_problems(PAIRS, table)
    if entries is not None:
        problems += _unknown_proteins(table, entries, protein_source)
    if "Label" in table:
        problems += _contradictory_labels(table, first)
    _raise_any(pairs_raw, problems)

    is_self = (table["Protein1"] == table["Protein2"]).to_numpy()
    is_duplicate = first != np.arange(len(table))
    dropped = (is_self & (self_pairs == "drop")) | (is_duplicate & (duplicate_pairs == "drop"))
    if dropped.all():
        raise InputError(f"{file} must pair different proteins, got only self-pairs; add pairs, or keep self_pairs")
    pairs = table[~dropped].rename_axis("row").reset_index()[[*columns, "row"]]
    swapped = table["Protein1"].to_numpy() != table["Protein1"].to_numpy()[first]
    report = {
        "read": len(table),
        "kept": len(pairs),
        "blank_rows_skipped": pairs_raw.blank_rows,
        "white_space_removed": int((table != raw[columns]).any(axis=1).sum()),
        "self_pairs": int(is_self.sum()),
        "duplicates": int(is_duplicate.sum()),
        "swapped_duplicates": int(swapped.sum()),
    }
    if "Label" in table:
        pairs["Label"] = pairs["Label"].map(_LABELS).astype("int8")
        report["positives"] = int(pairs["Label"].sum())
        report["negatives"] = len(pairs) - report["positives"]
    return pairs, report


def missing_proteins(pairs: pd.DataFrame, entries: Sequence[str]) -> pd.Series:
    """Ids that each pair names and `entries` lack.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`.
    entries : sequence of str

    Returns
    -------
    missing : Series of str
        On the index of `pairs`: `""` where both proteins are there, else the missing ids, as in `P1234X, Q9XXXX`.
    """
    code_a, code_b, named = _codes(pairs)
    lacks = ~named.isin(entries)
    missing = np.full(len(pairs), "", dtype=object)
    for i in np.flatnonzero(lacks[code_a] | lacks[code_b]):
        missing[i] = ", ".join(dict.fromkeys(named[code] for code in (code_a[i], code_b[i]) if lacks[code]))
    return pd.Series(missing, index=pairs.index, dtype="str", name="missing")


def _codes(pairs: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64], pd.Index]:
    """The two columns of ids as numbers into the ids that occur."""
    codes, named = pd.factorize(pd.concat([pairs["Protein1"], pairs["Protein2"]]))
    return codes[: len(pairs)], codes[len(pairs) :], named


def _first_rows(pairs: pd.DataFrame) -> NDArray[np.int64]:
    """Position of the first row with the same two proteins, in either order, for each pair."""
    code_a, code_b, named = _codes(pairs)
    pair = np.minimum(code_a, code_b) * np.int64(len(named)) + np.maximum(code_a, code_b)
    return pd.Series(np.arange(len(pairs))).groupby(pair).transform("first").to_numpy()


def _cell_problems(schema: pa.DataFrameSchema, table: pd.DataFrame) -> list[Problem]:
    try:
        schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases[["index", "column", "check", "failure_case"]]
        return [
            (row, f"{column} {check.format(value=_illegal_residues(value) if column == 'Sequence' else repr(value))}")
            for row, column, check, value in cases.itertuples(index=False)
        ]
    return []


def _illegal_residues(sequence: str) -> str:
    found = list(_ILLEGAL_RESIDUE.finditer(sequence))
    if not found:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0][0]!r} at residue {found[0].start() + 1}{more}"


def _conflicting_sequences(proteins: pd.DataFrame) -> list[Problem]:
    first = pd.Series(range(len(proteins))).groupby(proteins["Entry"].to_numpy()).transform("first").to_numpy()
    entry, sequence, row = proteins["Entry"].to_numpy(), proteins["Sequence"].to_numpy(), proteins.index.to_numpy()
    place = proteins.index.name or "row"
    return [
        (row[i], f"Entry {entry[i]!r} has another sequence in {place} {row[first[i]]}; keep one, or rename one")
        for i in np.flatnonzero((sequence != sequence[first]) & (entry != ""))
    ]


def _unknown_proteins(pairs: pd.DataFrame, entries: Sequence[str], source: str) -> list[Problem]:
    known = pd.Index([*entries, ""])  # an empty cell is a problem of its own
    problems: list[Problem] = []
    for column in ("Protein1", "Protein2"):
        unknown = pairs.loc[~pairs[column].isin(known), column]
        remedy = f"is not among the {len(entries)} proteins of {source}; add its sequence or drop the pair"
        problems += [(row, f"{column} {entry!r} {remedy}") for row, entry in zip(unknown.index, unknown, strict=True)]
    return problems


def _contradictory_labels(pairs: pd.DataFrame, first: NDArray[np.int64]) -> list[Problem]:
    label = pairs["Label"].map(_LABELS).to_numpy()
    a, b, row = pairs["Protein1"].to_numpy(), pairs["Protein2"].to_numpy(), pairs.index.to_numpy()
    # NaN, a label that is no label, differs from everything but is a problem of its own.
    return [
        (
            row[i],
            f"the pair {a[i]}-{b[i]} has Label {label[i]:.0f}, but {label[first[i]]:.0f} in row {row[first[i]]}; "
            "keep one of the two",
        )
        for i in np.flatnonzero((np.abs(label - label[first]) == 1) & (a != "") & (b != ""))
    ]


def _raise_any(raw: SourceTable, problems: Sequence[Problem]) -> None:
    if problems:
        file, place = raw.file, raw.frame.index.name or "row"
        ordered = sorted(problems, key=lambda problem: problem[0])
        raise listed(file, [f"{file} {place} {row}: {problem}" for row, problem in ordered])
