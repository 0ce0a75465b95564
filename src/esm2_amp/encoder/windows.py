"""Overlapping windows for proteins longer than the encoder takes whole."""

from collections.abc import Sequence

from torch import Tensor


def window_starts(length: int, window: int, overlap: int) -> list[int]:
    """Where the windows of a protein begin.

    Parameters
    ----------
    length : int
        Residues of the protein.
    window : int
        Residues of a window.
    overlap : int
        Residues that neighbouring windows share, fewer than `window`.

    Returns
    -------
    starts : list of int
        0-based first residues, increasing. The last window ends with the protein, so it may share more with the one
        before. A protein no longer than `window` has one window.
    """
    last = max(0, length - window)
    return [*range(0, last, window - overlap), last]


def merge_windows(states: Sequence[Tensor], starts: Sequence[int]) -> Tensor:
    """Hidden states of a protein from those of its windows.

    Parameters
    ----------
    states : sequence of Tensor, each of shape (window + 2, D), float32
        Hidden states of `<cls> window <eos>`.
    starts : sequence of int
        0-based first residue of each window, increasing and without gaps between windows.

    Returns
    -------
    hidden : Tensor, shape (L + 2, D), float32
        cls of the first window, each residue's mean over the windows that hold it, eos of the last window.
    """
    length = starts[-1] + len(states[-1]) - 2
    hidden = states[0].new_zeros(length + 2, states[0].shape[1])
    times = states[0].new_zeros(length + 2, 1)
    for start, window in zip(starts, states, strict=True):
        residues = slice(start + 1, start + len(window) - 1)
        hidden[residues] += window[1:-1]
        times[residues] += 1
    hidden[1:-1] /= times[1:-1]
    hidden[0], hidden[-1] = states[0][0], states[-1][-1]
    return hidden
