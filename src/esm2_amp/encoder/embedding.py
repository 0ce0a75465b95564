"""From sequences to the 13 vectors of each protein, for proteins of any length on any device."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.packed import PackedEsm
from esm2_amp.encoder.pooling import pool
from esm2_amp.encoder.tokens import CLS, EOS, encode
from esm2_amp.encoder.windows import merge_windows
from esm2_amp.errors import InputError
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.protein import RESIDUES, TOKENS

TOKENS_PER_BATCH: Final = {"cpu": 2048, "cuda": 16384, "mps": 16384}
"""Default size of a batch in tokens, by the type of the device."""


def embed(
    encoder: Encoder,
    sequences: Sequence[str],
    options: EmbeddingParameters,
    device: torch.device,
    on_batch: Callable[[int], None] | None = None,
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
        Called with the number of residues of each finished batch.

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
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    packed = encoder.packed(device, getattr(torch, options.precision))
    features = torch.empty(len(sequences), len(TOKENS), encoder.width)
    capacity = options.tokens_per_batch or TOKENS_PER_BATCH[device.type]

    def embed_batch(batch: NDArray[np.int64]) -> int:
        tokens = [encode(sequences[protein]) for protein in batch]
        whole = lengths[batch[0]] <= options.whole_up_to
        hidden = packed(tokens) if whole else windowed_states(packed, tokens[0], options, capacity)
        features[batch] = pool(hidden, lengths[batch].tolist()).cpu()
        return int(lengths[batch].sum())

    batches = list(_batches(lengths, options.whole_up_to, capacity))
    with _side_by_side(len(batches), device) as workers:
        for residues in workers.map(embed_batch, batches):
            if on_batch is not None:
                on_batch(residues)
    return features


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


@contextmanager
def _side_by_side(batches: int, device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Workers that share PyTorch's threads on the CPU, and one worker for any other device.

    A batch is a sequence of short operations. Threads that split an operation wait for one another at its end; threads
    with a batch of their own don't.
    """
    threads = torch.get_num_threads()
    workers = min(threads, max(1, batches)) if device.type == "cpu" else 1
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)
