"""The states of a teacher that a smaller encoder learns from, computed as they are needed or read from a store."""

import json
import logging
import re
import shutil
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, AnyStr, BinaryIO, Final, Protocol, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from esm2_amp.devices import resolve_device
from esm2_amp.encoder.embedding import TOKENS_PER_BATCH, windowed_states
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.encoder.pretraining import Corpus
from esm2_amp.errors import InputError
from esm2_amp.files import reading, write_atomically
from esm2_amp.parameters.encoder_pretraining import DistillationParameters
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.run import Device
from esm2_amp.precision import resolve_precision
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

_WINDOWS: Final = EmbeddingParameters(precision="float32", whole_up_to=1022, window=1022, overlap=256)
"""How proteins above the length of ESM-2's training are read for a store; the precision isn't used."""

_STORED: Final = np.dtype("<f2")
_MARK: Final = "teacher.json"
"""The file of a store that names its teacher."""

_CHUNK: Final = 1 << 20
_LINE: Final = re.compile(r"(\d+) ([0-9a-f]{8})\n")


class Teacher(Protocol):
    """Normalised last hidden states of an ESM-2, for crops of proteins."""

    @property
    def width(self) -> int:
        """D of the teacher."""

    @property
    def fingerprint(self) -> str:
        """A text that is another where the states are others."""

    def __call__(self, corpus: Corpus, places: Sequence[slice]) -> Tensor:
        """States of the crops at `places` among the tokens of a corpus, laid end to end, shape (N, D), float32."""


def load_teacher(
    source: str, corpora: Sequence[Corpus], folder: Path, options: DistillationParameters, device: Device
) -> Teacher:
    """The states of an ESM-2 as a source for training.

    Parameters
    ----------
    source : str
        Folder, file of fair-esm or hub name, as for `load_encoder`.
    corpora : sequence of Corpus
        The proteins whose states are asked for in training.
    folder : Path
        Where states are stored, if `options` say so.
    options : DistillationParameters
        Whether states are stored, and the teacher's precision.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the teacher runs.

    Returns
    -------
    teacher : Teacher
        Those states; where they are stored, all of them are when this returns.

    Raises
    ------
    InputError
        The teacher isn't an ESM-2, its states aren't finite, or they can't be stored.
    """
    resolved = resolve_device(device)
    dtype = getattr(torch, resolve_precision(options.precision, resolved))
    computed = ComputedStates(load_encoder(source), resolved, dtype)
    return StoredStates.of(computed, corpora, folder) if options.states == "stored" else computed


def normalised(states: Tensor) -> Tensor:
    """Vectors of mean 0 and variance 1 over their last dimension, float32: a layer norm without weights."""
    return F.layer_norm(states.float(), states.shape[-1:])


class ComputedStates:
    """States that the teacher computes from each crop alone, anew each time.

    Parameters
    ----------
    encoder : Encoder
        The teacher.
    device : torch.device
        Where it runs.
    dtype : torch.dtype
        Type of its matrix multiplications: float32 or bfloat16.
    """

    def __init__(self, encoder: Encoder, device: torch.device, dtype: torch.dtype) -> None:
        self._packed, self._device = encoder.packed(device, dtype), device
        self.width, self.source = encoder.width, encoder.source
        self.fingerprint = f"{encoder.fingerprint} in {dtype}"

    def __call__(self, corpus: Corpus, places: Sequence[slice]) -> Tensor:
        """States of crops.

        Parameters
        ----------
        corpus : Corpus
            The proteins.
        places : sequence of slice
            Where the crops lie among its tokens.

        Returns
        -------
        states : Tensor, shape (N, D), float32
            Normalised, crop after crop.

        Raises
        ------
        InputError
            A state isn't finite.
        """
        return self._checked(self._packed([corpus.tokens[place] for place in places]))

    def of_proteins(self, proteins: Sequence[NDArray[np.uint8]]) -> Tensor:
        """States of whole proteins.

        Parameters
        ----------
        proteins : sequence of ndarray, each of shape (L + 2,), uint8
            `<cls> s1 … sL <eos>` of each; one above 1022 residues stands alone, and is read in overlapping windows.

        Returns
        -------
        states : Tensor, shape (N, D), float32
            Normalised, protein after protein.

        Raises
        ------
        InputError
            A state isn't finite.
        """
        if len(proteins[0]) <= _WINDOWS.whole_up_to + 2:
            return self._checked(self._packed(proteins))
        return self._checked(windowed_states(self._packed, proteins[0], _WINDOWS, self.tokens_per_batch))

    @property
    def tokens_per_batch(self) -> int:
        """Tokens that go through the teacher together where whole proteins do."""
        return TOKENS_PER_BATCH[self._device.type]

    def _checked(self, hidden: Tensor) -> Tensor:
        states = normalised(hidden)
        if wrong := int((~states.isfinite()).sum()):
            raise InputError(
                f"The hidden states of the teacher {self.source} must be finite numbers, but {wrong:,} of "
                f"{states.numel():,} aren't; set encoder_pretraining.distillation.precision=float32, or give another "
                "teacher"
            )
        return states


class StoredStates:
    """States of whole proteins, computed once and kept as float16: a file for each corpus, row after row.

    Beside it stand the checksums of its parts, by which it is checked when it is opened.

    Parameters
    ----------
    folder : Path
        The store.
    teacher : ComputedStates
        Whose states it holds.
    """

    def __init__(self, folder: Path, teacher: ComputedStates) -> None:
        self._folder, self.width = folder, teacher.width
        self.fingerprint = f"{teacher.fingerprint}, of whole proteins"

    @classmethod
    def of(cls, teacher: ComputedStates, corpora: Sequence[Corpus], folder: Path) -> "StoredStates":
        """Store the states of all proteins that the store lacks; a killed run goes on at its last batch.

        Parts that were altered since are computed anew, with a warning.

        Parameters
        ----------
        teacher : ComputedStates
            Computes the states.
        corpora : sequence of Corpus
            The proteins.
        folder : Path
            The store; made where it is missing.

        Raises
        ------
        InputError
            The folder holds states of another teacher, the disk is too full, or a state isn't finite.
        """
        store, mark = cls(folder, teacher), folder / _MARK
        folder.mkdir(parents=True, exist_ok=True)
        store._check_teacher(mark, teacher)
        store._check_space(corpora)
        own = {"source": teacher.source, "fingerprint": store.fingerprint}
        write_atomically(mark, json.dumps(own, indent=2).encode())
        total = sum(len(corpus.tokens) for corpus in corpora)
        progress = Progress(logger, "storing states of the teacher, tokens", total)
        for corpus in corpora:
            store._fill(corpus, teacher, progress)
        return store

    def __call__(self, corpus: Corpus, places: Sequence[slice]) -> Tensor:
        """States of crops, each a part of those of its whole protein; see `ComputedStates`."""
        rows = np.memmap(self._file(corpus), _STORED, "r").reshape(-1, self.width)
        return torch.from_numpy(np.concatenate([rows[place] for place in places]).astype(np.float32))

    def _file(self, corpus: Corpus) -> Path:
        return self._folder / f"{corpus.fingerprint[:16]}.float16"

    def _place(self, corpus: Corpus, proteins: range) -> slice:
        """Where the states of some proteins lie in a corpus's file."""
        row = self.width * _STORED.itemsize
        return slice(int(corpus.starts[proteins.start]) * row, int(corpus.starts[proteins.stop]) * row)

    def _checksum(self, corpus: Corpus, proteins: range, states: BinaryIO) -> int:
        """The checksum of the states that are stored of some proteins."""
        place, found = self._place(corpus, proteins), 0
        states.seek(place.start)
        for start in range(place.start, place.stop, _CHUNK):
            found = zlib.crc32(states.read(min(_CHUNK, place.stop - start)), found)
        return found

    def _size(self, corpus: Corpus) -> int:
        """Bytes of a corpus's states."""
        return len(corpus.tokens) * self.width * _STORED.itemsize

    def _check_teacher(self, mark: Path, teacher: ComputedStates) -> None:
        """Raise InputError where the folder is marked as holding the states of another teacher."""
        held = {"fingerprint": self.fingerprint}
        if mark.exists():
            with reading(mark):
                held = json.loads(mark.read_text(encoding="utf-8"))
        if held["fingerprint"] != self.fingerprint:
            raise InputError(
                f"{self._folder} must hold states of the teacher {teacher.source} ({self.fingerprint[:12]}), but holds "
                f"those of {held['source']} ({held['fingerprint'][:12]}), or of another precision; delete the folder, "
                "or choose another data folder"
            )

    def _check_space(self, corpora: Sequence[Corpus]) -> None:
        """Raise InputError, before anything is computed, where the disk can't hold what is left to store."""
        missing = sum(self._size(corpus) - _bytes_in(self._file(corpus)) for corpus in corpora)
        if missing:
            logger.info("The states of the teacher take %.1f GB more in %s", missing / 1e9, self._folder)
        if missing > (free := shutil.disk_usage(self._folder).free):
            raise InputError(
                f"{self._folder} needs {missing / 1e9:.1f} GB for states of the teacher, but its disk has "
                f"{free / 1e9:.1f} GB free; free some, choose another data folder, or set "
                "encoder_pretraining.distillation.states=computed"
            )

    def _fill(self, corpus: Corpus, teacher: ComputedStates, progress: Progress) -> None:
        file = self._file(corpus)
        file.touch()
        with file.open("rb+") as states, _checksums(file).open("a+", encoding="latin-1", newline="") as checksums:
            stored = _stored_parts(corpus, checksums)
            damaged = [part for part, checksum in stored if self._checksum(corpus, part, states) != checksum]
            if damaged:
                logger.warning("%s was altered: the states of %s are computed anew", file, _in_words(damaged))
                checksums.truncate(0)
            for part, checksum in stored:
                if part in damaged:
                    self._store(corpus, part, teacher, states, checksums)
                elif damaged:
                    self._write(checksums, _line(part, checksum))
                progress.add(_tokens(corpus, part))
            left = range(stored[-1][0].stop if stored else 0, len(corpus.starts) - 1)
            for batch in _batches(corpus, teacher.tokens_per_batch, left):
                self._store(corpus, batch, teacher, states, checksums)
                progress.add(_tokens(corpus, batch))
            states.truncate(self._size(corpus))

    def _store(
        self, corpus: Corpus, proteins: range, teacher: ComputedStates, states: BinaryIO, checksums: TextIO
    ) -> None:
        """Compute states and write them in their place, and then their checksums."""
        for batch in _batches(corpus, teacher.tokens_per_batch, proteins):
            bounds = corpus.starts[batch.start : batch.stop + 1]
            tokens = [corpus.tokens[start:end] for start, end in pairwise(bounds)]
            found = teacher.of_proteins(tokens).cpu().numpy().astype(_STORED).tobytes()
            states.seek(self._place(corpus, batch).start)
            self._write(states, found)
            self._write(checksums, _line(batch, zlib.crc32(found)))

    def _write(self, opened: IO[AnyStr], content: AnyStr) -> None:
        try:
            opened.write(content)
            opened.flush()
        except OSError as error:
            raise InputError(
                f"The states of the teacher could not be stored in {self._folder}: {error.strerror or error}; free "
                "some space, then run the same command again: what was stored before is kept"
            ) from error


def _bytes_in(file: Path) -> int:
    """Size of a file; 0 where there is none."""
    return file.stat().st_size if file.exists() else 0


def _checksums(file: Path) -> Path:
    """The file with the checksums of a file of states: a line for each part, which `_line` writes."""
    return file.with_suffix(".crc32")


def _line(part: range, checksum: int) -> str:
    """The number of the protein that follows those of a part, and the checksum of the part."""
    return f"{part.stop} {checksum:08x}\n"


def _stored_parts(corpus: Corpus, checksums: TextIO) -> list[tuple[range, int]]:
    """The parts of a corpus whose states are stored, and their checksums; lines from the first wrong one on are cut."""
    parts, first, end = list[tuple[range, int]](), 0, 0
    checksums.seek(0)
    for line in checksums.read().splitlines(keepends=True):
        if not (found := _LINE.fullmatch(line)) or not first < int(found[1]) < len(corpus.starts):
            checksums.truncate(end)
            break
        parts.append((range(first, int(found[1])), int(found[2], 16)))
        first, end = int(found[1]), end + len(line)
    return parts


def _tokens(corpus: Corpus, proteins: range) -> int:
    return int(corpus.starts[proteins.stop] - corpus.starts[proteins.start])


def _in_words(parts: Sequence[range]) -> str:
    count = sum(map(len, parts))
    return f"{count:,} {'protein' if count == 1 else 'proteins'}"


def _batches(corpus: Corpus, capacity: int, among: range) -> list[range]:
    """Numbers of some proteins to read together, in their order; one above 1022 residues stands alone."""
    batches, first, tokens = list[range](), among.start, 0
    for protein in among:
        size = _tokens(corpus, range(protein, protein + 1))
        cost = size if size <= _WINDOWS.whole_up_to + 2 else capacity
        if protein > first and tokens + cost > capacity:
            batches.append(range(first, protein))
            first, tokens = protein, 0
        tokens += cost
    return [*batches, range(first, among.stop)] if among else batches
