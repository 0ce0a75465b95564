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
from esm2_amp.explanation.rescoring import Rescorer
from esm2_amp.explanation.residues import Profiles
from esm2_amp.progress import Progress
from esm2_amp.protein import SIDES
from esm2_amp.statistics.intervals import NOT_DISTINGUISHABLE, MeanIntervals, mean_intervals

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CHOSEN, RANDOM_WINDOWS = "chosen", "random windows"
"""Which residues are masked: those of highest value, or as many in windows of the same sizes placed at random."""

FEWEST_PAIRS: Final = 8
"""Pairs from which on intervals are given: the spread of fewer says too little of how others would differ."""

TOO_FEW: Final = "too few pairs"
BETTER, WORSE = "better than random", "worse than random"

_AREAS: Final = ("Method", "Pairs", "UpTo", "Fall", "RandomFall", "Difference", "Low", "High", "Verdict")
_CURVES: Final = ("Method", "Order", "Share", "Fall", "Low", "High")
_PAIRS: Final = ("Protein1", "Protein2", "Method", "Fall", "RandomFall", "Difference", "Exceeded", "Placements")


class ResidueDeletion(NamedTuple):
    """What masking residues takes from the logits of pairs.

    A fall is the pair's logit minus that of its masked sequences. The area under a curve of falls is taken over the
    shares masked and divided by the largest: it is the mean fall.

    Attributes
    ----------
    areas : DataFrame
        `Method`; `Pairs`, how many were masked, `UpTo` a share of their residues; `Fall`, the mean fall by the chosen
        residues; `RandomFall`, that by random windows of the same sizes; their `Difference` with its 95 % interval
        `Low` to `High`; `Verdict`: "better than random", "worse than random", "not distinguishable", or "too few
        pairs", which have no interval.
    curves : DataFrame
        `Method`, `Order` (chosen or random windows), `Share` of the residues masked, mean `Fall` with `Low` and `High`.
    pairs : DataFrame
        `Protein1`, `Protein2`, `Method`; `Fall`, `RandomFall` and `Difference` of the pair; `Exceeded`, how many of the
        `Placements` at random have a smaller mean fall than the chosen residues.
    """

    areas: pd.DataFrame
    curves: pd.DataFrame
    pairs: pd.DataFrame


def no_deletion() -> ResidueDeletion:
    """The tables where no residue is masked."""
    return ResidueDeletion(*(pd.DataFrame(columns=list(names)) for names in (_AREAS, _CURVES, _PAIRS)))


def residue_deletion(
    methods: Mapping[str, Profiles],
    rescorer: Rescorer,
    fractions: Sequence[float],
    *,
    random_windows: int,
    seed: int,
) -> ResidueDeletion:
    """Compare what masking the residues of highest value takes from a logit with what masking others takes.

    Parameters
    ----------
    methods : mapping of method name to list of B tuples of two ndarray
        A value of each residue of both partners.
    rescorer : Rescorer
        The B pairs and their model.
    fractions : sequence of F float
        Shares of a pair's residues to mask, ascending.
    random_windows : int
        Random placements of the windows, R, for each pair, method and fraction.
    seed : int
        Seed of the placements.
    """
    points = np.array([0.0, *fractions])
    falls = np.zeros((len(methods), 1 + random_windows, len(rescorer.pairs), len(points)))  # of the chosen ones first
    generator = np.random.default_rng(seed)
    progress = Progress(logger, "masking residues, pairs", len(rescorer.pairs))
    for pair in range(len(rescorer.pairs)):
        masks = _masks([values[pair] for values in methods.values()], fractions, random_windows, generator)
        unmasked, *masked = _masked_logits(rescorer, pair, masks)
        logits = np.reshape(masked, (len(methods), len(fractions), 1 + random_windows))
        falls[:, :, pair, 1:] = unmasked - logits.swapaxes(1, 2)
        progress.add(1)
    return _compared(list(methods), falls, points, rescorer)


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
    vectors_a, vectors_b = rescorer.scorer.vectors(changed).chunk(len(SIDES))
    return rescorer.scorer.logits(vectors_a, vectors_b)


def _compared(methods: list[str], falls: Floats, points: Floats, rescorer: Rescorer) -> ResidueDeletion:
    """Areas, curves and pairs of all methods; `falls` has the shape (methods, 1 + R, B, points)."""
    names = np.array(rescorer.entries)[rescorer.rows]
    areas, curves, pairs = [], [], []
    for method, (chosen, *placed) in zip(methods, falls, strict=True):
        at_random, of_placements = np.mean(placed, axis=0), np.array([_mean_fall(fall, points) for fall in placed])
        own, random = _mean_fall(chosen, points), _mean_fall(at_random, points)
        (difference,), (low,), (high,) = _intervals((own - random)[:, None], rescorer)
        areas.append(
            (method, len(names), points[-1], own.mean(), random.mean(), difference, low, high, _verdict(low, high))
        )
        for order, values in ((CHOSEN, chosen), (RANDOM_WINDOWS, at_random)):
            curves += [(method, order, *point) for point in zip(points, *_intervals(values, rescorer), strict=True)]
        exceeded = (of_placements < own).sum(axis=0)
        pairs += [(*pair, method, *found, len(placed))
                  for pair, *found in zip(names, own, random, own - random, exceeded, strict=True)]  # fmt: skip
    return ResidueDeletion(
        pd.DataFrame(areas, columns=list(_AREAS)),
        pd.DataFrame(curves, columns=list(_CURVES)),
        pd.DataFrame(pairs, columns=list(_PAIRS)),
    )


def _mean_fall(falls: Floats, points: Floats) -> Floats:
    """Areas under curves by trapezoids, over the largest share: (B, points) → (B,)."""
    return np.asarray(np.trapezoid(falls, points, axis=1) / points[-1])


def _intervals(values: Floats, rescorer: Rescorer) -> MeanIntervals:
    """Means over the B pairs, whose intervals are NaN where there are too few pairs to know their spread."""
    found = mean_intervals(values, *rescorer.rows.T)
    if len(values) >= FEWEST_PAIRS:
        return found
    unknown = np.full_like(found.mean, np.nan)
    return MeanIntervals(found.mean, unknown, unknown)


def _verdict(low: float, high: float) -> str:
    if np.isnan(low):
        return TOO_FEW
    if low <= 0 <= high:
        return NOT_DISTINGUISHABLE
    return BETTER if low > 0 else WORSE
