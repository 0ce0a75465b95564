"""The check of residue attributions: change the sequence, embed it again, score it again (METHOD section 10).

The state of a residue holds its whole context, so that no split of a score among residues can prove where the cause
lies. A changed sequence can: where a window of residues carries the score, replacing it lowers the score.
"""

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.encoder.embedding import embed_tokens, embedding_work
from esm2_amp.encoder.tokens import MASK, encode
from esm2_amp.errors import InputError
from esm2_amp.explanation.residues import Profiles, ResidueSource, check_network, protein_entries
from esm2_amp.files import DAMAGED_ARCHIVE, write_atomically
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import ScanParameters
from esm2_amp.progress import Progress
from esm2_amp.protein import AMINO_ACID_PERCENT, window_starts

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Tokens = NDArray[np.uint8]

_AT_ONCE: Final = 256
"""Changed sequences whose vectors are held at once, and that a scan that was stopped computes again at most."""

_BACKGROUND = encode("".join(AMINO_ACID_PERCENT))[1:-1]
_FREQUENCIES = np.array(list(AMINO_ACID_PERCENT.values())) / sum(AMINO_ACID_PERCENT.values())


class Rescorer(NamedTuple):
    """Scores pairs anew, with a changed sequence of a partner.

    Attributes
    ----------
    network : PairNetwork
        The explained model.
    pairs : Pairs
        The pairs as the network reads them.
    entries : list of P str
        Names of the proteins of the pairs' table.
    source : ResidueSource
        Sequences and encoder of the proteins.
    batch_size : int
        Pairs passed through the network at once.
    """

    network: PairNetwork
    pairs: Pairs
    entries: list[str]
    source: ResidueSource
    batch_size: int

    @classmethod
    def of(
        cls, network: PairNetwork, explained: pd.DataFrame, pairs: Pairs, source: ResidueSource, batch_size: int
    ) -> "Rescorer":
        """A rescorer of explained pairs, on the device of the source.

        Parameters
        ----------
        network : PairNetwork
            The explained model.
        explained : DataFrame, B rows
            `Protein1`, `Protein2`.
        pairs : Pairs
            The same pairs as the network reads them.
        source : ResidueSource
            Sequences and encoder of the proteins.
        batch_size : int
            Pairs passed through the network at once.

        Raises
        ------
        InputError
            The network reads no vectors of proteins, or a sequence isn't known.
        """
        check_network(network)
        entries = protein_entries(explained, pairs)
        source.of_entries(entries)
        network = network.to(source.device).eval()
        return cls(network, pairs.to(torch.device("cpu")), entries, source, batch_size)

    def sequence(self, protein: int) -> str:
        """The sequence of the protein in a row of the table."""
        return self.source.sequences[self.entries[protein]]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the partners in the table, shape (B, 2)."""
        return torch.stack([self.pairs.a, self.pairs.b], dim=1).numpy()

    def vectors(self, tokens: Sequence[Tokens]) -> Tensor:
        """The vectors of changed proteins that the network reads, shape (N, T / 2, D), float32."""
        features = embed_tokens(self.source.encoder, tokens, self.source.options, self.source.device)
        return features[:, self.network.protein_tokens]

    @torch.inference_mode()
    def logits(self, a: Tensor, b: Tensor) -> Floats:
        """Logits of N pairs of vectors, each of shape (N, T / 2, D): shape (N,)."""
        both = torch.cat([a.float(), b.float()], dim=1)
        parts = [self.network(part.to(self.source.device)).cpu().double() for part in both.split(self.batch_size)]
        return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)


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


def mutation_scan(
    rescorer: Rescorer, parameters: ScanParameters, *, seed: int, store: ScanStore | None = None
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

    Returns
    -------
    effects : list of B tuples of two ndarray, shapes (L of A,) and (L of B,), float64
        For each residue the mean fall of the logit over the windows that hold it; positive where the residues speak
        for an interaction.

    Raises
    ------
    InputError
        The window isn't shorter than every protein.
    """
    _check_lengths(rescorer, parameters.window)
    sequences, rows = rescorer.source.of_entries(rescorer.entries), rescorer.rows
    starts = [window_starts(len(sequence), parameters.window, parameters.window - parameters.step)
              for sequence in sequences]  # fmt: skip
    draws = _draws(parameters)
    changes = [draws * len(of_protein) for of_protein in starts]
    source = rescorer.source
    work = [embedding_work([len(sequence)], source.encoder.width, source.options) for sequence in sequences]
    residues = sum(number * len(sequence) for number, sequence in zip(changes, sequences, strict=True))
    progress = Progress(logger, "changing sequences, residues embedded", residues, work=float(np.dot(changes, work)))
    model = _digest_of_model(rescorer, parameters, seed) if store else ""
    effects = [[np.empty(0), np.empty(0)] for _ in rows]
    for protein, sequence in enumerate(sequences):
        tokens, (pair, side) = encode(sequence), np.nonzero(rows == protein)
        key = _key(model, sequence, rescorer, pair, side) if store else ""
        changed = list(_changed(tokens, starts[protein], parameters, _generator(seed, sequence)))
        parts = []
        for first in range(0, len(changed), _AT_ONCE):
            part = changed[first : first + _AT_ONCE]
            parts.append(
                _kept(store, f"{key}-{first}-{len(part)}", partial(_falls, rescorer, tokens, part, pair, side))
            )
            progress.add(len(part) * len(sequence), len(part) * work[protein])
        of_windows = np.concatenate(parts, axis=1).reshape(len(pair), len(starts[protein]), draws).mean(axis=2)
        for number, (row, at) in enumerate(zip(pair, side, strict=True)):
            effects[row][at] = of_residues(of_windows[number], starts[protein], parameters.window)
    return [(of_a, of_b) for of_a, of_b in effects]


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
    parameters, seed, store
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
    for row, found in zip(rows, mutation_scan(rescorer, parameters, seed=seed, store=store), strict=True):
        effects[row] = found
    return effects


def _kept(store: ScanStore | None, name: str, compute: Callable[[], Floats]) -> Floats:
    """What a store has under a name, or else what is computed, and kept there."""
    found = store.read(name) if store else None
    if found is None:
        found = compute()
        if store:
            store.write(name, found)
    return found


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


def _falls(
    rescorer: Rescorer, tokens: Tokens, changed: Sequence[Tokens], pair: NDArray[np.int64], side: NDArray[np.int64]
) -> Floats:
    """Falls of pairs' logits with changed sequences in place of the partner on a side: shape (pairs, changed)."""
    vectors, logits = rescorer.vectors([tokens, *changed]), np.empty((len(pair), 1 + len(changed)))
    for number, (partner, at) in enumerate(zip(rescorer.rows[pair, 1 - side], side, strict=True)):
        other = rescorer.pairs.table[partner].expand(len(vectors), -1, -1)
        both = (vectors, other) if at == 0 else (other, vectors)
        logits[number] = rescorer.logits(*both)
    return np.asarray(logits[:, :1] - logits[:, 1:])


def _digest_of_model(rescorer: Rescorer, parameters: ScanParameters, seed: int) -> str:
    """SHA-256 of all that decides a scan but proteins and pairs."""
    source = rescorer.source
    options = source.options.model_dump_json(exclude={"tokens_per_batch"})
    digest = hashlib.sha256(f"{source.encoder.fingerprint} {options} {parameters.model_dump_json()} {seed}".encode())
    digest.update(type(rescorer.network).__name__.encode())
    for name, weight in sorted(rescorer.network.state_dict().items()):
        digest.update(name.encode() + weight.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _key(model: str, sequence: str, rescorer: Rescorer, pair: NDArray[np.int64], side: NDArray[np.int64]) -> str:
    """The name of a protein's file: it changes with the model, the protein, and the partners in its pairs."""
    digest = hashlib.sha256(f"{model} {sequence}".encode())
    for partner, at in zip(rescorer.rows[pair, 1 - side], side, strict=True):
        vectors = rescorer.pairs.table[partner].contiguous().numpy()
        digest.update(f"{at}".encode() + vectors.tobytes())
    return digest.hexdigest()[:32]
