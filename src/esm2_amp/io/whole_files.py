"""Kedro's datasets of single files, written whole or not at all, and read with words for what is damaged.

Kedro writes a file under its final name, where a run that is killed leaves half of it.
"""

import zlib
from collections.abc import Mapping
from copy import copy
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

from kedro.io import DatasetError
from kedro_datasets import json, pandas, pickle, text

from esm2_amp.checked_json import with_checksum, without_checksum
from esm2_amp.files import check_last_line, reading, replacing_file
from esm2_amp.io.checked_parquet import add_checksum, check_parquet

_ZLIB: Final = b"\x78"
_CHUNK: Final = 1 << 20


class WholeFile:
    """To be inherited from before one of Kedro's datasets of a local file.

    Raises
    ------
    InputError
        On saving, where the file can't be written, for instance because the disk is full; on loading, where it is
        damaged.
    """

    _filepath: PurePosixPath

    def load(self) -> Any:
        """Read the file."""
        path = Path(self._filepath)
        with reading(path):
            self._check(path)
            return super().load()  # type: ignore[misc]

    def save(self, data: Any) -> None:
        """Write the file beside its place, and put it there when it is whole."""
        with replacing_file(Path(self._filepath)) as part:
            beside = copy(self)
            beside._filepath = PurePosixPath(part)
            try:
                super(WholeFile, beside).save(data)  # type: ignore[misc]
            except DatasetError as error:
                raise error.__cause__ if isinstance(error.__cause__, OSError) else error from None
            self._finish(part)

    def _check(self, path: Path) -> None:
        """Raise ValueError for a file whose reader would take it for a shorter or another one."""

    def _finish(self, part: Path) -> None:
        """Add to a file what `_check` goes by."""


class CSVDataset(WholeFile, pandas.CSVDataset):
    """A table in CSV, which is whole when its last line is."""

    def _check(self, path: Path) -> None:
        check_last_line(path)


class ParquetDataset(WholeFile, pandas.ParquetDataset):
    """A table in Parquet, with a checksum of the file, and those of its pages for other readers."""

    DEFAULT_LOAD_ARGS: ClassVar[dict[str, Any]] = {"page_checksum_verification": True}
    DEFAULT_SAVE_ARGS: ClassVar[dict[str, Any]] = {"write_page_checksum": True}

    def _check(self, path: Path) -> None:
        check_parquet(path)

    def _finish(self, part: Path) -> None:
        add_checksum(part)


class JSONDataset(WholeFile, json.JSONDataset):
    """What JSON can hold, a mapping with a checksum of what it says."""

    def load(self) -> Any:
        """Read the file; its checksum is left out."""
        with reading(Path(self._filepath)):
            return without_checksum(super().load())

    def save(self, data: Any) -> None:
        """Write the file."""
        super().save(with_checksum(data) if isinstance(data, Mapping) else data)


class TextDataset(WholeFile, text.TextDataset):
    """A text."""


class PickleDataset(WholeFile, pickle.PickleDataset):
    """A Python object, by a backend such as joblib, of whose `compress` zlib's checksum is compared."""

    def _check(self, path: Path) -> None:
        with path.open("rb") as file:
            if not file.peek(1).startswith(_ZLIB):
                return
            unpacked = zlib.decompressobj()  # joblib stops reading before the checksum, which is last
            while part := file.read(_CHUNK):
                while part:
                    unpacked.decompress(part, _CHUNK)
                    part = unpacked.unconsumed_tail
        if not unpacked.eof or unpacked.unused_data:
            raise ValueError("it doesn't end where its content does")
