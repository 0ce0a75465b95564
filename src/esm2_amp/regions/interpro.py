"""Readers of InterPro's annotations: InterProScan's table, `protein2ipr`, and the list of entries and their types."""

import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from esm2_amp.errors import InputError
from esm2_amp.files import shown
from esm2_amp.names import core_of_name, protein_name
from esm2_amp.regions.annotations import Annotations, Collector
from esm2_amp.regions.types import FAMILIES, interpro_type

SOURCE: Final = "InterPro"
INTERPROSCAN, PROTEIN2IPR = "InterProScan TSV", "protein2ipr"

INTERPROSCAN_CELLS, PROTEIN2IPR_CELLS = 11, 6
"""Cells of a line of each; InterProScan adds up to four for entries, GO terms and pathways."""

EntryTypes = Mapping[str, str]
"""Type of each InterPro entry by its accession."""

NO_ENTRY: Final = "-"
"""What stands in the place of an InterPro accession where a signature is in no entry."""

_IPR = re.compile(r"IPR\d{6}")
_BLOCK = 1 << 20
_NOT_IN_TEXT = "\x01"


class Match(NamedTuple):
    """A signature's match on a protein, as a file gives it.

    Attributes
    ----------
    signature : str
        The signature's accession or name, for messages.
    accession : str
        That of the InterPro entry which holds the signature; `NO_ENTRY` or another text where none does.
    name : str
        What the region is called.
    start, end : str
        First and last residue, 1-based and inclusive.
    kind : str
        The type that the file itself gives, if the signature is in an entry; `""` where it gives none.
    """

    signature: str
    accession: str
    name: str
    start: str
    end: str
    kind: str = ""


def parse_entry_list(text: str, file: str) -> dict[str, str]:
    """Types of InterPro entries from InterPro's `entry.list`.

    Parameters
    ----------
    text : str
        Lines of accession, type and name, separated by tabs.
    file : str
        The file's name for messages.

    Returns
    -------
    types : dict of str
        The type of each entry by its accession.

    Raises
    ------
    InputError
        A line is not of that form.
    """
    types = {}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if cells[0].startswith("ENTRY_AC") or not line.strip():
            continue
        kind = interpro_type(cells[1]) if len(cells) > 1 else None
        if kind is None or not _IPR.fullmatch(cells[0]):
            raise InputError(
                f"{file} line {number}: an InterPro entry list must give accession, type and name separated by tabs, "
                f"got {line[:60]!r}; download entry.list from InterPro"
            )
        types[cells[0]] = kind
    return types


def parse_interproscan(text: str, file: str, types: EntryTypes | None, wanted: Iterable[str]) -> Annotations:
    """Matches in a table (TSV) of InterProScan 5 or 6; those whose signature is in no InterPro entry have no type.

    Parameters
    ----------
    text : str
        Lines of 11 to 15 cells, as many as InterProScan was asked for.
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
        A match names an InterPro entry, but `types` are not given.
    """
    found = Collector(file, INTERPROSCAN, wanted)
    for row, line in enumerate(text.splitlines(), start=1):
        entry = found.entry(line.partition("\t")[0].strip())
        if entry is None:
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < INTERPROSCAN_CELLS:
            found.problem(row, entry, f"a match must have at least {INTERPROSCAN_CELLS} cells, got {len(cells)}")
            continue
        found.length(row, entry, cells[2])
        _, _, _, _, signature, description, start, end, *_ = cells
        accession, name = cells[11:13] if len(cells) > INTERPROSCAN_CELLS + 1 else (NO_ENTRY, description)
        keep_match(found, row, entry, Match(signature, accession, name, start, end), types)
    return found.result()


def keep_match(found: Collector, row: int, entry: str, match: Match, types: EntryTypes | None) -> None:
    """Keep a match that has a type, or else the reason why it can't be used.

    The type is the one that the file gives, or else that of the InterPro entry. Where either is one of `FAMILIES`, that
    one counts: such a match describes what the protein is, not a region of it. A signature that is in no entry has no
    type, whatever its file calls it: tables, which don't name types, leave it out, too.

    Parameters
    ----------
    found : Collector
        Keeps the region or the problem.
    row : int
        1-based line of the match in the file.
    entry : str
        The protein.
    match : Match
        The match.
    types : mapping of str, optional
        Types of the InterPro entries.

    Raises
    ------
    InputError
        The type must be looked up, but `types` are not given.
    """
    given, in_entry = interpro_type(match.kind), _IPR.fullmatch(match.accession) is not None
    if types is None and in_entry and given is None:
        raise no_entry_list(found.file, found.layout)
    listed = (types or {}).get(match.accession)
    kind = listed if listed in FAMILIES else given or listed
    if not in_entry:
        problem = f"{match.signature} is in no InterPro entry, and so has no type"
    elif kind is None:
        problem = f"{match.accession} must be in the InterPro entry list; take the list of the same release"
    elif not (match.start.isdecimal() and match.end.isdecimal()):
        ends = f"{match.start}..{match.end}"
        problem = f"{match.signature} must have a start and an end in residues, got {ends}"
    else:
        found.region(row, entry, SOURCE, kind, int(match.start), int(match.end), match.name, match.accession)
        return
    found.problem(row, entry, problem)


def no_entry_list(file: str, layout: str) -> InputError:
    """The error of a file with InterPro entries where no list of their types is given.

    Parameters
    ----------
    file : str
        The file's name.
    layout : str
        What kind of file it is.
    """
    return InputError(
        f"{file} ({layout}) names InterPro entries but not their types; give InterPro's entry list by "
        "--params=entry_list=FILE, or put it beside the file as entry.list"
    )


def parse_protein2ipr(stream: BinaryIO, path: Path, types: EntryTypes, wanted: Collection[str]) -> Annotations:
    """Matches in `protein2ipr`, which is read as a stream: memory doesn't grow with the file.

    Parameters
    ----------
    stream : binary file
        Uncompressed: protein, InterPro entry, its name, signature, start and end, separated by tabs.
    path : Path
        The file, for messages.
    types : mapping of str
        Types of the InterPro entries.
    wanted : collection of str
        Proteins to read.

    Returns
    -------
    annotations : Annotations
        Matches of entries that `types` lack are among the problems.

    Raises
    ------
    InputError
        The file is cut short, or isn't text in lines.
    """
    found = Collector(shown(path), PROTEIN2IPR, wanted)
    try:
        for row, line in _lines_of(
            stream, {key for name in wanted for key in (protein_name(name), core_of_name(name))}
        ):
            cells = line.split("\t")
            entry = found.entry(cells[0])
            if entry is None:
                continue
            if len(cells) != PROTEIN2IPR_CELLS:
                found.problem(row, entry, f"a match must have {PROTEIN2IPR_CELLS} cells, got {len(cells)}")
                continue
            _, accession, name, signature, start, end = cells
            keep_match(found, row, entry, Match(signature, accession, name, start, end), types)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{shown(path)} must be a whole gzip file, got one cut short or damaged; fetch it again"
        ) from error
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{shown(path)} must be text in lines of less than {_BLOCK:,} bytes, got other data ({error}); "
            "fetch it again"
        ) from error
    return found.result()


def _lines_of(stream: BinaryIO, wanted: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines whose first cell is wanted, with their 1-based numbers."""
    keys = _keys_by_width(wanted)
    if not keys:
        return
    options = csv.ReadOptions(column_names=["line"], block_size=_BLOCK, use_threads=False)
    # Whole lines, as if they were cells: of all the cells only few are needed, and a line may have too few or too many.
    whole = csv.ParseOptions(delimiter=_NOT_IN_TEXT, quote_char=False, ignore_empty_lines=False)
    as_bytes = csv.ConvertOptions(column_types={"line": pa.binary()})
    number = 1
    with csv.open_csv(stream, options, whole, as_bytes) as reader:
        for batch in reader:
            lines = batch.column(0)
            is_wanted = reduce(
                pc.or_, (pc.is_in(pc.binary_slice(lines, 0, width), value_set=key) for width, key in keys.items())
            )
            for at in pc.indices_nonzero(is_wanted).to_pylist():
                yield number + at, lines[at].as_py().decode("utf-8", errors="replace")
            number += len(lines)


def _keys_by_width(names: Iterable[str]) -> dict[int, pa.Array]:
    """Beginnings of lines, each name with the tab behind it, by their width in bytes."""
    keys: dict[int, list[bytes]] = {}
    for name in names:
        key = f"{name}\t".encode()
        keys.setdefault(len(key), []).append(key)
    return {width: pa.array(beginnings, pa.binary()) for width, beginnings in keys.items()}
