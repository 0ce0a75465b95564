"""Readers of UniProt's annotations: table cells as exported or as processed by the published work, and JSON."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.regions.annotations import Annotations, Collector
from esm2_amp.regions.types import UNIPROT_TYPES, canonical_type

SOURCE: Final = "UniProt"
EXPORTED, PUBLISHED, JSON = "UniProt table", "published table", "UniProt JSON"

_ISOFORM = re.compile(r"[A-Z0-9]+-\d+")
_POSITION = r"[<>]?\d+|\?\d*"
_LOCATION = re.compile(rf"(?:(?P<isoform>[A-Z0-9]+-\d+):)?(?P<start>{_POSITION})(?:\.\.(?P<end>{_POSITION}))?")
_QUALIFIER = re.compile(r'/(?P<name>\w+)(?:="(?P<text>(?:[^"]|"")*)")?')
_FEATURES = {
    EXPORTED: re.compile(r"(?P<type>[A-Z][A-Z_]+) +(?P<location>[^;\s]+)"),
    PUBLISHED: re.compile(r"(?P<type>[A-Z][A-Za-z -]*)\[(?P<location>[^\]]*)\]:?"),
}
_EXAMPLES = {EXPORTED: "DOMAIN 5..88", PUBLISHED: "Domain[5,88]:"}
_NOTES = ("note", "ligand", "ligand_part", "ligand_note")


class _Place(NamedTuple):
    """Where a region lies: the entry or one of its isoforms, and residues as written."""

    isoform: str | None
    start: int
    end: int


def layout_of_cells(cells: Iterable[str]) -> str | None:
    """The layout of the features in cells of a table.

    Parameters
    ----------
    cells : iterable of str
        Cells that may hold features or anything else.

    Returns
    -------
    layout : str or None
        `PUBLISHED` where any cell is in that layout, since the published work left some features as they were exported;
        `EXPORTED` where all features are; None where there are none.
    """
    found = {layout for cell in cells for layout, feature in _FEATURES.items() if feature.match(cell)}
    return PUBLISHED if PUBLISHED in found else EXPORTED if found else None


def feature_columns(columns: Iterable[str]) -> list[str]:
    """Columns of a UniProt table that hold features, such as `Domain [FT]` or `Repeat`.

    Parameters
    ----------
    columns : iterable of str
        The header.
    """
    return [name for name in columns if canonical_type(name.replace("[FT]", ""))]


def parse_table(table: SourceTable, layout: str, wanted: Iterable[str]) -> Annotations:
    """Regions in the cells of a UniProt table.

    Parameters
    ----------
    table : SourceTable
        `Entry`, perhaps `Length` and `Sequence`, and feature columns; index `row`.
    layout : str
        `EXPORTED`: `DOMAIN 5..88; /note="SH3"; …`; or `PUBLISHED`: `Domain[5,88]: /note="SH3"; …`.
    wanted : iterable of str
        Proteins to read; regions of an isoform stand with its entry.

    Returns
    -------
    annotations : Annotations
        Features that can't be read are among the problems.

    Raises
    ------
    InputError
        A length is not a number of residues.
    """
    found = Collector(table.file, layout, _with_entries(wanted))
    entries = table.frame["Entry"].str.strip().map(found.entry)
    kept = table.frame[entries.notna()]
    lengths = kept["Length"].str.strip() if "Length" in kept else pd.Series("", index=kept.index)
    columns = (kept[name] for name in feature_columns(kept.columns))
    for row, entry, length, *cells in zip(kept.index, entries.dropna(), lengths, *columns, strict=True):
        found.length(row, entry, length)
        for cell in filter(None, cells):
            _parse_cell(found, row, entry, cell, layout)
    return found.result()


def _with_entries(wanted: Iterable[str]) -> set[str]:
    """Names of proteins, and for each isoform that of its entry, with which UniProt keeps its regions."""
    return {part for name in wanted for part in (name, name.partition("-")[0] if _ISOFORM.fullmatch(name) else name)}


def _parse_cell(found: Collector, row: int, entry: str, cell: str, layout: str) -> None:
    for feature, qualifiers in _features(cell, layout):
        if isinstance(feature, str):
            found.problem(row, entry, f"{feature!r} must be a feature such as {_EXAMPLES[layout]} in a {layout}")
            continue
        kind = UNIPROT_TYPES.get(feature["type"]) if layout == EXPORTED else canonical_type(feature["type"])
        if kind is None:
            found.problem(row, entry, f"{feature[0]!r} must have a known type, got {feature['type']!r}")
            continue
        location = feature["location"]
        place = _place(location.replace(",", "..") if layout == PUBLISHED else location)
        if isinstance(place, str):
            found.problem(row, entry, f"{feature[0]!r}: {place}")
            continue
        note = "; ".join(text for name, text in qualifiers if name in _NOTES)
        accession = "; ".join(text for name, text in qualifiers if name == "id")
        found.region(row, place.isoform or entry, SOURCE, kind, place.start, place.end, note, accession)


def _features(cell: str, layout: str) -> Iterator[tuple[re.Match[str] | str, list[tuple[str, str]]]]:
    """Features of a cell, as text where they can't be read, with their qualifiers."""
    at = _after_gap(cell, 0)
    feature: re.Match[str] | str | None = None
    qualifiers: list[tuple[str, str]] = []
    while at < len(cell):
        qualifier = _QUALIFIER.match(cell, at)
        if qualifier and feature:
            qualifiers.append((qualifier["name"], (qualifier["text"] or "").replace('""', '"')))
            at = _after_gap(cell, qualifier.end())
            continue
        if feature:
            yield feature, qualifiers
        match, qualifiers = _FEATURES[layout].match(cell, at), []
        end = match.end() if match else len(cell[at:].partition(";")[0]) + at
        feature, at = match or cell[at:end].strip(), _after_gap(cell, end)
    if feature:
        yield feature, qualifiers


def _after_gap(cell: str, at: int) -> int:
    """The next place that holds neither a blank nor a semicolon."""
    while at < len(cell) and cell[at] in "; \t":
        at += 1
    return at


def _place(location: str) -> _Place | str:
    """The place of `5..88`, `<1..45`, `?120..>200`, `5` or `P12345-2:3..9`, or the reason why it can't be used."""
    match = _LOCATION.fullmatch(location)
    if match is None:
        return "must be at residues such as 5..88, <1..45 or 5"
    start, end = (text.lstrip("<>?") for text in (match["start"], match["end"] or match["start"]))
    if not (start and end):
        return "an end that isn't known (?) can't be placed on the sequence"
    return _Place(match["isoform"], int(start), int(end))


def parse_json(text: str, file: str, wanted: Iterable[str]) -> Annotations:
    """Features of UniProtKB entries in JSON.

    Parameters
    ----------
    text : str
        One entry, a list of entries, or a page of results.
    file : str
        The file's name for messages.
    wanted : iterable of str
        Proteins to read; regions of an isoform stand with its entry.

    Returns
    -------
    annotations : Annotations
        Features that can't be read are among the problems; their rows number the file's proteins from 1.

    Raises
    ------
    InputError
        The text isn't JSON, or not of UniProtKB entries.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{file} line {error.lineno}: must be JSON, got {error.msg}; fetch it again") from error
    found = Collector(file, JSON, _with_entries(wanted))
    for number, protein in enumerate(_proteins(content, file), start=1):
        entry = found.entry(protein["primaryAccession"])
        if entry is None:
            continue
        found.length(number, entry, str(protein.get("sequence", {}).get("length", "")))
        for feature in protein.get("features", ()):
            _parse_feature(found, number, entry, feature)
    return found.result()


def _proteins(content: Any, file: str) -> list[dict[str, Any]]:
    proteins = content.get("results", [content]) if isinstance(content, dict) else content
    if not isinstance(proteins, list) or not all(
        isinstance(protein, dict) and "primaryAccession" in protein for protein in proteins
    ):
        raise InputError(
            f"{file} must hold UniProtKB entries with their `primaryAccession`, got other JSON; download it from "
            "uniprot.org in the format JSON (of InterProScan, give the TSV or GFF3)"
        )
    return proteins


def _parse_feature(found: Collector, number: int, entry: str, feature: dict[str, Any]) -> None:
    kind, location = canonical_type(str(feature.get("type", ""))), feature.get("location", {})
    ends = [location.get(end, {}).get("value") for end in ("start", "end")]
    shown = f"{feature.get('type')} {ends[0]}..{ends[1]}"
    if kind is None:
        found.problem(number, entry, f"{shown!r} must have a known type")
    elif not all(isinstance(end, int) for end in ends):
        found.problem(number, entry, f"{shown!r}: an end that isn't known can't be placed on the sequence")
    else:
        note = "; ".join(filter(None, (feature.get("description"), feature.get("ligand", {}).get("name"))))
        isoform = location.get("sequence") or entry
        found.region(number, isoform, SOURCE, kind, ends[0], ends[1], note, feature.get("featureId", ""))
