"""Files and folders that are either whole or not there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esm2_amp.errors import InputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, then rename it.

    A process killed at any moment leaves the old file or the new one. When the disk is full the temporary file is
    removed and InputError says so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_killed_process in path.parent.glob(f".{path.name}.*.part"):
        left_by_a_killed_process.unlink(missing_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            f"{path} ({len(content):,} bytes) could not be written: {error.strerror}; free some space or choose "
            "another data folder, then run the same command again: what was finished before is kept"
        ) from error


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
