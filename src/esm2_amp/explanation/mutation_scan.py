"""The check of residue attributions: change the sequence, embed it again, score it again (METHOD section 10).

The state of a residue holds its whole context, so that no split of a score among residues can prove where the cause
lies. A changed sequence can: where a window of residues carries the score, replacing it lowers the score.
"""

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.encoder.embedding import embed_tokens
from esm2_amp.encoder.tokens import MASK, encode
from esm2_amp.errors import InputError
from esm2_amp.explanation.residues import Profiles, ResidueSource, check_network, protein_entries
from esm2_amp.files import write_atomically
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import ScanParameters
from esm2_amp.progress import Progress
from esm2_amp.protein import AMINO_ACID_PERCENT, window_starts

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Tokens = NDArray[np.uint8]

_AT_ONCE: Final = 256
"""Changed sequences whose vectors are held at once."""

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

    @property
    def sequences(self) -> list[str]:
        """Sequences of the P proteins."""
        return self.source.of_entries(self.entries)

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
    """The finished proteins of a scan, a small file each, so that an interrupted one goes on.

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
            return np.asarray(np.load(self._folder / f"{key}.npy", allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None

    def write(self, key: str, effects: Floats) -> None:
        """Keep an array under a key."""
        content = io.BytesIO()
        np.save(content, effects)
        write_atomically(self._folder / f"{key}.npy", content.getvalue())


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
        Keeps finished proteins.

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
    sequences, rows = rescorer.sequences, rescorer.rows
    starts = [window_starts(len(sequence), parameters.window, parameters.window - parameters.step)
              for sequence in sequences]  # fmt: skip
    variants = 1 if parameters.replace_by == "mask" else parameters.draws
    work = [variants * len(of_protein) * len(sequence)
            for of_protein, sequence in zip(starts, sequences, strict=True)]  # fmt: skip
    progress = Progress(logger, "changing sequences, residues embedded", sum(work))
    model = _digest_of_model(rescorer, parameters, seed) if store else ""
    effects = [[np.empty(0), np.empty(0)] for _ in rows]
    for protein, sequence in enumerate(sequences):
        pair, side = np.nonzero(rows == protein)
        key = _key(model, sequence, rescorer, pair, side) if store else ""
        falls = store.read(key) if store else None
        if falls is None:
            falls = _falls(rescorer, protein, starts[protein], parameters, seed)
            if store:
                store.write(key, falls)
        for number, (row, at) in enumerate(zip(pair, side, strict=True)):
            effects[row][at] = of_residues(falls[number], starts[protein], parameters.window)
        progress.add(work[protein])
    return [(of_a, of_b) for of_a, of_b in effects]


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
    short = [entry for entry, sequence in zip(rescorer.entries, rescorer.sequences, strict=True)
             if len(sequence) <= window]  # fmt: skip
    if short:
        length = len(rescorer.source.sequences[short[0]])
        raise InputError(
            f"interpretability.residues.scan.window must be shorter than every explained protein, got {window}, but "
            f"{short[0]!r} has {length} residues ({len(short):,} such proteins); lower it to {length - 1} or less, or "
            "leave their pairs out"
        )


def _falls(rescorer: Rescorer, protein: int, starts: Sequence[int], parameters: ScanParameters, seed: int) -> Floats:
    """Falls of the logit by window, for every pair and side that the protein is on: shape (times, windows)."""
    sequence = rescorer.sequences[protein]
    changed = list(_changed(encode(sequence), starts, parameters, _generator(seed, sequence)))
    pair, side = np.nonzero(rescorer.rows == protein)
    before = _logits_with(rescorer, [encode(sequence)], pair, side)
    parts = [
        _logits_with(rescorer, changed[first : first + _AT_ONCE], pair, side)
        for first in range(0, len(changed), _AT_ONCE)
    ]
    after = np.concatenate(parts, axis=1).reshape(len(pair), len(starts), -1)
    return np.asarray(before - after.mean(axis=2))


def _generator(seed: int, sequence: str) -> np.random.Generator:
    """A generator of this protein's own, whatever proteins stand before it."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(sequence.encode()).digest()[:8])])


def _changed(
    tokens: Tokens, starts: Sequence[int], parameters: ScanParameters, generator: np.random.Generator
) -> Iterator[Tokens]:
    """The protein with each window replaced in turn, as often as it is drawn."""
    draws = 1 if parameters.replace_by == "mask" else parameters.draws
    for start in np.repeat(starts, draws).tolist():
        replaced = tokens.copy()
        window = slice(start + 1, start + 1 + parameters.window)
        if parameters.replace_by == "mask":
            replaced[window] = MASK
        else:
            replaced[window] = generator.choice(_BACKGROUND, size=parameters.window, p=_FREQUENCIES)
        yield replaced


def _logits_with(
    rescorer: Rescorer, changed: Sequence[Tokens], pair: NDArray[np.int64], side: NDArray[np.int64]
) -> Floats:
    """Logits of pairs with changed sequences in place of the partner on a side: shape (pairs, changed)."""
    vectors, found = rescorer.vectors(changed), np.empty((len(pair), len(changed)))
    for number, (row, at) in enumerate(zip(pair, side, strict=True)):
        other = rescorer.pairs.table[rescorer.rows[row, 1 - at]].expand(len(changed), -1, -1)
        partners = (vectors, other) if at == 0 else (other, vectors)
        found[number] = rescorer.logits(*partners)
    return found


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
    for row, at in zip(pair, side, strict=True):
        partner = rescorer.pairs.table[rescorer.rows[row, 1 - at]]
        digest.update(f"{at}".encode() + partner.contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
