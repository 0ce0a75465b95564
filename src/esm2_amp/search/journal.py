"""The journal file of a study: shared by processes, readable after a kill or a full disk."""

import json
import logging
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages.journal import JournalFileBackend
from typing_extensions import override

from esm2_amp.checked_json import with_checksum, without_checksum
from esm2_amp.errors import InputError
from esm2_amp.files import ends_in_line_break, shown

logger = logging.getLogger(__name__)

_SHOWN_BYTES = 60


class Journal(JournalFileBackend):
    """Optuna's journal file, with a lock of the operating system, which needs no links and ends with its process.

    A kill or a full disk during a write leaves a last record cut short. It is dropped before another one is written.

    Parameters
    ----------
    file : Path
        A record in JSON with its checksum a line. The lock file stands beside it.

    Raises
    ------
    InputError
        The file is damaged before its last record.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.lock = file, FileLock(file.with_suffix(".lock"))
        super().__init__(str(file), self.lock)  # type: ignore[arg-type]  # it has the methods acquire and release
        with self.lock:
            _drop_cut_record(file)

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            with self.lock:
                if not ends_in_line_break(self.file):
                    _drop_cut_record(self.file)
                super().append_logs([with_checksum(log) for log in logs])
        except OSError as error:
            raise InputError(
                f"{shown(self.file)} could not be written: {error.strerror or error}; free some space, then run the "
                "same command again: finished trials and folds are kept"
            ) from error

    @override
    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        for log in super().read_logs(log_number_from):
            yield without_checksum(log)


def _drop_cut_record(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    whole = next((number for number, line in enumerate(lines) if not _is_record(line)), len(lines))
    if any(map(_is_record, lines[whole + 1 :])):
        raise InputError(
            f"{shown(file)} line {whole + 1} must be a record in JSON with its checksum, got "
            f"{lines[whole][:_SHOWN_BYTES]!r}, and records follow it: the file is damaged; restore a copy of it, or "
            "move it away to begin the study again"
        )
    if whole < len(lines):
        os.truncate(file, sum(map(len, lines[:whole])))
        logger.warning(
            "%s: the last record was cut short or altered, as by a kill or a full disk; it is dropped, the %d before "
            "it are kept",
            shown(file),
            whole,
        )


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(without_checksum(json.loads(line)), dict)
    except ValueError:
        return False
