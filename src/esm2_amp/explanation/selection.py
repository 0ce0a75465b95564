"""Which pairs are explained, and against which background."""

import logging
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.errors import InputError

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]


def pair_ids(pairs: pd.DataFrame) -> list[str]:
    """Identifiers of pairs, `Protein1-Protein2`."""
    return (pairs["Protein1"] + "-" + pairs["Protein2"]).tolist()


def is_true_positive(pairs: pd.DataFrame) -> NDArray[np.bool_]:
    """Which pairs interact and are predicted to; none of those whose label isn't known."""
    if "Label" not in pairs:
        return np.zeros(len(pairs), dtype=bool)
    return ((pairs["Label"] == 1) & (pairs["Prediction"] == 1)).fillna(value=False).to_numpy(bool)


def find_pairs(pairs: pd.DataFrame, chosen: Sequence[str], split: str) -> list[int]:
    """Where the chosen pairs of a split are among all pairs.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`, `split`.
    chosen : sequence of str
        Pair ids, the partners in either order.
    split : str
        Split that they must be in.

    Returns
    -------
    rows : list of int
        Positions in `pairs`, each once.

    Raises
    ------
    InputError
        An id is no pair of the split; similar ones are named.
    """
    of_split = (pairs["split"] == split).to_numpy()
    # later entries win: a pair of the split over others, its own order over the swapped one
    swapped = pairs.rename(columns={"Protein1": "Protein2", "Protein2": "Protein1"})
    ids = np.array([pair_ids(swapped), pair_ids(pairs)])
    row_of = {name: row for wanted in (~of_split, of_split) for names in ids
              for row, name in zip(np.flatnonzero(wanted), names[wanted], strict=True)}  # fmt: skip
    for name in chosen:
        if name not in row_of:
            close = get_close_matches(name, ids[:, of_split].ravel().tolist())
            hint = f"similar are {', '.join(close)}" if close else "none is similar"
        elif not of_split[row_of[name]]:
            hint = f"which is in the {pairs['split'].iloc[row_of[name]]} split; interpretability.split changes which"
        else:
            continue
        raise InputError(
            f"interpretability.chosen_pairs must be pairs of the {split} split, as Protein1-Protein2 in either order, "
            f"got {name!r}; {hint}"
        )
    return list(dict.fromkeys(int(row_of[name]) for name in chosen))


def draw_pairs(true_positive: NDArray[np.bool_], count: int | None, chosen: Sequence[int], seed: int) -> Rows:
    """Draw pairs to explain, half of them true positives where there are enough.

    Parameters
    ----------
    true_positive : ndarray, shape (pairs,), bool
        Whether each pair is one.
    count : int, optional
        How many pairs to draw; all pairs without it, or where there are fewer.
    chosen : sequence of int
        Rows that are always drawn, even where they are more than `count`.
    seed : int
        Seed of the draw.

    Returns
    -------
    rows : ndarray, ascending, int64
    """
    if count is None or count >= len(true_positive):
        return np.arange(len(true_positive))
    order = np.random.default_rng(seed).permutation(len(true_positive))
    order = order[~np.isin(order, list(chosen))]
    positives, others = order[true_positive[order]], order[~true_positive[order]]
    room = max(count - len(chosen), 0)
    wanted = (count + 1) // 2 - int(true_positive[list(chosen)].sum())
    taken = min(max(wanted, room - len(others), 0), len(positives), room)
    drawn = [np.asarray(chosen, dtype=np.int64), positives[:taken], others[: room - taken]]
    return np.sort(np.concatenate(drawn))


def likely_positives(explained: pd.DataFrame, count: int, seed: int) -> Rows:
    """Draw true positives evenly; where there are too few, also the other pairs of highest probability.

    Parameters
    ----------
    explained : DataFrame
        `Label`, `Prediction`, `Probability`.
    count : int
        How many pairs to draw; all where there are fewer.
    seed : int
        Seed of the draw.

    Returns
    -------
    rows : ndarray, ascending, int64
    """
    drawn = np.random.default_rng(seed).permutation(len(explained))
    is_found, probability = is_true_positive(explained)[drawn], explained["Probability"].to_numpy()[drawn]
    found_first = np.lexsort([np.where(is_found, 0, -probability), ~is_found])
    return np.sort(drawn[found_first[:count]])


def draw_background(pairs: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Draw training pairs that stand for a pair without information.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs`.
    count : int
        How many pairs to draw; where there are fewer, all are taken and a warning is logged.
    seed : int
        Seed of the draw.
    """
    training = pairs[pairs["split"] == "train"]
    if len(training) < count:
        logger.warning("The background takes all %d training pairs; %d were asked for", len(training), count)
    return training.sample(min(count, len(training)), random_state=seed)
