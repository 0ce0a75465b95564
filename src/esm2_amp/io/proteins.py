"""Proteins as users bring them: FASTA, or a table with `Entry` and `Sequence`."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, ending_of, read_text, shown, write_atomically
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import TABLE_ENDINGS, read_table
from esm2_amp.names import is_accession, protein_name, written_name
from esm2_amp.protein import N_SEGMENTS, RESIDUES

FASTA_ENDINGS: Final = tuple(f"{ending}{gz}" for ending in (".fasta", ".fa", ".faa", ".fas") for gz in ("", ".gz"))
"""Endings of the FASTA files that can be read."""

_LINE_LENGTH = 60
_SEQUENCE = re.compile(rf"[{RESIDUES}]{{{N_SEGMENTS},}}\*?")


class ProteinsDataset(InputFileDataset[SourceTable]):
    """Protein sequences, the reader picked by the file's ending.

    Loads as a SourceTable with the columns `Entry` and `Sequence`, and `Name` where a FASTA file has any; index `row`
    (of a table) or `line` (of the header, FASTA). It is not validated: `esm2_amp.validation.proteins.clean_proteins`
    does that. Saves as plain FASTA only.

    Parameters
    ----------
    filepath : str, optional
        The file.
    replaced_by : str, optional
        A file of features that takes the place of the proteins; where it is named they load as None.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self,
        filepath: str | None = None,
        *,
        replaced_by: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(None if replaced_by else filepath, metadata=metadata)

    def _read(self, path: Path) -> SourceTable:
        ending = ending_of(path, (*FASTA_ENDINGS, *TABLE_ENDINGS))
        if ending in FASTA_ENDINGS or (".txt" in ending and read_text(path).lstrip().startswith(">")):
            return read_fasta(path)
        try:
            return read_table(path, ("Entry", "Sequence"), columns_of_first_row=_columns_of_first_row)
        except InputError:
            if ids := _only_ids(path):
                raise _without_sequences(shown(path), ids) from None
            raise

    def save(self, data: pd.DataFrame) -> None:
        """Write `Entry` and `Sequence` of proteins as FASTA."""
        if self._filepath is None or self._filepath.suffix.lower() not in FASTA_ENDINGS:
            raise DatasetError(
                f"proteins are written as FASTA: a name ending in .fasta is needed, got {self._filepath}"
            )
        lines: list[str] = []
        for entry, sequence in zip(data["Entry"], data["Sequence"], strict=True):
            lines += [f">{entry}", *textwrap.wrap(sequence, _LINE_LENGTH)]
        write_atomically(self._filepath, "\n".join([*lines, ""]).encode())


def read_fasta(path: Path) -> SourceTable:
    """Sequences of a FASTA file; Biopython's parsers keep no line numbers, and pass over text before the first header.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    proteins : SourceTable
        `Entry`, the name by `esm2_amp.names.protein_name` or else the header's first word, `""` where there is none;
        `Sequence`, the record's lines joined; `Name`, the entry name that UniProt writes behind the accession, where
        any header has one. Index `line`: 1-based line of the header.

    Raises
    ------
    InputError
        The file isn't text, text stands before its first header, or it lists ids without sequences.
    """
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    headers = [i for i, line in enumerate(lines) if line.startswith(">")]
    first = next(i for i, line in enumerate(lines) if line.strip())
    if headers[:1] != [first]:
        if not headers and all(map(is_accession, ids := " ".join(lines).split())):
            raise _without_sequences(shown(path), ids)
        raise InputError(
            f"{shown(path)} line {first + 1}: a FASTA file must begin with a header '>id', got {lines[first][:40]!r}; "
            "remove the text before the first header, or give the file the ending of what it is"
        )
    ends = [*headers[1:], len(lines)]
    frame = pd.DataFrame(
        {
            "Entry": [_entry(lines[start]) for start in headers],
            "Sequence": ["".join(lines[start + 1 : end]) for start, end in zip(headers, ends, strict=True)],
        },
        index=pd.Index([start + 1 for start in headers], name="line"),
        dtype="str",
    )
    names = [written_name(lines[start][1:].strip()) for start in headers]
    if any(names):
        frame["Name"] = pd.Series(names, index=frame.index, dtype="str")
    return SourceTable(frame, shown(path), sum(not line.strip() for line in lines[:-1]))


def _entry(header: str) -> str:
    return "".join(protein_name(header[1:].strip()).split(maxsplit=1)[:1])


def _columns_of_first_row(cells: Sequence[str]) -> Sequence[str]:
    """Names of the columns of a table whose first row already is an id and a sequence."""
    return ("Entry", "Sequence") if len(cells) > 1 and cells[0] and _SEQUENCE.fullmatch(cells[1]) else ()


def _only_ids(path: Path) -> list[str]:
    """The accessions in the first column of a table without sequences; none for any other file."""
    try:
        frame = read_table(path).frame
    except InputError:
        return []
    ids = [str(cell).strip() for cell in frame.iloc[:, 0]]
    return ids if "Sequence" not in frame and all(map(is_accession, ids)) else []


def _without_sequences(file: str, ids: Sequence[str]) -> InputError:
    return InputError(
        f"{file} must hold sequences, got ids only, such as {ids[0]!r}; download their sequences as FASTA (in UniProt "
        "by ID mapping, https://www.uniprot.org/id-mapping), or add a column Sequence"
    )
