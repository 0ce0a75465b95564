"""Reader of GFF3, as UniProt and InterProScan write it."""

from typing import Final
from urllib.parse import unquote

from esm2_amp.regions.annotations import Annotations, Collector
from esm2_amp.regions.interpro import SOURCE as INTERPRO
from esm2_amp.regions.interpro import EntryTypes, keep_match
from esm2_amp.regions.types import canonical_type
from esm2_amp.regions.uniprot import SOURCE as UNIPROT

GFF3: Final = "GFF3"

_CELLS = 9
_MATCH, _WHOLE_PROTEIN = "protein_match", "polypeptide"
_UNIPROT_SOURCES = ("UniProtKB", "UniProt")


def parse_gff(text: str, file: str, types: EntryTypes | None, wanted: set[str]) -> Annotations:
    """Features of GFF3; a `protein_match` takes the type of its InterPro entry.

    Parameters
    ----------
    text : str
    file : str
        Its name for messages.
    types : mapping of str, optional
        Of the InterPro entries; needed where the file has InterProScan's matches.
    wanted : set of str
        Proteins to read.
    """
    found = Collector(file, GFF3)
    for row, line in enumerate(text.splitlines(), start=1):
        if line.startswith("##FASTA"):
            break
        if line.startswith("##sequence-region") and len(parts := line.split()) == 4:  # noqa: PLR2004
            if parts[1] in wanted:
                found.length(row, parts[1], parts[3])
        elif line.strip() and not line.startswith("#"):
            _parse_line(found, row, line.split("\t"), types, wanted)
    return found.result()


def _parse_line(found: Collector, row: int, cells: list[str], types: EntryTypes | None, wanted: set[str]) -> None:
    entry = unquote(cells[0])
    if entry not in wanted:
        return
    if len(cells) < _CELLS - 1:
        found.problem(row, entry, f"a feature must have {_CELLS} cells, got {len(cells)}")
        return
    source, kind, start, end = cells[1:5]
    attributes = _attributes(cells[_CELLS - 1]) if len(cells) >= _CELLS else {}
    name = attributes.get("Name", "")
    if kind == _WHOLE_PROTEIN:
        found.length(row, entry, end)
    elif kind == _MATCH:
        dbxref = (part.strip('"') for part in attributes.get("Dbxref", "").split(","))
        accession = next((part.partition(":")[2] for part in dbxref if part.startswith("InterPro:")), "-")
        note = attributes.get("signature_desc", name)
        keep_match(found, row, entry, accession, note, [start, end], types or {}, signature=name or source)
    elif not (start.isdecimal() and end.isdecimal()):
        found.problem(row, entry, f"{kind} must have a start and an end in residues, got {start}..{end}")
    else:
        source = UNIPROT if source in _UNIPROT_SOURCES else INTERPRO if source == INTERPRO else source
        note = "; ".join(filter(None, (attributes.get("Note", ""), "" if source == UNIPROT else name)))
        known = canonical_type(kind) or kind
        found.region(row, entry, source, known, int(start), int(end), note, attributes.get("ID", ""))


def _attributes(cell: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in cell.strip().split(";") if part.strip())
    # A comma separates several values; one within a value is written %2C.
    separated = {name.strip(): value for name, _, value in pairs}
    return {
        name: ("; " if name == "Note" else ",").join(unquote(value) for value in values.split(","))
        for name, values in separated.items()
    }
