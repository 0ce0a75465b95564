"""Reader of GFF3, as UniProt and InterProScan write it."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from esm2_amp.regions.annotations import Annotations, Collector
from esm2_amp.regions.interpro import NO_ENTRY, EntryTypes, Match, keep_match
from esm2_amp.regions.types import canonical_type
from esm2_amp.regions.uniprot import SOURCE as UNIPROT

GFF3: Final = "GFF3"

CELLS, STRANDS = 9, ("+", "-", ".", "?")
"""Cells of a feature's line (UniProt's lines end with an empty tenth), and what the seventh may hold."""

_LENGTH_LINE, _LENGTH_PARTS = "##sequence-region", 4
_WHOLE_PROTEIN = "polypeptide"
_UNIPROT_SOURCES = ("UniProtKB", "UniProt")


def parse_gff(text: str, file: str, types: EntryTypes | None, wanted: Iterable[str]) -> Annotations:
    """Features in GFF3: one file, or several joined with their headers and sequences.

    A match of InterProScan whose signature is in an InterPro entry has the type in its attribute `type`, which
    InterProScan 6 writes, or else that of the entry; one that is in none has no type (see `keep_match`). Other features
    have the type in their third cell.

    Parameters
    ----------
    text : str
        Lines of nine cells, among comments and sequences in FASTA.
    file : str
        The file's name for messages.
    types : mapping of str, optional
        Types of the InterPro entries.
    wanted : iterable of str
        Proteins to read.

    Returns
    -------
    annotations : Annotations
        Matches without a type are among the problems.

    Raises
    ------
    InputError
        A match has only the type of its InterPro entry, but `types` are not given; or two lengths of a protein differ.
    """
    found = Collector(file, GFF3, wanted)
    for row, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_LENGTH_LINE) and len(parts := line.split()) == _LENGTH_PARTS:
            if entry := found.entry(unquote(parts[1])):
                found.length(row, entry, parts[3])
        elif "\t" in line and line[0] not in "#>" and (entry := found.entry(unquote(line.partition("\t")[0].strip()))):
            _parse_feature(found, row, entry, [cell.strip() for cell in line.split("\t")], types)
    return found.result()


def _parse_feature(found: Collector, row: int, entry: str, cells: list[str], types: EntryTypes | None) -> None:
    if len(cells) < CELLS - 1:
        found.problem(row, entry, f"a feature must have {CELLS} cells, got {len(cells)}")
        return
    source, kind, start, end = cells[1:5]
    attributes = _attributes(cells[CELLS - 1]) if len(cells) >= CELLS else {}
    if kind == _WHOLE_PROTEIN:
        found.length(row, entry, end)
    elif source not in _UNIPROT_SOURCES and (match := _match(source, kind, start, end, attributes)):
        keep_match(found, row, entry, match, types)
    elif not (start.isdecimal() and end.isdecimal()):
        found.problem(row, entry, f"{kind} must have a start and an end in residues, got {start}..{end}")
    else:
        source = UNIPROT if source in _UNIPROT_SOURCES else source
        note = "; ".join(filter(None, (attributes.get("Note"), None if source == UNIPROT else attributes.get("Name"))))
        known = canonical_type(kind) or kind
        found.region(row, entry, source, known, int(start), int(end), note, attributes.get("ID", ""))


def _match(source: str, kind: str, start: str, end: str, attributes: dict[str, str]) -> Match | None:
    """The match of a feature as InterProScan 5 or 6 writes it; None of another feature."""
    references = (part.strip(' "') for part in attributes.get("Dbxref", "").split(","))
    accession = next((part.removeprefix("InterPro:") for part in references if part.startswith("InterPro:")), "")
    is_match = kind == "protein_match" or kind.startswith("polypeptide_")
    if not (is_match or accession or attributes.keys() & {"type", "representative"}):
        return None
    name = attributes.get("Name", "")
    return Match(
        signature=attributes.get("Alias") or name or source,
        accession=accession or NO_ENTRY,
        name=attributes.get("signature_desc", name),
        start=start,
        end=end,
        kind=attributes.get("type", ""),
    )


def _attributes(cell: str) -> dict[str, str]:
    """Values of the attributes by their names; several values of one are joined."""
    values: dict[str, list[str]] = {}
    for part in filter(str.strip, cell.split(";")):
        name, _, text = part.partition("=")
        # A comma separates several values; one within a value is written %2C.
        values.setdefault(name.strip(), []).extend(map(unquote, text.split(",")))
    return {name: ("; " if name == "Note" else ",").join(several) for name, several in values.items()}
