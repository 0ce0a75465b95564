"""Scores of pairs on disk, part by part, so that a prediction that is killed goes on where it was."""

import hashlib
import logging
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from esm2_amp.files import DAMAGED_ARCHIVE, replacing_file

logger = logging.getLogger(__name__)

_PATTERN: Final = "part-*.npz"


class ScoreStore:
    """A folder with a file for each part of the pairs, in which stands what its logits are of.

    A process killed at any moment leaves whole files, of this prediction or of an earlier one.

    Parameters
    ----------
    folder : Path
        Is made where it is missing.
    fingerprint : str
        Of the network and the vectors of the proteins.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._fingerprint = folder, fingerprint.encode()

    def load(self, number: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """The logits of a part by each member, shape (r, K).

        None where they aren't there, or are of other pairs, other vectors or another network.

        Parameters
        ----------
        number : int
            Of the part.
        a, b : ndarray, shape (r,), int64
            The pairs of the part as rows of the proteins' vectors.
        """
        file = self._file(number)
        if not file.exists():
            return None
        try:
            with np.load(file) as stored:
                members: NDArray[np.float32] = stored["members"]
                return members if str(stored["of"]) == self._of(a, b) else None
        except DAMAGED_ARCHIVE as error:
            logger.warning("%s can't be read (%s): its pairs are scored again", file, error)
        return None

    def save(self, number: int, a: NDArray[np.int64], b: NDArray[np.int64], members: NDArray[np.float32]) -> None:
        """Write the logits of a part by each of K members, shape (r, K); `number`, `a` and `b` are those of `load`."""
        with replacing_file(self._file(number), f"{members.nbytes:,} bytes") as part, part.open("wb") as file:
            np.savez(file, of=np.array(self._of(a, b)), members=members)

    def keep_first(self, parts: int) -> None:
        """Delete what an earlier prediction of more pairs left."""
        keep = {self._file(number) for number in range(parts)}
        for file in self._folder.glob(_PATTERN):
            if file not in keep:
                file.unlink()

    def _file(self, number: int) -> Path:
        return self._folder / _PATTERN.replace("*", f"{number:06}")

    def _of(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> str:
        """SHA-256 of everything that decides the logits of a part."""
        digest = hashlib.sha256(self._fingerprint)
        digest.update(np.stack([a, b]).tobytes())
        return digest.hexdigest()
