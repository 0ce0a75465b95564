"""Overlapping windows for proteins longer than the encoder takes whole."""

from collections.abc import Sequence

from torch import Tensor


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
