"""Proteins: ids that are there and unique, and sequences that can be those of proteins."""

import logging
import re
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa

from esm2_amp.files import SourceTable
from esm2_amp.names import protein_name
from esm2_amp.protein import RESIDUES, STANDARD_RESIDUES
from esm2_amp.validation.cells import Problem, all_problems, cell_problems, id_column

logger = logging.getLogger(__name__)

DROPPED_COLUMNS: Final = ("File", "Row", "Entry", "Problem")

_EXCEL_CELL: Final = 32_767
"""Characters that a cell of Excel holds. A longer text is cut there, also in a CSV file that Excel writes."""
_FEWEST_NUCLEOTIDES: Final = 20
_SHARE_OF_NUCLEOTIDES: Final = 0.9
_ILLEGAL_RESIDUE = re.compile(f"[^{RESIDUES}]")
_TO_DROP = "To leave such proteins out: --params=feature_extraction.bad_proteins=drop"
_LETTERS_UP = {ord(letter): letter.upper() for letter in "abcdefghijklmnopqrstuvwxyz"}

PROTEINS = pa.DataFrameSchema(
    {
        "Entry": id_column(),
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


class CleanProteins(NamedTuple):
    """Proteins that can be used, and what became of the others.

    Attributes
    ----------
    proteins : DataFrame of str
        `Entry`, unique, and `Sequence`, upper-case residues of `esm2_amp.protein.RESIDUES`, and `Name` where the file
        has names (an empty text for a protein without one); in order of first appearance, rows numbered from 0.
    report : dict of int
        Counts of rows: read, changed in each way; of proteins: kept, dropped, holding each rare letter;
        `shared_sequences`, how many sequences more than one id has; shortest and longest, in residues.
    dropped : DataFrame
        `DROPPED_COLUMNS`, a row for each problem of a dropped protein: the file, the row (line) there, the id, and
        what is wrong.
    """

    proteins: pd.DataFrame
    report: dict[str, int]
    dropped: pd.DataFrame


def clean_proteins(
    proteins_raw: SourceTable, *, bad_proteins: Literal["stop", "drop"] = "stop", shortest: int = 1
) -> CleanProteins:
    """Proteins with clean sequences, each id once, named by `esm2_amp.names.protein_name`.

    Case, blanks and a `*` at the end of a sequence are put right and counted.

    Parameters
    ----------
    proteins_raw : SourceTable
        `Entry`, `Sequence` as `esm2_amp.io.proteins.ProteinsDataset` loads them.
    bad_proteins : {"stop", "drop"}
        Whether proteins that can't be used are an error, or are left out and listed.
    shortest : int
        Residues that a protein must have.

    Returns
    -------
    clean : CleanProteins

    Raises
    ------
    InputError
        No protein is left; or `bad_proteins` is "stop", and an id or a sequence is missing or holds illegal characters,
        an id has two different sequences, or a sequence is of nucleotides, cut by Excel or too short.
    """
    raw = proteins_raw.frame
    entry = raw["Entry"].str.strip()
    unspaced = raw["Sequence"].map(lambda sequence: "".join(sequence.split()))
    unstopped = unspaced.str.removesuffix("*")
    sequence = unstopped.map(lambda residues: residues.translate(_LETTERS_UP))
    table = pd.DataFrame({"Entry": entry.map(protein_name), "Sequence": sequence}).astype("str")
    problems = [*cell_problems(PROTEINS, table, {"Sequence": _illegal_residues}), *_conflicting_sequences(table)]
    legal = table[~table.index.isin([row for row, _ in problems])]
    problems += _unlikely_sequences(legal, raw["Sequence"], shortest)
    if problems and bad_proteins == "stop":
        raise all_problems(proteins_raw, problems, _TO_DROP)
    dropped = _dropped(proteins_raw.file, table, problems)
    good = table[~table["Entry"].isin(dropped["Entry"])]
    if good.empty:
        raise all_problems(proteins_raw, problems, "No protein is left; correct some of them")
    if len(dropped):
        logger.warning(
            "%s proteins of %s can't be used and are left out, such as that of row %s (%s)",
            f"{dropped['Entry'].nunique():,}", proteins_raw.file, *dropped[["Row", "Problem"]].iloc[0],
        )  # fmt: skip
    proteins = good.assign(**raw.loc[good.index, raw.columns.intersection(["Name"])]).drop_duplicates(
        "Entry", ignore_index=True
    )
    report = {
        "read": len(table),
        "kept": len(proteins),
        "dropped": dropped["Entry"].nunique(),
        "blank_rows_skipped": proteins_raw.blank_rows,
        "lower_case_normalised": int((unstopped != sequence).sum()),
        "white_space_removed": int(((entry != raw["Entry"]) | (unspaced != raw["Sequence"])).sum()),
        "stop_removed": int((unspaced != unstopped).sum()),
        "identical_duplicates_dropped": len(good) - len(proteins),
    }
    return CleanProteins(proteins, report | _counts(proteins["Sequence"]), dropped)


def is_of_nucleotides(sequence: str) -> bool:
    """Whether a sequence must be DNA or RNA, by its letters.

    It has at least 20 letters, nine in ten of them are A, C, G, T, U or N, and A, C, G and one of T and U are all among
    them. Of the 26,588 proteins of human (Bernett et al. 2024), yeast and E. coli none comes near: at most 7 in 10
    residues of one are these, and no stretch of 24 residues is of these alone with A, C, G and T among them.

    Parameters
    ----------
    sequence : str
        In upper case.
    """
    count = {letter: sequence.count(letter) for letter in "ACGTUN"}
    return (
        len(sequence) >= _FEWEST_NUCLEOTIDES
        and sum(count.values()) >= _SHARE_OF_NUCLEOTIDES * len(sequence)
        and min(count["A"], count["C"], count["G"], count["T"] + count["U"]) > 0
    )


def _counts(sequences: pd.Series) -> dict[str, int]:
    length = sequences.str.len()
    return {
        "shared_sequences": int((sequences.value_counts() > 1).sum()),
        **{
            f"with_{letter}": int(sequences.str.contains(letter, regex=False).sum())
            for letter in RESIDUES.removeprefix(STANDARD_RESIDUES)
        },
        "shortest": int(length.min()),
        "longest": int(length.max()),
    }


def _unlikely_sequences(table: pd.DataFrame, cells: pd.Series, shortest: int) -> list[Problem]:
    """Sequences of legal letters that can't be what is meant, or are too short for the features."""
    length = table["Sequence"].str.len()
    is_cut = (cells[table.index].str.len() == _EXCEL_CELL) & (table.index.name == "row")
    is_short = length.between(1, shortest - 1)
    rows = table.index.to_numpy()
    return [
        *(
            (row, "Sequence must be of amino acids, got nucleotides; translate it")
            for row in rows[table["Sequence"].map(is_of_nucleotides).to_numpy(bool)]
        ),
        *(
            (row, f"Sequence must be whole, got {_EXCEL_CELL:,} characters, where Excel cuts a cell; give it as FASTA")
            for row in rows[is_cut.to_numpy(bool)]
        ),
        *(
            (
                row,
                f"Sequence must have at least {shortest} residues, got {residues}; drop the protein, or lower "
                "feature_extraction.shortest_protein: a segment without residues is a vector of zeros",
            )
            for row, residues in zip(rows[is_short], length[is_short], strict=True)
        ),
    ]


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


def _dropped(file: str, proteins: pd.DataFrame, problems: list[Problem]) -> pd.DataFrame:
    """The problems by protein, in the order of the rows."""
    entry = dict(zip(proteins.index, proteins["Entry"], strict=True))
    rows = [(file, row, entry[row], problem) for row, problem in sorted(problems)]
    return pd.DataFrame(rows, columns=list(DROPPED_COLUMNS)).astype({"Row": "int64"})
