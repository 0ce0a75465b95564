"""Proteins in the pieces that go through an encoder together, and their 13 vectors as a sum over pieces.

The vectors of `esm2_amp.encoder.pooling` are linear in the hidden states, also where these are averaged over windows.
So each piece, a protein or a window of one, adds its share alone, and no memory need hold a whole protein.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.encoder.tokens import CLS, EOS, encode
from esm2_amp.errors import InputError
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.protein import N_SEGMENTS, segment_bounds

SLOTS = N_SEGMENTS + 2
"""Vectors of a protein without the mean of all residues, which follows from the segments' means."""


class Piece(NamedTuple):
    """A protein, or one of the windows of a long one.

    Attributes
    ----------
    tokens : ndarray, shape (n + 2,), uint8
        `<cls>`, n residues, `<eos>`.
    slots : ndarray, shape (n + 2,), int64
        Which vector each token's state is part of: cls, a segment or eos.
    weights : ndarray, shape (n + 2,), float32
        Its weight in the vector.
    """

    tokens: NDArray[np.uint8]
    slots: NDArray[np.int64]
    weights: NDArray[np.float32]


class Part(NamedTuple):
    """Pieces that go through the encoder together, the longest first.

    Attributes
    ----------
    tokens : Tensor, shape (N,), int64
        Tokens of the pieces, laid end to end.
    sizes : list of int
        Tokens of each piece; they sum to N.
    rows : Tensor, shape (N,), int64
        Row of each token's vector among the `SLOTS` vectors of one protein after another.
    weights : Tensor, shape (N,), float32
        Weight of its state in that vector.
    """

    tokens: Tensor
    sizes: list[int]
    rows: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> Self:
        """The same pieces on a device."""
        tensors = {name: getattr(self, name).to(device) for name in ("tokens", "rows", "weights")}
        return self._replace(**tensors)

    def add(self, states: Tensor, sums: Tensor) -> Tensor:
        """The sums with the share of these pieces added.

        Parameters
        ----------
        states : Tensor, shape (N, D), float
            Hidden states of the tokens.
        sums : Tensor, shape (P, `SLOTS`, D), float
            Of other pieces; zeros where there is none. Not changed.

        Returns
        -------
        sums : Tensor, shape (P, `SLOTS`, D), float
        """
        weighted = (states * self.weights[:, None]).to(sums.dtype)
        return sums.flatten(0, 1).index_add(0, self.rows, weighted).view_as(sums)


class Sequences:
    """Sequences of proteins and how they are cut.

    Parameters
    ----------
    entries : sequence of P str
        Identifiers, for messages.
    sequences : sequence of P str
        Upper-case residues, at least one each.
    windows : EmbeddingParameters
        Which proteins are read in windows, and in which.
    tokens_at_once : int
        Most tokens of a part.

    Raises
    ------
    InputError
        A protein or a window has more tokens than a part may have.
    """

    def __init__(
        self, entries: Sequence[str], sequences: Sequence[str], windows: EmbeddingParameters, tokens_at_once: int
    ) -> None:
        self.sequences, self.windows, self.tokens_at_once = sequences, windows, tokens_at_once
        self.lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        whole = np.where(self.lengths > windows.whole_up_to, windows.window, self.lengths)
        if len(whole) and (longest := int(whole.max()) + 2) > tokens_at_once:
            entry, length = entries[int(whole.argmax())], int(self.lengths[whole.argmax()])
            raise InputError(
                f"finetuning.tokens_at_once must be at least {longest:,}, so that {entry!r} ({length:,} residues) can "
                f"be read, got {tokens_at_once:,}; raise it, or have long proteins read in shorter windows: "
                "feature_extraction.embedding.whole_up_to and window, with features and model made anew"
            )

    def parts(self, proteins: Iterable[int]) -> list[Part]:
        """The pieces of some proteins in parts of at most `tokens_at_once` tokens, the longest pieces first.

        Rows count the proteins in the order given.
        """
        pieces = [(row, piece) for row, protein in enumerate(proteins) for piece in self._cut(self.sequences[protein])]
        pieces.sort(key=lambda placed: -len(placed[1].tokens))
        return [_part(together) for together in self._together(pieces)]

    def segment_shares(self, proteins: Sequence[int]) -> Tensor:
        """The share of each segment in its protein's residues, shape (proteins, 10), float32."""
        lengths = self.lengths[proteins]
        return torch.from_numpy((np.diff(segment_bounds(lengths)) / lengths[:, None]).astype(np.float32))

    def _cut(self, sequence: str) -> Iterator[Piece]:
        tokens, length = encode(sequence), len(sequence)
        starts, bounds = self.windows.window_starts(length), segment_bounds(length)
        size = length if len(starts) == 1 else self.windows.window
        times = np.zeros(length, dtype=np.int64)
        for start in starts:
            times[start : start + size] += 1
        segment = np.repeat(np.arange(N_SEGMENTS), np.diff(bounds))
        weight = (1 / (times * np.diff(bounds)[segment])).astype(np.float32)
        for start in starts:
            within = slice(start, start + size)
            yield Piece(
                np.r_[CLS, tokens[1:-1][within], EOS].astype(np.uint8),
                np.r_[0, 1 + segment[within], SLOTS - 1],
                np.r_[start == 0, weight[within], start == starts[-1]].astype(np.float32),
            )

    def _together(self, pieces: Sequence[tuple[int, Piece]]) -> Iterator[Sequence[tuple[int, Piece]]]:
        first = tokens = 0
        for place, (_, piece) in enumerate(pieces):
            if tokens + len(piece.tokens) > self.tokens_at_once:
                yield pieces[first:place]
                first, tokens = place, 0
            tokens += len(piece.tokens)
        yield pieces[first:]


def vectors(sums: Tensor, segment_shares: Tensor) -> Tensor:
    """The 13 vectors of each protein from the sums over its pieces.

    Parameters
    ----------
    sums : Tensor, shape (P, `SLOTS`, D), float
        Of all its pieces.
    segment_shares : Tensor, shape (P, 10), float32
        Of the same proteins, by `Sequences.segment_shares`.

    Returns
    -------
    features : Tensor, shape (P, 13, D), dtype of the sums
        In the order of `esm2_amp.protein.TOKENS`.
    """
    mean = (sums[:, 1:-1] * segment_shares[..., None].to(sums.dtype)).sum(dim=1, keepdim=True)
    return torch.cat([sums, mean], dim=1)


def _part(placed: Sequence[tuple[int, Piece]]) -> Part:
    rows = [protein * SLOTS + piece.slots for protein, piece in placed]
    return Part(
        torch.from_numpy(np.concatenate([piece.tokens for _, piece in placed]).astype(np.int64)),
        [len(piece.tokens) for _, piece in placed],
        torch.from_numpy(np.concatenate(rows)),
        torch.from_numpy(np.concatenate([piece.weights for _, piece in placed])),
    )
