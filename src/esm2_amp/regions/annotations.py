"""What every reader of annotations gives: one tidy table, and what could not be used, with its place."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.names import accession_of, match_names, protein_name
from esm2_amp.regions.types import LINKS

REGION_COLUMNS: Final = ("Entry", "Source", "Type", "Start", "End", "Note", "Accession")
PROBLEM_COLUMNS: Final = ("File", "Row", "Entry", "Problem")

_NO_VALUE: Final = ("", "-")


class Annotations(NamedTuple):
    """Annotated regions of one file.

    Attributes
    ----------
    regions : DataFrame
        `REGION_COLUMNS`. `Start` and `End` are residues, 1-based and inclusive, int64; `Accession` is the identifier
        of the region or of its InterPro entry. An isoform's region has the isoform as its entry (`P12345-2`). Index
        `row`: 1-based row (line) of the file; of JSON the number of the protein.
    lengths : dict of int
        Residues of each protein whose length the file gives.
    entries : set of str
        Proteins that were asked for and are in the file, with or without regions.
    others : set of str
        Names of the file's other proteins; of `protein2ipr` only those similar to names that were asked for.
    matched : dict of str
        The proteins that the file names otherwise than they were asked for, with or without version and taxon: by
        their names in the file those that were asked for.
    problems : DataFrame
        `PROBLEM_COLUMNS`: what was left out, and why.
    file : str
        The file's name for messages.
    layout : str
        What kind of file it is.
    """

    regions: pd.DataFrame
    lengths: dict[str, int]
    entries: set[str]
    others: set[str]
    matched: dict[str, str]
    problems: pd.DataFrame
    file: str
    layout: str


class Collector:
    """Collects regions and problems while a file is read.

    Parameters
    ----------
    file : str
        The file's name for messages.
    layout : str
        What kind of file it is.
    wanted : iterable of str
        Names of the proteins to read.
    """

    def __init__(self, file: str, layout: str, wanted: Iterable[str]) -> None:
        self.file, self.layout = file, layout
        self._wanted = {protein_name(name): name for name in wanted}
        self._accessions = {accession_of(name) for name in self._wanted}
        self._nearly: set[str] = set()
        self._entries: set[str] = set()
        self._others: set[str] = set()
        self._rows: list[int] = []
        self._regions: list[tuple[str, str, str, int, int, str, str]] = []
        self._problems: list[tuple[str, int, str, str]] = []
        self._lengths: dict[str, int] = {}

    def entry(self, name: str) -> str | None:
        """The name by which a protein was asked for.

        Parameters
        ----------
        name : str
            The protein as the file names it.

        Returns
        -------
        entry : str or None
            The name among those wanted; one that differs by version or taxon from such as it is, until `result` knows
            all names of the file; None for other proteins.
        """
        own = protein_name(name)
        entry = self._wanted.get(own)
        if entry is not None:
            self._entries.add(entry)
        elif accession_of(own) in self._accessions:
            self._nearly.add(entry := own)
        else:
            self._others.add(name)
        return entry

    def region(
        self, row: int, entry: str, source: str, kind: str, start: int, end: int, note: str = "", accession: str = ""
    ) -> None:
        """Keep a region; of a link, its two residues.

        Parameters
        ----------
        row : int
            1-based row (line) of the file.
        entry : str
            The protein, as `entry` gives it, or one of its isoforms.
        source : str
            Where the annotation comes from.
        kind : str
            The type.
        start, end : int
            First and last residue, 1-based and inclusive.
        note : str
            What the region is called.
        accession : str
            The identifier of the region or of its InterPro entry.
        """
        for first, last in {(start, start), (end, end)} if kind in LINKS else {(start, end)}:
            self._rows.append(row)
            self._regions.append((entry, source, kind, first, last, note, accession))

    def problem(self, row: int, entry: str, problem: str) -> None:
        """Keep the reason why an annotation can't be used.

        Parameters
        ----------
        row : int
            1-based row (line) of the file.
        entry : str
            The protein.
        problem : str
            What must hold, and what was found.
        """
        self._problems.append((self.file, row, entry, problem))

    def length(self, row: int, entry: str, length: str) -> None:
        """Keep the length of a protein.

        Parameters
        ----------
        row : int
            1-based row (line) of the file.
        entry : str
            The protein.
        length : str
            Residues as the file gives them; `""` and `-` stand for no length.

        Raises
        ------
        InputError
            The length is not a number of residues, or another than in a row before.
        """
        if length in _NO_VALUE:
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
        matched = match_names(sorted(self._nearly), self._wanted.values())
        unmatched = self._nearly - matched.keys()
        regions = regions[~regions["Entry"].isin(unmatched)].replace({"Entry": matched})
        lengths = {matched.get(name, name): length for name, length in self._lengths.items() if name not in unmatched}
        text = {name: "str" for name in REGION_COLUMNS}
        return Annotations(
            regions.astype(text | {"Start": "int64", "End": "int64"}),
            lengths,
            self._entries | set(matched.values()) | set(regions["Entry"]),
            self._others | unmatched,
            matched,
            pd.DataFrame(self._problems, columns=list(PROBLEM_COLUMNS)),
            self.file,
            self.layout,
        )
