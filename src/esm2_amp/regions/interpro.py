"""Readers of InterPro's annotations: InterProScan's TSV, `protein2ipr`, and the entry list that names types."""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from esm2_amp.errors import InputError
from esm2_amp.files import shown
from esm2_amp.regions.annotations import Annotations, Collector
from esm2_amp.regions.types import canonical_type

SOURCE: Final = "InterPro"
INTERPROSCAN, PROTEIN2IPR = "InterProScan TSV", "protein2ipr"

EntryTypes = Mapping[str, str]
"""Type of each InterPro entry by its accession."""

_IPR = re.compile(r"IPR\d{6}")
_BLOCK = 1 << 20
_NOT_IN_TEXT = "\x01"


def parse_entry_list(text: str, file: str) -> dict[str, str]:
    """Types of InterPro entries from InterPro's `entry.list`: accession, type and name, separated by tabs."""
    types = {}
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        if cells[0].startswith("ENTRY_AC") or not line.strip():
            continue
        if len(cells) < 2 or not _IPR.fullmatch(cells[0]):  # noqa: PLR2004
            raise InputError(
                f"{file} line {number}: an InterPro entry list must give accession, type and name separated by tabs, "
                f"got {line[:60]!r}; download entry.list from InterPro"
            )
        types[cells[0]] = canonical_type(cells[1]) or cells[1]
    return types


def parse_interproscan(text: str, file: str, types: EntryTypes, wanted: set[str]) -> Annotations:
    """Matches of InterProScan's TSV that InterPro has integrated in an entry; others have no type and are counted.

    Parameters
    ----------
    text : str
    file : str
        Its name for messages.
    types : mapping of str
        Of the InterPro entries.
    wanted : set of str
        Proteins to read.
    """
    found = Collector(file, INTERPROSCAN)
    for row, line in enumerate(text.splitlines(), start=1):
        cells = line.split("\t")
        entry = cells[0].strip()
        if entry not in wanted:
            continue
        if len(cells) < 11:  # noqa: PLR2004
            found.problem(row, entry, f"a match must have at least 11 cells, got {len(cells)}")
            continue
        found.length(row, entry, cells[2])
        accession = cells[11].strip() if len(cells) > 11 else "-"  # noqa: PLR2004
        name = cells[12] if len(cells) > 12 else cells[5]  # noqa: PLR2004
        keep_match(found, row, entry, accession, name, cells[6:8], types, signature=cells[4])
    return found.result()


def keep_match(
    found: Collector,
    row: int,
    entry: str,
    accession: str,
    name: str,
    ends: list[str],
    types: EntryTypes,
    *,
    signature: str,
) -> None:
    """Keep a match of an InterPro entry, or say why not."""
    if not _IPR.fullmatch(accession):
        found.problem(row, entry, f"{signature} is in no InterPro entry, and so has no type")
    elif accession not in types:
        found.problem(row, entry, f"{accession} must be in the InterPro entry list; take the list of the same release")
    elif not all(end.strip().isdecimal() for end in ends):
        found.problem(row, entry, f"{accession} must have a start and an end in residues, got {'..'.join(ends)}")
    else:
        found.region(row, entry, SOURCE, types[accession], int(ends[0]), int(ends[1]), name, accession)


def parse_protein2ipr(stream: BinaryIO, path: Path, types: EntryTypes, wanted: set[str]) -> Annotations:
    """Matches of the proteins asked for in `protein2ipr`, read as a stream: memory doesn't grow with the file.

    Parameters
    ----------
    stream : binary file
        Uncompressed: protein, InterPro entry, its name, signature, start and end, separated by tabs.
    path : Path
        For messages.
    types : mapping of str
        Of the InterPro entries.
    wanted : set of str
        Proteins to read.
    """
    found = Collector(shown(path), PROTEIN2IPR)
    try:
        for row, line in _lines_of(stream, wanted):
            cells = line.split("\t")
            if len(cells) != 6:  # noqa: PLR2004
                found.problem(row, cells[0], f"a match must have 6 cells, got {len(cells)}")
                continue
            found.entries.add(cells[0])
            keep_match(found, row, cells[0], cells[1], cells[2], cells[4:6], types, signature=cells[3])
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
