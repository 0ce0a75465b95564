"""A checksum of whole Parquet files: Parquet's own are of its pages, not of names, row counts or encodings.

The record stands between the last page and the footer. Every reader finds pages by their offsets in the footer, so that
no reader looks there, and a Parquet file with a record remains one.
"""

import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa

_MARK: Final = b"esm2_amp"
_DIGITS: Final = 8
_RECORD: Final = len(_MARK) + _DIGITS
"""Bytes of a record: the mark, and the CRC-32 of all other bytes of the file in hexadecimal."""

_END: Final = 8
"""Bytes behind the footer: its length and `PAR1`."""

_CHUNK: Final = 1 << 20


def add_checksum(file: Path) -> None:
    """Put a record of its checksum into a Parquet file that was just written."""
    with file.open("rb+") as opened:
        size = opened.seek(0, os.SEEK_END)
        footer = _footer_at(opened, size)
        checksum = _crc32(opened, 0, size)
        opened.seek(footer)
        end = opened.read()
        opened.seek(footer)
        opened.write(_MARK + b"%08x" % checksum + end)


def check_parquet(file: Path) -> None:
    """Raise ArrowInvalid where a Parquet file doesn't agree with its checksum; one without a checksum passes.

    A file is read once in a process, unless it has changed since.
    """
    state = file.stat()
    if not _agrees(file, state.st_mtime_ns, state.st_size):
        raise pa.ArrowInvalid("it doesn't agree with its checksum")


@lru_cache(maxsize=1 << 10)
def _agrees(file: Path, written: int, size: int) -> bool:
    """Whether a file of a time and size agrees with its checksum."""
    with file.open("rb") as opened:
        footer = _footer_at(opened, size)
        start = footer - _RECORD
        if start < 0:
            return True
        opened.seek(start)
        record = opened.read(_RECORD)
        if not record.startswith(_MARK):
            return True
        found = _crc32(opened, footer, size, _crc32(opened, 0, start))
    return record == _MARK + b"%08x" % found


def _footer_at(opened: BinaryIO, size: int) -> int:
    """Where the footer begins; below 0 in what is no Parquet file."""
    opened.seek(max(0, size - _END))
    return size - _END - int.from_bytes(opened.read(4), "little")


def _crc32(opened: BinaryIO, start: int, end: int, found: int = 0) -> int:
    """The checksum of a file's bytes from `start` to `end`, behind bytes of the checksum `found`."""
    opened.seek(start)
    while start < end:
        part = opened.read(min(_CHUNK, end - start))
        found, start = zlib.crc32(part, found), start + len(part)
    return found
