"""Files that users bring: their names in messages, their endings, and text that is really text."""

import codecs
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

from esm2_amp.errors import InputError

Loaded = TypeVar("Loaded")

_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive, as Excel's .xlsx is; rename it to end in .xlsx or save it as text",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as .xlsx",
    _GZIP: "gzip-compressed data; rename it to end in .gz",
}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


class InputFileDataset(AbstractDataset[NoReturn, Loaded | None], Generic[Loaded]):
    """A file that a user brings, or leaves out: without a `filepath` it loads as None. Subclasses may allow saving.

    Parameters
    ----------
    filepath : str, optional
    optional : bool
        Whether the file may be missing, too: then it loads as None.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self, filepath: str | None = None, *, optional: bool = False, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._filepath = None if filepath is None else Path(filepath)
        self._optional = optional
        self.metadata = metadata

    def _read(self, path: Path) -> Loaded:
        raise NotImplementedError

    def load(self) -> Loaded | None:
        """What the file holds, or None where there is no file by choice."""
        if self._filepath is None or (self._optional and not self._filepath.is_file()):
            return None
        return self._read(self._filepath)

    def save(self, data: NoReturn) -> None:
        """Refuse."""
        raise DatasetError(f"{type(self).__name__} is read only")

    def _exists(self) -> bool:
        return self._filepath is None or self._optional or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": None if self._filepath is None else str(self._filepath)}


def shown(path: Path) -> str:
    """A file's name for messages: seen from the working directory where it lies below it, as a user types it."""
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
    """The text of a file in UTF-8, gzip-compressed where its name says so; a byte order mark is left out.

    Parameters
    ----------
    path : Path
        An existing file.

    Raises
    ------
    InputError
        The file is empty, cut short, binary or not UTF-8.
    """
    name = shown(path)
    data = path.read_bytes()
    if path.name.lower().endswith(".gz") and data:
        data = _decompress(data, name)
    for start, what in _NOT_TEXT.items():
        if data.startswith(start):
            raise InputError(f"{name} must be text as its ending says, got {what}")
    if data.startswith(_UTF16):
        raise InputError(f"{name} must be UTF-8 text, got UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)")
    data = data.removeprefix(codecs.BOM_UTF8)
    if control := _CONTROL.search(data):
        at = _place(data, control.start())
        raise InputError(f"{name} {at}: the file must be text, got binary data; check that it is the file you mean")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _place(data, error.start)
        raise InputError(f"{name} {at}: the text must be UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)") from error
    if not text.strip():
        raise InputError(f"{name} is empty; check that it was written completely")
    return text


def _decompress(data: bytes, name: str) -> bytes:
    if not data.startswith(_GZIP):
        raise InputError(f"{name} must be gzip-compressed as its ending says, got other data; rename it without .gz")
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} must be a whole gzip file, got one cut short or damaged; fetch it again") from error


def _place(data: bytes, at: int) -> str:
    line = data.count(b"\n", 0, at) + 1
    return f"line {line}, byte 0x{data[at]:02X}"
