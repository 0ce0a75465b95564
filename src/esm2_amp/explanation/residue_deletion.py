"""Whether a score rests on the residues that a method calls important: mask them, embed again, score again.

The residues of highest value in a pair are masked, more and more of them. The control masks as many residues of each
protein in windows of the same sizes, placed at random: it differs in the place alone.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.encoder.tokens import MASK, encode
from esm2_amp.explanation.faithfulness import verdict
from esm2_amp.explanation.mutation_scan import Rescorer
from esm2_amp.explanation.residues import Profiles
from esm2_amp.progress import Progress
from esm2_amp.protein import SIDES
from esm2_amp.statistics.intervals import mean_intervals
from esm2_amp.statistics.metrics import sigmoid

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CHOSEN, RANDOM_WINDOWS = "chosen", "random windows"
"""Which residues are masked: those of highest value, or as many in windows of the same sizes placed at random."""

_DELETION: Final = "deletion"


class ResidueDeletion(NamedTuple):
    """What masking residues takes from the scores of pairs.

    Attributes
    ----------
    areas : DataFrame
        `Method`; `Area` under the curve of the chosen residues, the mean probability over the shares, with its 95 %
        interval `Low` to `High`; `Difference` from the curve of random windows with `DifferenceLow` and
        `DifferenceHigh`; `Verdict` on it: "better than random", "worse than random" or "not distinguishable".
    curves : DataFrame
        `Method`, `Order` (chosen or random windows), `Share` of the residues masked, mean `Probability` with `Low` and
        `High`.
    """

    areas: pd.DataFrame
    curves: pd.DataFrame


def residue_deletion(
    methods: Mapping[str, Profiles],
    rescorer: Rescorer,
    fractions: Sequence[float],
    *,
    random_windows: int,
    seed: int,
) -> ResidueDeletion:
    """Compare what masking the residues of highest value takes from a score with what masking others takes.

    Parameters
    ----------
    methods : mapping of method name to list of B tuples of two ndarray
        A value of each residue of both partners.
    rescorer : Rescorer
        The B pairs and their model.
    fractions : sequence of F float
        Shares of a pair's residues to mask, ascending.
    random_windows : int
        Random placements of the windows for each pair, method and fraction; their probabilities are averaged.
    seed : int
        Seed of the placements.
    """
    points = np.array([0.0, *fractions])
    probability = np.empty((len(methods), 2, len(rescorer.pairs), len(points)))  # of chosen and of random residues
    generator = np.random.default_rng(seed)
    progress = Progress(logger, "masking residues, pairs", len(rescorer.pairs))
    for pair in range(len(rescorer.pairs)):
        masks = _masks([values[pair] for values in methods.values()], fractions, random_windows, generator)
        unmasked, *masked = sigmoid(_masked_logits(rescorer, pair, masks))
        found = np.reshape(masked, (len(methods), len(fractions), 1 + random_windows))
        probability[:, :, pair, 0] = unmasked
        probability[:, 0, pair, 1:], probability[:, 1, pair, 1:] = found[..., 0], found[..., 1:].mean(axis=2)
        progress.add(1)
    return _compared(list(methods), probability, points, rescorer.rows)


def top_residues(profiles: tuple[Floats, Floats], fraction: float) -> tuple[Flags, Flags]:
    """The residues of highest value of both partners together: at least one, and a fraction of them, rounded up."""
    together = np.concatenate(profiles)
    count = max(1, int(np.ceil(fraction * len(together) - 1e-9)))
    chosen = np.zeros(len(together), dtype=bool)
    chosen[np.argsort(-together, kind="stable")[:count]] = True
    return chosen[: len(profiles[0])], chosen[len(profiles[0]) :]


def run_lengths(flags: Flags) -> NDArray[np.int64]:
    """Lengths of the runs of set flags, in order.

    Examples
    --------
    >>> run_lengths(np.array([True, True, False, True])).tolist()
    [2, 1]
    """
    change = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return np.asarray(change[1::2] - change[::2])


def place_at_random(lengths: NDArray[np.int64], n_residues: int, generator: np.random.Generator) -> Flags:
    """Place windows of these lengths in random order, none next to another; each placement is as likely as any other.

    Parameters
    ----------
    lengths : ndarray, shape (windows,), int64
        Residues of the windows, which have room with a residue between each two.
    n_residues : int
        Residues of the protein, L.
    generator : numpy Generator
        Draws order and places.

    Returns
    -------
    flags : ndarray, shape (L,), bool
        Whether a residue is in a window.
    """
    flags = np.zeros(n_residues, dtype=bool)
    order = generator.permutation(lengths)
    free = n_residues - int(lengths.sum()) + 1
    # Windows shrunk to the residue before them take different places among what is left; grown again, they keep apart.
    places = np.sort(generator.choice(free, size=len(order), replace=False))
    starts = places + np.cumsum(order) - order
    for start, length in zip(starts, order, strict=True):
        flags[start : start + length] = True
    return flags


def _masks(
    profiles: Sequence[tuple[Floats, Floats]],
    fractions: Sequence[float],
    random_windows: int,
    generator: np.random.Generator,
) -> list[tuple[Flags, Flags]]:
    """No residue, then for each method and fraction the chosen ones of both partners and those placed at random."""
    of_a, of_b = profiles[0]
    masks = [(np.zeros(len(of_a), dtype=bool), np.zeros(len(of_b), dtype=bool))]
    for of_method in profiles:
        for fraction in fractions:
            chosen = top_residues(of_method, fraction)
            masks.append(chosen)
            for _ in range(random_windows):
                placed = [place_at_random(run_lengths(flags), len(flags), generator) for flags in chosen]
                masks.append((placed[0], placed[1]))
    return masks


def _masked_logits(rescorer: Rescorer, pair: int, masks: Sequence[tuple[Flags, Flags]]) -> Floats:
    """Logits of a pair with residues of both partners masked: shape (masks,)."""
    changed = []
    for side, row in enumerate(rescorer.rows[pair]):
        tokens = encode(rescorer.sequence(row))
        for mask in masks:
            masked = tokens.copy()
            masked[1:-1][mask[side]] = MASK
            changed.append(masked)
    vectors_a, vectors_b = rescorer.vectors(changed).chunk(len(SIDES))
    return rescorer.logits(vectors_a, vectors_b)


def _compared(methods: list[str], probability: Floats, points: Floats, rows: NDArray[np.int64]) -> ResidueDeletion:
    """Areas and curves of all methods; `probability` has the shape (methods, 2, B, points)."""
    areas, curves = [], []
    for method, both in zip(methods, probability, strict=True):
        area, of_random = np.trapezoid(both, points, axis=2) / points[-1]
        intervals = mean_intervals(np.stack([area, area - of_random], axis=1), *rows.T)
        own, difference = zip(*intervals, strict=True)
        areas.append((method, *own, *difference, verdict(method, _DELETION, *difference)))
        for order, values in zip((CHOSEN, RANDOM_WINDOWS), both, strict=True):
            curve = zip(points, *mean_intervals(values, *rows.T), strict=True)
            curves += [(method, order, *point) for point in curve]
    of_areas = ["Area", "Low", "High", "Difference", "DifferenceLow", "DifferenceHigh", "Verdict"]
    return ResidueDeletion(
        pd.DataFrame(areas, columns=["Method", *of_areas]),
        pd.DataFrame(curves, columns=["Method", "Order", "Share", "Probability", "Low", "High"]),
    )
