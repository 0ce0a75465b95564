"""The check of residue attributions: change the sequence, embed it again, score it again (METHOD section 10).

The state of a residue holds its whole context, so that no split of a score among residues can prove where the cause
lies. A changed sequence can: where a window of residues carries the score, replacing it lowers the score.
"""

import hashlib
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from esm2_amp.cluster import Cluster
from esm2_amp.encoder.embedding import embedding_work
from esm2_amp.encoder.tokens import MASK, encode
from esm2_amp.errors import InputError
from esm2_amp.explanation.changed_sequences import Changes, Floats, Tokens, falls_of_all
from esm2_amp.explanation.rescoring import Rescorer
from esm2_amp.explanation.residues import Profiles
from esm2_amp.files import DAMAGED_ARCHIVE, write_atomically
from esm2_amp.parameters.interpretability import ScanParameters
from esm2_amp.progress import Progress
from esm2_amp.protein import AMINO_ACID_PERCENT, window_starts

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 256
"""Changed sequences whose vectors are held at once, and that a scan that was stopped computes again at most."""

_BACKGROUND = encode("".join(AMINO_ACID_PERCENT))[1:-1]
_FREQUENCIES = np.array(list(AMINO_ACID_PERCENT.values())) / sum(AMINO_ACID_PERCENT.values())


class ScanStore:
    """The finished parts of a scan, a small file each, so that an interrupted one goes on.

    Parameters
    ----------
    folder : Path
        Made where it is missing. Files of other models, sequences or settings have other names and stay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> Floats | None:
        """The array of that key, or None where it isn't there or is damaged."""
        try:
            with np.load(self._file(key)) as stored:  # which compares its checksum
                return np.asarray(stored["effects"])
        except DAMAGED_ARCHIVE:
            return None

    def write(self, key: str, effects: Floats) -> None:
        """Keep an array under a key."""
        content = io.BytesIO()
        np.savez(content, effects=effects)
        write_atomically(self._file(key), content.getvalue())

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


class _Part(NamedTuple):
    """Some changed sequences of a protein.

    Attributes
    ----------
    protein : int
        Row of the protein in the table.
    changed : slice
        Which of its changed sequences.
    name : str
        Of the part in a store.
    """

    protein: int
    changed: slice
    name: str


@dataclass(frozen=True)
class _Scan:
    """How the proteins of pairs are changed.

    Attributes
    ----------
    rescorer, parameters, seed
        As of `mutation_scan`.
    """

    rescorer: Rescorer
    parameters: ScanParameters
    seed: int

    def starts(self, protein: int) -> list[int]:
        """0-based first residues of the windows of a protein."""
        length = len(self.rescorer.sequence(protein))
        return window_starts(length, self.parameters.window, self.parameters.window - self.parameters.step)

    def parts(self, *, stored: bool) -> list[_Part]:
        """All parts, protein by protein; they have names where there is a store."""
        model = _digest_of_model(self.rescorer, self.parameters, self.seed) if stored else ""
        parts = []
        for protein in range(len(self.rescorer.entries)):
            count = _draws(self.parameters) * len(self.starts(protein))
            key = _key(model, self.rescorer, protein) if stored else ""
            for first in range(0, count, _AT_ONCE):
                part = slice(first, min(first + _AT_ONCE, count))
                parts.append(_Part(protein, part, f"{key}-{first}-{part.stop - first}"))
        return parts

    def changes(self, parts: Iterable[tuple[int, _Part]]) -> Iterator[tuple[int, Changes]]:
        """What is embedded and scored for numbered parts, of one protein at a time."""
        for protein, of_protein in groupby(parts, lambda numbered: numbered[1].protein):
            sequence, (_, side, partners) = self.rescorer.sequence(protein), self.rescorer.with_partners(protein)
            tokens, starts = encode(sequence), self.starts(protein)
            changed = list(_changed(tokens, starts, self.parameters, _generator(self.seed, sequence)))
            for number, part in of_protein:
                yield number, Changes([tokens, *changed[part.changed]], partners, side)


def mutation_scan(
    rescorer: Rescorer,
    parameters: ScanParameters,
    *,
    seed: int,
    store: ScanStore | None = None,
    cluster: Cluster | None = None,
) -> Profiles:
    """How much a pair's logit falls where windows of a partner's residues are replaced.

    The other partner stays as it is, also where both are the same protein.

    Parameters
    ----------
    rescorer : Rescorer
        The B pairs and their model.
    parameters : ScanParameters
        How sequences are changed.
    seed : int
        Seed of the residues that are drawn from the background.
    store : ScanStore, optional
        Keeps finished parts.
    cluster : Cluster, optional
        Workers that share the parts.

    Returns
    -------
    effects : list of B tuples of two ndarray, shapes (L of A,) and (L of B,), float64
        For each residue the mean fall of the logit over the windows that hold it; positive where the residues speak
        for an interaction.

    Raises
    ------
    InputError
        The window isn't shorter than every protein, or the cluster can't be reached.
    """
    _check_lengths(rescorer, parameters.window)
    scan, draws = _Scan(rescorer, parameters, seed), _draws(parameters)
    parts = scan.parts(stored=store is not None)
    falls: list[list[Floats]] = [[] for _ in rescorer.entries]
    for part, found in zip(parts, _falls(scan, parts, store, cluster), strict=True):
        falls[part.protein].append(found)
    effects = [[np.empty(0), np.empty(0)] for _ in rescorer.rows]
    for protein, of_protein in enumerate(falls):
        (pair, side, _), starts = rescorer.with_partners(protein), scan.starts(protein)
        of_windows = np.concatenate(of_protein, axis=1).reshape(len(pair), len(starts), draws).mean(axis=2)
        for number, (row, at) in enumerate(zip(pair, side, strict=True)):
            effects[row][at] = of_residues(of_windows[number], starts, parameters.window)
    return [(of_a, of_b) for of_a, of_b in effects]


def _falls(scan: _Scan, parts: Sequence[_Part], store: ScanStore | None, cluster: Cluster | None) -> list[Floats]:
    """The falls of all parts, in their order: those that a store has, and the others, which are computed and kept."""
    source = scan.rescorer.source
    lengths = np.array([len(scan.rescorer.sequence(part.protein)) for part in parts], dtype=np.int64)
    changed = np.array([part.changed.stop - part.changed.start for part in parts], dtype=np.int64)
    work = [embedding_work([length], source.encoder.width, source.options) for length in lengths.tolist()]
    sizes = list(zip((changed * lengths).tolist(), (changed * work).tolist(), strict=True))
    residues, of_all = sum(size for size, _ in sizes), sum(of_part for _, of_part in sizes)
    progress = Progress(logger, "changing sequences, residues embedded", residues, work=of_all)
    found, missing = {}, []
    for number, part in enumerate(parts):
        stored = store.read(part.name) if store else None
        if stored is None:
            missing.append((number, part))
        else:
            found[number] = stored
            progress.add(*sizes[number])
    for number, falls in falls_of_all(scan.rescorer.scorer, scan.changes(missing), cluster):
        if store:
            store.write(parts[number].name, falls)
        found[number] = falls
        progress.add(*sizes[number])
    return [found[number] for number in range(len(parts))]


def scannable(profiles: Profiles, window: int, up_to: int) -> NDArray[np.int64]:
    """Numbers of the pairs that can be scanned: both proteins are longer than a window, and neither than allowed.

    Parameters
    ----------
    profiles : list of B tuples of two ndarray
        A value of each residue of both partners.
    window : int
        Residues that are replaced together.
    up_to : int
        Residues of the longest protein.
    """
    lengths = np.array([[len(values) for values in of_pair] for of_pair in profiles]).reshape(-1, 2)
    return np.flatnonzero((lengths > window).all(axis=1) & (lengths <= up_to).all(axis=1))


def scan_some(
    rows: NDArray[np.int64],
    attribution: Profiles,
    rescorer: Rescorer,
    parameters: ScanParameters,
    *,
    seed: int,
    store: ScanStore | None = None,
    cluster: Cluster | None = None,
) -> Profiles:
    """The scan of some of the explained pairs, NaN for the others.

    Parameters
    ----------
    rows : ndarray, shape (S,), int64
        Numbers of the pairs that are scanned.
    attribution : list of B tuples of two ndarray
        A value of each residue of both partners of all explained pairs.
    rescorer : Rescorer
        The S pairs, in the order of `rows`, and their model.
    parameters, seed, store, cluster
        As of `mutation_scan`.

    Returns
    -------
    effects : list of B tuples of two ndarray
        As of `mutation_scan`.
    """
    effects = [(np.full(len(of_a), np.nan), np.full(len(of_b), np.nan)) for of_a, of_b in attribution]
    if not len(rows):
        logger.info("No pair is scanned: scanned_pairs is 0, or every pair has a protein that is longer than "
                    "scanned_up_to or no longer than a window")  # fmt: skip
        return effects
    scanned = mutation_scan(rescorer, parameters, seed=seed, store=store, cluster=cluster)
    for row, found in zip(rows, scanned, strict=True):
        effects[row] = found
    return effects


def _draws(parameters: ScanParameters) -> int:
    return 1 if parameters.replace_by == "mask" else parameters.draws


def of_residues(values: Floats, starts: Sequence[int], window: int) -> Floats:
    """The mean over the windows that hold a residue.

    Parameters
    ----------
    values : ndarray, shape (windows,)
        A value of each window.
    starts : sequence of int
        0-based first residues of the windows, the last of which ends with the protein.
    window : int
        Residues of a window.

    Returns
    -------
    means : ndarray, shape (L,), float64

    Examples
    --------
    >>> of_residues(np.array([1.0, 3.0]), [0, 1], 2).tolist()
    [1.0, 2.0, 3.0]
    """
    first, end = np.array(starts), np.array(starts) + window
    sums, times = (
        np.cumsum(np.bincount(first, weights, end[-1] + 1) - np.bincount(end, weights, end[-1] + 1))[:-1]
        for weights in (values, np.ones(len(starts)))
    )
    return np.asarray(sums / times)


def _check_lengths(rescorer: Rescorer, window: int) -> None:
    lengths = map(len, rescorer.source.of_entries(rescorer.entries))
    short = [entry for entry, length in zip(rescorer.entries, lengths, strict=True) if length <= window]
    if short:
        length = len(rescorer.source.sequences[short[0]])
        raise InputError(
            f"interpretability.residues.scan.window must be shorter than every explained protein, got {window}, but "
            f"{short[0]!r} has {length} residues ({len(short):,} such proteins); lower it to {length - 1} or less, or "
            "leave their pairs out"
        )


def _generator(seed: int, sequence: str) -> np.random.Generator:
    """A generator of this protein's own, whatever proteins stand before it."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(sequence.encode()).digest()[:8])])


def _changed(
    tokens: Tokens, starts: Sequence[int], parameters: ScanParameters, generator: np.random.Generator
) -> Iterator[Tokens]:
    """The protein with each window replaced in turn, as often as it is drawn."""
    for start in np.repeat(starts, _draws(parameters)).tolist():
        replaced = tokens.copy()
        window = slice(start + 1, start + 1 + parameters.window)
        if parameters.replace_by == "mask":
            replaced[window] = MASK
        else:
            replaced[window] = generator.choice(_BACKGROUND, size=parameters.window, p=_FREQUENCIES)
        yield replaced


def _digest_of_model(rescorer: Rescorer, parameters: ScanParameters, seed: int) -> str:
    """SHA-256 of all that decides a scan but proteins and pairs."""
    source = rescorer.source
    options = source.options.model_dump_json(exclude={"tokens_per_batch"})
    digest = hashlib.sha256(f"{source.encoder.fingerprint} {options} {parameters.model_dump_json()} {seed}".encode())
    digest.update(type(rescorer.network).__name__.encode())
    for name, weight in sorted(rescorer.network.state_dict().items()):
        digest.update(name.encode() + weight.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _key(model: str, rescorer: Rescorer, protein: int) -> str:
    """The name of a protein's files: it changes with the model, the protein, and the partners in its pairs."""
    digest = hashlib.sha256(f"{model} {rescorer.sequence(protein)}".encode())
    _, side, partners = rescorer.with_partners(protein)
    for vectors, at in zip(partners, side, strict=True):
        digest.update(f"{at}".encode() + vectors.contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
