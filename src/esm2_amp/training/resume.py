"""Folders of checkpoints: which fit each holds, and whether that fit was interrupted and can go on."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from esm2_amp.files import DAMAGED_ARCHIVE, write_atomically

logger = logging.getLogger(__name__)

_MARK, _LAST = "fit.json", "last"


def last_checkpoint(folder: Path) -> ModelCheckpoint:
    """The callback that writes `last.ckpt` after every epoch."""
    # a callback of its own: `save_last` writes a checkpoint only after an epoch that is among the best
    return ModelCheckpoint(folder, _LAST, save_on_train_epoch_end=True, enable_version_counter=False)


def checkpoint_to_resume(folder: Path, fingerprint: str, name: str) -> Path | None:
    """The checkpoint of the same fit where that was interrupted; else None, and the folder is emptied.

    Parameters
    ----------
    folder : Path
        Folder of checkpoints.
    fingerprint : str
        A hash of everything that decides the outcome of the fit.
    name : str
        What is being fitted, for the log.
    """
    last = folder / f"{_LAST}.ckpt"
    if _read_mark(folder) == _state(folder, fingerprint, finished=False):
        damaged = [file for file in sorted(folder.glob("*.ckpt")) if not _is_whole(file)]
        if not damaged:
            if last.exists():
                logger.info("%s: resuming an interrupted fit from its last finished epoch", name)
            return last if last.exists() else None
        logger.warning("%s: %s is damaged, so that the interrupted fit begins anew", name, damaged[0])
    shutil.rmtree(folder, ignore_errors=True)
    _write_mark(folder, fingerprint, finished=False)
    return None


def mark_finished(folder: Path, fingerprint: str | None = None) -> None:
    """Mark the fit of a folder as finished, by default that for which the folder was begun."""
    if fingerprint is None:
        fingerprint = _read_mark(folder)["fingerprint"]
    _write_mark(folder, str(fingerprint), finished=True)


def _read_mark(folder: Path) -> dict[str, Any]:
    """What the mark of a folder says; nothing where it is missing or damaged."""
    try:
        mark = json.loads((folder / _MARK).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return mark if isinstance(mark, dict) else {}


def _is_whole(checkpoint: Path) -> bool:
    """Whether all parts of a checkpoint agree with their checksums, which PyTorch writes but doesn't compare."""
    try:
        with ZipFile(checkpoint) as parts:
            if parts.testzip() is not None:
                return False
        torch.load(checkpoint, "cpu", weights_only=False, mmap=True)  # PyTorch reads more of the archive than Python
    except DAMAGED_ARCHIVE:
        return False
    return True


def _write_mark(folder: Path, fingerprint: str, *, finished: bool) -> None:
    write_atomically(folder / _MARK, json.dumps(_state(folder, fingerprint, finished=finished)).encode())


def _state(folder: Path, fingerprint: str, *, finished: bool) -> dict[str, Any]:
    # Lightning forgets which checkpoints are the best when their folder was moved, so a moved fit starts afresh
    return {"fingerprint": fingerprint, "folder": str(folder.resolve()), "finished": finished}
