"""What every parser of annotations gives: one tidy table, and what could not be read, with its place."""

from typing import Final, NamedTuple

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.regions.types import LINKS

REGION_COLUMNS: Final = ("Entry", "Source", "Type", "Start", "End", "Note", "Accession")
PROBLEM_COLUMNS: Final = ("File", "Row", "Entry", "Problem")


class Annotations(NamedTuple):
    """Annotated regions of one file.

    Attributes
    ----------
    regions : DataFrame
        `REGION_COLUMNS`. `Start` and `End` are residues, 1-based and inclusive, int64; `Accession` is the identifier
        of the region or of its InterPro entry. An isoform's region has the isoform as its entry (`P12345-2`). Index
        `row`: 1-based row (line) of the file; of JSON the number of the protein.
    lengths : dict
        Residues of each protein that the file names a length of.
    entries : set of str
        Proteins that the file has, with or without regions.
    problems : DataFrame
        `PROBLEM_COLUMNS`: what was left out, and why.
    file, layout : str
        The file's name for messages, and what kind of file it is.
    """

    regions: pd.DataFrame
    lengths: dict[str, int]
    entries: set[str]
    problems: pd.DataFrame
    file: str
    layout: str


class Collector:
    """Collects regions and problems while a file is read.

    Parameters
    ----------
    file, layout : str
    """

    def __init__(self, file: str, layout: str) -> None:
        self.file, self.layout = file, layout
        self.entries: set[str] = set()
        self._rows: list[int] = []
        self._regions: list[tuple[str, str, str, int, int, str, str]] = []
        self._problems: list[tuple[str, int, str, str]] = []
        self._lengths: dict[str, int] = {}

    def region(
        self, row: int, entry: str, source: str, kind: str, start: int, end: int, note: str = "", accession: str = ""
    ) -> None:
        """Keep a region; of a link its two residues."""
        self.entries.add(entry)
        for first, last in {(start, start), (end, end)} if kind in LINKS else {(start, end)}:
            self._rows.append(row)
            self._regions.append((entry, source, kind, first, last, note, accession))

    def problem(self, row: int, entry: str, problem: str) -> None:
        """Keep what can't be used."""
        self._problems.append((self.file, row, entry, problem))

    def length(self, row: int, entry: str, length: str) -> None:
        """Keep a protein's length, which may be an empty text."""
        self.entries.add(entry)
        if not length:
            return
        residues = int(length) if length.isdecimal() else 0
        known = self._lengths.setdefault(entry, residues)
        if residues < 1 or residues != known:
            other = f", but {known} before" if known != residues else ""
            raise InputError(
                f"{self.file} row {row}: the length of {entry} must be one number of residues, got {length!r}{other}; "
                "correct the row"
            )

    def result(self) -> Annotations:
        """Everything collected."""
        index = pd.Index(self._rows, name="row", dtype="int64")
        regions = pd.DataFrame(self._regions, columns=list(REGION_COLUMNS), index=index)
        text = {name: "str" for name in REGION_COLUMNS}
        return Annotations(
            regions.astype(text | {"Start": "int64", "End": "int64"}),
            self._lengths,
            self.entries,
            pd.DataFrame(self._problems, columns=list(PROBLEM_COLUMNS)),
            self.file,
            self.layout,
        )
