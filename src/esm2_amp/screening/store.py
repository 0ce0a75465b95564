"""What is kept of a screen on disk, so that one that is killed goes on where it was."""

import logging
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from esm2_amp.files import DAMAGED_ARCHIVE, replacing_file
from esm2_amp.screening.kept import Keeping, Kept, ScoredPairs
from esm2_amp.screening.tiles import Rows

logger = logging.getLogger(__name__)

_FILE: Final = "screen.npz"
_ARRAYS: Final = ("best", "counts", "scores", "studied", "watched")


class ScreenStore:
    """One file, replaced as a whole, with what is kept of the tiles that are done, and which these are.

    A process killed at any moment leaves the file of an earlier or later moment. Since what is kept of tiles adds up
    whatever their order, a screen that goes on ends with the same numbers.

    Parameters
    ----------
    folder : Path
        Where the state lies.
    fingerprint : str
        Of everything that decides the scores and what is kept of them.
    save_every : float
        Seconds between two writes at least: about the most that a kill loses.
    """

    def __init__(self, folder: Path, fingerprint: str, save_every: float) -> None:
        self._file, self._fingerprint, self._save_every = folder / _FILE, fingerprint, save_every
        self._saved = time.monotonic()

    def load(self, queries: Rows, keeping: Keeping, n_tiles: int) -> tuple[Kept, NDArray[np.bool_]]:
        """What is kept so far, and which of the tiles are done; nothing where the file is of another screen."""
        kept, done = Kept.nothing(queries, keeping), np.zeros(n_tiles, bool)
        stored = self._read()
        if stored is None:
            return kept, done
        for name in _ARRAYS:
            setattr(kept, name, stored[name])
        if len(stored["above_a"]):
            kept.above = [ScoredPairs(stored["above_a"], stored["above_b"], stored["above_logit"])]
        return kept, stored["done"]

    def save(self, kept: Kept, done: NDArray[np.bool_], *, now: bool = False) -> None:
        """Write what is kept, if it is time, or at once."""
        if not now and time.monotonic() - self._saved < self._save_every:
            return
        content: dict[str, Any] = {name: getattr(kept, name) for name in _ARRAYS}
        content |= {f"above_{name}": part for name, part in kept.pairs_above()._asdict().items()}
        size = f"{sum(part.nbytes for part in content.values()):,} bytes"
        with replacing_file(self._file, size) as part, part.open("wb") as file:
            np.savez(file, fingerprint=np.array(self._fingerprint), done=done, **content)
        self._saved = time.monotonic()

    def _read(self) -> dict[str, NDArray[Any]] | None:
        if not self._file.exists():
            return None
        try:
            with np.load(self._file) as stored:
                if str(stored["fingerprint"]) == self._fingerprint:
                    return {name: stored[name] for name in stored.files}
                logger.info("%s is of other proteins, another model or other parameters: it is replaced", self._file)
        except DAMAGED_ARCHIVE as error:
            logger.warning("%s can't be read (%s): the screen begins anew", self._file, error)
        return None
