"""Files: their names in messages, their endings, their tables and text, and writing that leaves no file cut short."""

import codecs
import errno
import gzip
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import pandas as pd
from safetensors import SafetensorError

from esm2_amp.errors import SHOWN_PROBLEMS, InputError

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8

_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive, as Excel's .xlsx is; rename it to end in .xlsx or save it as text",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as .xlsx",
    _GZIP: "gzip-compressed data; rename it to end in .gz",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
DAMAGED_ARCHIVE: Final = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged zip archive raises, of which NumPy's and PyTorch's files are some."""

_CHUNK: Final = 1 << 24
"""Bytes of a text that are read at once, about."""


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


@dataclass(frozen=True, eq=False)
class SourceBlocks:
    """A table of text in a user's file, read some rows at a time, anew each time that it is iterated over.

    Attributes
    ----------
    file : str
        The name of the file for messages.
    columns : tuple of str
        Those of each block.
    read : callable
        Gives the blocks in the order of the file, at least one, each a SourceTable with the blank rows among its own.
        It raises InputError where the file can't be read: at the end for rows of a wrong width, which it leaves out.
    """

    file: str
    columns: tuple[str, ...]
    read: Callable[[], Iterator[SourceTable]]

    def __iter__(self) -> Iterator[SourceTable]:
        return self.read()

    def whole(self) -> SourceTable:
        """All rows at once."""
        blocks = list(self)
        if len(blocks) == 1:
            return blocks[0]
        frame = pd.concat([block.frame for block in blocks])
        return SourceTable(frame, self.file, sum(block.blank_rows for block in blocks))


class Problems:
    """What is wrong with a file: the first `SHOWN_PROBLEMS`, and how many there are.

    Parameters
    ----------
    file : str
        The name of the file.
    """

    def __init__(self, file: str) -> None:
        self._file, self._first, self._count = file, list[str](), 0

    def add(self, problems: Iterable[str]) -> None:
        """Note problems, each of which names its own place, in the order of the file."""
        for problem in problems:
            self._count += 1
            if self._count <= SHOWN_PROBLEMS:
                self._first.append(problem)

    def raise_any(self) -> None:
        """Raise one InputError for all of them, if there are any."""
        if self._count == 1:
            raise InputError(self._first[0])
        if self._count:
            raise InputError.listing(f"{self._file} has {self._count} problems:", self._first, self._count)


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
    """The text of a file as bytes of UTF-8, without a byte order mark; read as by `utf8_chunks`."""
    return b"".join(utf8_chunks(path))


def utf8_chunks(path: Path) -> Iterator[bytes]:
    r"""The text of a file as bytes of UTF-8, without a byte order mark, in parts that end in `\n`, but for the last.

    A file whose name ends in .gz is decompressed, and one that is in UTF-16, as Excel's Unicode Text is, is converted.

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    InputError
        The file is empty, cut short, binary, or neither in UTF-8 nor in UTF-16 with its mark. What is wrong below the
        first part is found when it is reached.
    """
    name, lines, has_text, blank = shown(path), 0, False, b""
    for number, part in enumerate(_whole_lines(_parts(path, name))):
        data = part if number else _text_at_start(part, name)
        if control := _CONTROL.search(data):
            at = _place(data, control.start(), lines)
            raise InputError(f"{name} {at}: the file must be text, got binary data; check that it is the file you mean")
        try:
            has_text |= bool((data if data.isascii() else data.decode("utf-8")).strip())
        except UnicodeDecodeError as error:
            at = _place(data, error.start, lines)
            raise InputError(f"{name} {at}: the text must be UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)") from error
        lines += data.count(b"\n")
        blank += b"" if has_text else data
        if has_text:
            yield blank + data if blank else data
            blank = b""
    if not has_text:
        raise InputError(f"{name} is empty; check that it was written completely")


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
        raise _not_written(path, error, size) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well, it takes the place of `folder` and what that held.

    Parameters
    ----------
    folder : Path
        The folders that it lies in are made where they are missing.

    Yields
    ------
    part : Path
        Beside `folder`; removed when the block fails.

    Raises
    ------
    InputError
        A file could not be written, for instance because the disk is full.
    """
    part, old = (folder.with_name(f".{folder.name}.{state}") for state in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)  # a killed process's
    try:
        part.mkdir(parents=True)
        yield part
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        part.rename(folder)
    except (OSError, SafetensorError) as error:
        raise _not_written(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise InputError for whatever a library raises on a file that a run wrote and that was damaged since.

    Too little memory and what the operating system refuses are no damage: their errors are passed on.

    Parameters
    ----------
    path : Path
        The file or folder that is read in the block.

    Raises
    ------
    InputError
        The file can't be read. The message names it.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = error.__cause__ or error  # Kedro raises its own error from the one that says what is wrong
        refused = isinstance(reason, OSError) and reason.errno not in (None, errno.EINVAL)  # a place before the start
        if refused or isinstance(reason, MemoryError) or not path.exists():
            raise
        words = (str(reason).strip() or type(reason).__name__).splitlines()[0]
        raise InputError(
            f"{path} can't be read ({words}): it was cut short or altered; delete it, and run the pipeline that wrote "
            "it again"
        ) from error


def check_last_line(path: Path) -> None:
    """Raise ValueError for a text whose last line has no end: what wrote it ended each line."""
    if not ends_in_line_break(path):
        raise ValueError("its last line is cut short")


def ends_in_line_break(path: Path) -> bool:
    """Whether a file's last byte is a line break; an empty one has none."""
    with path.open("rb") as file:
        file.seek(-min(1, path.stat().st_size), os.SEEK_END)
        return file.read() == b"\n"


def _not_written(path: Path, error: Exception, size: str | None = None) -> InputError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return InputError(
        f"{path}{f' ({size})' if size else ''} could not be written: {reason}; free some space or "
        "choose another data folder, then run the same command again: what was finished before is kept"
    )


def _parts(path: Path, name: str) -> Iterator[bytes]:
    """The bytes of a file, decompressed where its name ends in .gz."""
    with path.open("rb") as file:
        content = cast("BinaryIO", gzip.GzipFile(fileobj=file)) if path.name.lower().endswith(".gz") else file
        if content is not file and file.peek(2)[:2] not in (_GZIP, b""):
            raise InputError(
                f"{name} must be gzip-compressed as its ending says, got other data; rename it without .gz"
            )
        try:
            while part := content.read(_CHUNK):
                yield part
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{name} must be a whole gzip file, got one cut short or damaged; fetch it again"
            ) from error


def _whole_lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes cut behind line ends; those of UTF-16 in one piece, where they can't be told."""
    begun: list[bytes] = []
    for part in parts:
        cut = 0 if (begun[0] if begun else part).startswith(_UTF16) else part.rfind(b"\n") + 1
        if cut:
            yield b"".join([*begun, part[:cut]])
            begun = []
        if cut < len(part):
            begun.append(part[cut:])
    if begun:
        yield b"".join(begun)


def _text_at_start(data: bytes, name: str) -> bytes:
    """The first part of a text, converted from UTF-16 and without a byte order mark."""
    for start, what in _NOT_TEXT.items():
        if data.startswith(start):
            raise InputError(f"{name} must be text as its ending says, got {what}")
    return (_from_utf16(data, name) if data.startswith(_UTF16) else data).removeprefix(BYTE_ORDER_MARK)


def _from_utf16(data: bytes, name: str) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} must be whole UTF-16 text as its first bytes say, got one cut short or damaged; save it as UTF-8 "
            "(in Excel: CSV UTF-8)"
        ) from error


def _place(data: bytes, at: int, lines_before: int) -> str:
    line = lines_before + data.count(b"\n", 0, at) + 1
    return f"line {line}, byte 0x{data[at]:02X}"


def as_file_name(name: str) -> str:
    """A name with what file systems refuse, such as / and |, replaced."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
