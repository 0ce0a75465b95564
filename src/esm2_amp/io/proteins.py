"""Proteins as users bring them: FASTA, or a table with `Entry` and `Sequence`."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, ending_of, read_text, shown, write_atomically
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import TABLE_ENDINGS, read_table

FASTA_ENDINGS: Final = tuple(f"{ending}{gz}" for ending in (".fasta", ".fa", ".faa", ".fas") for gz in ("", ".gz"))
"""Endings of the FASTA files that can be read."""

_LINE_LENGTH = 60
_UNIPROT = re.compile(r"(?:sp|tr)\|([^|\s]+)\|")


class ProteinsDataset(InputFileDataset[SourceTable]):
    """Protein sequences, the reader picked by the file's ending.

    Loads as a SourceTable with the columns `Entry` and `Sequence`; index `row` (of a table) or `line` (of the header,
    FASTA). It is not validated: `esm2_amp.validation.clean_proteins` does that. Saves as plain FASTA only.

    Parameters
    ----------
    filepath : str, optional
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
        if ending in FASTA_ENDINGS:
            return read_fasta(path)
        return read_table(path, required=("Entry", "Sequence"))

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

    Returns
    -------
    proteins : SourceTable
        `Entry`, the accession of a UniProt header (`sp|P12345|NAME`) or else the header's first word, `""` where there
        is none; `Sequence`, the record's lines joined. Index `line`: 1-based line of the header.

    Raises
    ------
    InputError
        The file isn't text, or text stands before its first header.
    """
    lines = read_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    headers = [i for i, line in enumerate(lines) if line.startswith(">")]
    first = next(i for i, line in enumerate(lines) if line.strip())
    if headers[:1] != [first]:
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
    return SourceTable(frame, shown(path), sum(not line.strip() for line in lines[:-1]))


def _entry(header: str) -> str:
    title = header[1:].strip()
    if uniprot := _UNIPROT.match(title):
        return uniprot[1]
    return title.split(maxsplit=1)[0] if title else ""
