"""From sequences to the 13 vectors of each protein, for proteins of any length on any device."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.devices import side_by_side
from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.packed import PackedEsm
from esm2_amp.encoder.pooling import pool
from esm2_amp.encoder.tokens import CLS, EOS, encode
from esm2_amp.encoder.windows import merge_windows
from esm2_amp.errors import InputError
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.precision import resolve_precision
from esm2_amp.protein import RESIDUES, TOKENS

TOKENS_PER_BATCH: Final = {"cpu": 2048, "cuda": 16384, "mps": 16384}
"""Default size of a batch in tokens, by the type of the device."""

OnBatch = Callable[[int, float], None]
"""What is called after each batch, such as `esm2_amp.progress.Progress.add`."""


def embed(
    encoder: Encoder,
    sequences: Sequence[str],
    options: EmbeddingParameters,
    device: torch.device,
    on_batch: OnBatch | None = None,
) -> Tensor:
    """The 13 vectors of each protein (METHOD.md, section 1).

    A protein's vectors don't depend on the others it is embedded with, beyond rounding. A sequence that is given twice
    is embedded twice.

    Parameters
    ----------
    encoder : Encoder
        The ESM-2 that gives the hidden states.
    sequences : sequence of P str
        Upper-case residues, at least one each.
    options : EmbeddingParameters
        Precision, size of batches, and windows of long proteins.
    device : torch.device
        On the CPU as many batches are computed side by side as PyTorch has threads.
    on_batch : callable, optional
        Called after each batch with the number of its residues, and the `embedding_work` that they took.

    Returns
    -------
    features : Tensor, shape (P, 13, D), float32
        On the CPU, in the order of `sequences`; the 13 in the order of `esm2_amp.protein.TOKENS`.

    Raises
    ------
    InputError
        A sequence is empty or holds a letter that is no residue.
    """
    _check(sequences)
    return embed_tokens(encoder, [encode(sequence) for sequence in sequences], options, device, on_batch)


def embed_tokens(
    encoder: Encoder,
    tokens: Sequence[NDArray[np.uint8]],
    options: EmbeddingParameters,
    device: torch.device,
    on_batch: OnBatch | None = None,
) -> Tensor:
    """The 13 vectors of each protein as by `embed`, from token numbers, in which residues may be masked.

    Parameters
    ----------
    tokens : sequence of P ndarray, each of shape (L + 2,), uint8
        `<cls> s1 … sL <eos>` of each protein, as from `esm2_amp.encoder.tokens.encode`.
    encoder, options, device, on_batch
        As of `embed`.

    Returns
    -------
    features : Tensor, shape (P, 13, D), float32
        On the CPU, in the order of `tokens`.
    """
    features = torch.empty(len(tokens), len(TOKENS), encoder.width)

    def keep(proteins: NDArray[np.int64], hidden: Tensor) -> None:
        features[proteins] = pool(hidden, [len(tokens[protein]) - 2 for protein in proteins]).cpu()

    _visit_batches(encoder, tokens, options, device, keep, on_batch)
    return features


def visit_states(
    encoder: Encoder,
    sequences: Sequence[str],
    options: EmbeddingParameters,
    device: torch.device,
    visit: Callable[[int, Tensor], None],
    on_batch: OnBatch | None = None,
) -> None:
    """Hand on the hidden states of every protein, of which `embed` gives the means, one protein after another.

    None is kept, so that the states of thousands of proteins take no more memory than those of a batch.

    Parameters
    ----------
    visit : callable
        Called once for each protein with its number and its hidden states, shape (L + 2, D), float32, on the device:
        cls, the residues, eos. On the CPU it is called from several threads, in no fixed order.
    encoder, sequences, options, device, on_batch
        As of `embed`.

    Raises
    ------
    InputError
        A sequence is empty or holds a letter that is no residue.
    """
    _check(sequences)
    tokens = [encode(sequence) for sequence in sequences]

    def split(proteins: NDArray[np.int64], hidden: Tensor) -> None:
        sizes = [len(tokens[protein]) for protein in proteins]
        for protein, states in zip(proteins.tolist(), hidden.split(sizes), strict=True):
            visit(protein, states)

    _visit_batches(encoder, tokens, options, device, split, on_batch)


def _visit_batches(
    encoder: Encoder,
    tokens: Sequence[NDArray[np.uint8]],
    options: EmbeddingParameters,
    device: torch.device,
    visit: Callable[[NDArray[np.int64], Tensor], None],
    on_batch: OnBatch | None,
) -> None:
    """Call `visit` for each batch, with the numbers of its proteins and their hidden states laid end to end."""
    lengths = np.array([len(protein) - 2 for protein in tokens], dtype=np.int64)
    packed = encoder.packed(device, getattr(torch, resolve_precision(options.precision, device)))
    capacity = options.tokens_per_batch or TOKENS_PER_BATCH[device.type]

    def embed_batch(batch: NDArray[np.int64]) -> tuple[int, float]:
        of_batch = [tokens[protein] for protein in batch]
        whole = lengths[batch[0]] <= options.whole_up_to
        visit(batch, packed(of_batch) if whole else windowed_states(packed, of_batch[0], options, capacity))
        return int(lengths[batch].sum()), embedding_work(lengths[batch].tolist(), encoder.width, options)

    batches = list(_batches(lengths, options.whole_up_to, capacity))
    with side_by_side(len(batches), device) as workers:
        for residues, work in workers.map(embed_batch, batches):
            if on_batch is not None:
                on_batch(residues, work)


def embedding_work(lengths: Iterable[int], width: int, options: EmbeddingParameters) -> float:
    """What proteins of these lengths take, in tokens of a protein so short that attention takes nothing.

    In a layer, a token's maps take 24 D² operations, and its attention to n tokens 4 n D.

    Parameters
    ----------
    lengths : iterable of int
        Residues of each protein.
    width : int
        D of the encoder.
    options : EmbeddingParameters
        Which proteins are read in windows.
    """
    work = 0.0
    for length in lengths:
        windows = len(options.window_starts(length))
        tokens = (length if windows == 1 else options.window) + 2
        work += windows * tokens * (1 + tokens / (6 * width))
    return work


def _check(sequences: Sequence[str]) -> None:
    for number, sequence in enumerate(sequences):
        wrong = set(sequence) - set(RESIDUES)
        if wrong or not sequence:
            got = f"holds {sorted(wrong)}" if wrong else "is empty"
            raise InputError(f"A sequence must be of residues ({RESIDUES}), but sequence {number + 1} {got}")


def _batches(lengths: NDArray[np.int64], whole_up_to: int, capacity: int) -> Iterator[NDArray[np.int64]]:
    """Proteins to embed together, the longest first: a long one at the end would keep one thread busy alone."""
    order = np.argsort(-lengths, kind="stable")
    sizes = np.where(lengths > whole_up_to, capacity + 1, lengths + 2)[order]
    first = tokens = 0
    for place, size in enumerate(sizes):
        if place > first and tokens + size > capacity:
            yield order[first:place]
            first, tokens = place, 0
        tokens += size
    if len(order):
        yield order[first:]


def windowed_states(
    packed: PackedEsm, tokens: NDArray[np.uint8], options: EmbeddingParameters, capacity: int
) -> Tensor:
    """Hidden states of one protein from those of its overlapping windows, computed in batches.

    Parameters
    ----------
    packed : PackedEsm
        The encoder.
    tokens : ndarray, shape (L + 2,), uint8
        `<cls> s1 … sL <eos>`.
    options : EmbeddingParameters
        Windows and their overlap.
    capacity : int
        Tokens of a batch, where a window isn't longer.

    Returns
    -------
    hidden : Tensor, shape (L + 2, D), float32
        Averaged where windows overlap.
    """
    starts = options.window_starts(len(tokens) - 2)
    windows = [np.r_[CLS, tokens[s + 1 : s + 1 + options.window], EOS].astype(np.uint8) for s in starts]
    together = max(1, capacity // (options.window + 2))
    states = [
        state
        for first in range(0, len(windows), together)
        for state in packed(windows[first : first + together]).split(options.window + 2)
    ]
    return merge_windows(states, starts)
