"""Readers of InterPro's annotations: InterProScan's TSV, `protein2ipr`, and the entry list that names types."""

import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.files import shown
from esm2_amp.regions.annotations import Annotations, Collector
from esm2_amp.regions.types import canonical_type

SOURCE: Final = "InterPro"
INTERPROSCAN, PROTEIN2IPR = "InterProScan TSV", "protein2ipr"

EntryTypes = Mapping[str, str]
"""Type of each InterPro entry by its accession."""

_IPR = re.compile(r"IPR\d{6}")
_BLOCK = 1 << 23
_KEY_BYTES = 8


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
        for row, line in _lines_of(stream, {entry.encode() for entry in wanted}):
            cells = line.decode("utf-8", errors="replace").split("\t")
            if len(cells) != 6:  # noqa: PLR2004
                found.problem(row, cells[0], f"a match must have 6 cells, got {len(cells)}")
                continue
            found.entries.add(cells[0])
            keep_match(found, row, cells[0], cells[1], cells[2], cells[4:6], types, signature=cells[3])
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"{shown(path)} must be a whole gzip file, got one cut short or damaged; fetch it again"
        ) from error
    return found.result()


def _lines_of(stream: BinaryIO, wanted: set[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines whose first cell is wanted, with their 1-based numbers.

    Of each block all lines are compared at once by their first few bytes, read as one number; only the few that agree
    are looked at one by one.
    """
    if not wanted:
        return
    width = min(_KEY_BYTES, min(map(len, wanted)) + 1)
    mask = np.uint64((1 << 8 * width) - 1)
    keys = np.unique([int.from_bytes((name + b"\t")[:width], "little") for name in wanted]).astype(np.uint64)
    number, rest = 1, b""
    while block := stream.read(_BLOCK):
        whole, newline, tail = block.rpartition(b"\n")
        lines, rest = (rest + whole, tail) if newline else (b"", rest + block)
        if newline:
            yield from _matching(lines, number, wanted, keys, mask)
            number += lines.count(b"\n") + 1
    if rest:
        yield from _matching(rest, number, wanted, keys, mask)


def _matching(
    lines: bytes, number: int, wanted: set[bytes], keys: NDArray[np.uint64], mask: np.uint64
) -> Iterator[tuple[int, bytes]]:
    """The wanted ones of whole lines, the first of which has the number given."""
    # Padded, so that a number can be read from the last line's start, too.
    data = np.frombuffer(lines + b"\n" * _KEY_BYTES, np.uint8)
    newlines = np.flatnonzero(data[: len(lines) + 1] == ord("\n"))
    starts = np.concatenate([[0], newlines[:-1] + 1])
    numbers: NDArray[Any] = np.ndarray((len(lines) + 1,), "<u8", data, strides=(1,))
    key = numbers[starts] & mask
    # Lines of one protein stand together: one look-up for each run of equal keys.
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    at = np.minimum(np.searchsorted(keys, key[first]), len(keys) - 1)
    runs = np.diff(np.append(first, len(key)))
    for line in np.flatnonzero(np.repeat(keys[at] == key[first], runs)).tolist():
        text = lines[starts[line] : newlines[line]]
        if text.partition(b"\t")[0] in wanted:
            yield number + line, text.removesuffix(b"\r")
