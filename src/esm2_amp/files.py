"""Files: their names in messages, their endings, their tables and text, and writing that leaves no file cut short."""

import codecs
import gzip
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from esm2_amp.errors import InputError

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8

_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive, as Excel's .xlsx is; rename it to end in .xlsx or save it as text",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as .xlsx",
    _GZIP: "gzip-compressed data; rename it to end in .gz",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True, eq=False)
class SourceTable:
    """A table of text as a user's file holds it, and what messages about its rows need.

    Attributes
    ----------
    frame : DataFrame of str
        The cells as found in the file. The index is the 1-based place of each row in the file, and its name says of
        what: `row` of a table (its header is counted), or `line` of a FASTA header.
    file : str
        The name of the file for messages.
    blank_rows : int
        How many blank rows of the file were skipped.
    """

    frame: pd.DataFrame
    file: str
    blank_rows: int = 0


def shown(path: Path) -> str:
    """The path of a file for messages, relative to the working directory where it lies below that."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def listed(file: str, problems: Sequence[str]) -> InputError:
    """One error for everything wrong with a file; each problem names its own place."""
    if len(problems) == 1:
        return InputError(problems[0])
    return InputError.listing(f"{file} has {len(problems)} problems:", problems)


def ending_of(path: Path, accepted: Sequence[str]) -> str:
    """The one of `accepted` that a file's name ends in, whatever its case.

    Raises
    ------
    InputError
        The name ends otherwise, or there is no such file.
    """
    for ending in accepted:
        if path.name.lower().endswith(ending):
            break
    else:
        raise InputError(f"{shown(path)}: the name must end in one of {', '.join(accepted)}, got {path.name!r}")
    if not path.is_file():
        raise InputError(f"{shown(path)}: there is no such file; check the path")
    return ending


def read_text(path: Path) -> str:
    """The text of a file, read as by `read_utf8`."""
    return read_utf8(path).decode("utf-8")


def read_utf8(path: Path) -> bytes:
    """The text of a file as bytes of UTF-8, without a byte order mark.

    A file whose name ends in .gz is decompressed, and one that is in UTF-16, as Excel's Unicode Text is, is converted.

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    InputError
        The file is empty, cut short, binary, or neither in UTF-8 nor in UTF-16 with its mark.
    """
    name = shown(path)
    data = path.read_bytes()
    if path.name.lower().endswith(".gz") and data:
        data = _decompress(data, name)
    for start, what in _NOT_TEXT.items():
        if data.startswith(start):
            raise InputError(f"{name} must be text as its ending says, got {what}")
    if data.startswith(_UTF16):
        data = _from_utf16(data, name)
    data = data.removeprefix(BYTE_ORDER_MARK)
    if control := _CONTROL.search(data):
        at = _place(data, control.start())
        raise InputError(f"{name} {at}: the file must be text, got binary data; check that it is the file you mean")
    try:
        is_empty = not data.strip() if data.isascii() else not data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        at = _place(data, error.start)
        raise InputError(f"{name} {at}: the text must be UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)") from error
    if is_empty:
        raise InputError(f"{name} is empty; check that it was written completely")
    return data


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file as `replacing_file` does.

    Raises
    ------
    InputError
        The file could not be written, for instance because the disk is full.
    """
    with replacing_file(path, f"{len(content):,} bytes") as part:
        part.write_bytes(content)


@contextmanager
def replacing_file(path: Path, size: str | None = None) -> Iterator[Path]:
    """Give a name to write a file under; when the block ends well, the file is flushed to the disk and takes its place.

    A process killed at any moment leaves the old file or the new one.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    size : str, optional
        Of the file, for the message.

    Yields
    ------
    part : Path
        Beside `path`; removed when the block fails.

    Raises
    ------
    InputError
        The file could not be written, for instance because the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_killed_process in path.parent.glob(f".{path.name}.*.part"):
        left_by_a_killed_process.unlink(missing_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}{f' ({size})' if size else ''} could not be written: {error.strerror or error}; free some space or "
            "choose another data folder, then run the same command again: what was finished before is kept"
        ) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well, it takes the place of `folder` and what that held."""
    part, old = (folder.with_name(f".{folder.name}.{state}") for state in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)  # a killed process's
    part.mkdir(parents=True)
    yield part
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _decompress(data: bytes, name: str) -> bytes:
    if not data.startswith(_GZIP):
        raise InputError(f"{name} must be gzip-compressed as its ending says, got other data; rename it without .gz")
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} must be a whole gzip file, got one cut short or damaged; fetch it again") from error


def _from_utf16(data: bytes, name: str) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} must be whole UTF-16 text as its first bytes say, got one cut short or damaged; save it as UTF-8 "
            "(in Excel: CSV UTF-8)"
        ) from error


def _place(data: bytes, at: int) -> str:
    line = data.count(b"\n", 0, at) + 1
    return f"line {line}, byte 0x{data[at]:02X}"


def as_file_name(name: str) -> str:
    """A name with what file systems refuse, such as / and |, replaced."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
