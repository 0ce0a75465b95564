"""How well profiles of residues point at a planted motif, where the truth is known (METHOD section 10)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.explanation.residues import Profiles, smoothed
from esm2_amp.explanation.selection import is_true_positive
from esm2_amp.statistics.intervals import mean_intervals, rate_intervals

COLUMNS: Final = [
    "Method", "Proteins", "Top", "Share", "Low", "High", "MedianShare", "ShareByChance",
    "Near", "AtMotif", "AtMotifLow", "AtMotifHigh", "AtMotifByChance", "MedianDistance",
]  # fmt: skip


Floats = NDArray[np.float64]


class _Motif(NamedTuple):
    """A planted motif in a pair: 0-based half-open residues of the partner on a side (0 or 1)."""

    pair: int
    side: int
    start: int
    end: int


def planted_residues(
    methods: Mapping[str, Profiles],
    explained: pd.DataFrame,
    sites: pd.DataFrame,
    *,
    top: int,
    near: int,
    smoothing: int,
) -> pd.DataFrame:
    """How many residues of a planted motif are among the top of its protein, and how far the peak is from it.

    Counted are the true positives, and in them every partner that has a motif.

    Parameters
    ----------
    methods : mapping of method name to list of B tuples of two ndarray
        A value of each residue of both partners.
    explained : DataFrame, B rows
        `Protein1`, `Protein2`, `Label`, `Prediction`.
    sites : DataFrame
        `Entry`, `Start`, `End` (1-based, inclusive), one of a protein.
    top : int
        Residues of a protein that count as its top.
    near : int
        Residues from the motif up to which a peak counts as at it; a peak within the motif is at distance 0.
    smoothing : int
        Residues over which a profile is averaged before its peak is looked for.

    Returns
    -------
    table : DataFrame
        `Method`; `Proteins`, how many were counted; `Share` of the motif's residues that are among the `Top` (of as
        many as there can be), its mean with a 95 % interval `Low` to `High`, the `MedianShare`, and the mean
        `ShareByChance`; `AtMotif`, the share of peaks up to `Near` residues from the motif, with its interval and
        `AtMotifByChance`; the `MedianDistance` of the peak in residues. No rows where no true positive has a motif.
    """
    motifs = _motifs(explained, sites)
    if not motifs:
        return pd.DataFrame(columns=COLUMNS)
    names = explained[["Protein1", "Protein2"]].to_numpy()
    own, partner = np.array([(names[motif.pair, motif.side], names[motif.pair, 1 - motif.side]) for motif in motifs]).T
    rows = []
    for method, profiles in methods.items():
        values = [profiles[motif.pair][motif.side] for motif in motifs]
        of_motifs = [_found(*found, top, near, smoothing) for found in zip(values, motifs, strict=True)]
        share, share_by_chance, distance, near_by_chance = np.array(of_motifs).T
        shares = [value.item() for value in mean_intervals(share[:, None], own, partner)]
        at_motif = [value.item() for value in rate_intervals((distance <= near)[:, None], own, partner)]
        rows.append((method, len(motifs), top, *shares, np.median(share), share_by_chance.mean(),
                     near, *at_motif, near_by_chance.mean(), np.median(distance)))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def _motifs(explained: pd.DataFrame, sites: pd.DataFrame) -> list[_Motif]:
    """The motifs of true positives, pair by pair."""
    place = {entry: (start - 1, end) for entry, start, end in sites[["Entry", "Start", "End"]].itertuples(index=False)}
    return [
        _Motif(int(pair), side, *place[entry])
        for pair in np.flatnonzero(is_true_positive(explained))
        for side, entry in enumerate(explained[["Protein1", "Protein2"]].iloc[pair])
        if entry in place
    ]


def _found(values: Floats, motif: _Motif, top: int, near: int, smoothing: int) -> tuple[float, float, float, float]:
    """Share of a motif among the top residues, that by chance, distance of the peak, and the chance to be near."""
    share = in_top(values, top)[motif.start : motif.end].sum() / min(top, motif.end - motif.start)
    by_chance = max(min(top, len(values)), motif.end - motif.start) / len(values)
    within_reach = min(len(values), motif.end + near) - max(0, motif.start - near)
    distance = max(motif.start - (peak := peak_of(values, smoothing)), peak - motif.end + 1, 0)
    return share, by_chance, distance, within_reach / len(values)


def in_top(values: Floats, top: int) -> Floats:
    """Whether each residue is among the `top` of highest value; of residues with equal values each in part.

    Examples
    --------
    >>> in_top(np.array([3.0, 1.0, 1.0, 0.0]), 2).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    least = np.sort(values)[::-1][min(top, len(values)) - 1]
    above, tied = values > least, values == least
    return np.asarray(above + tied * (min(top, len(values)) - above.sum()) / tied.sum())


def peak_of(values: Floats, smoothing: int) -> int:
    """0-based residue at which the averaged profile is highest; the middle one where several are equally high."""
    averaged = smoothed(values, smoothing)
    highest = np.flatnonzero(averaged == averaged.max())
    return int(highest[len(highest) // 2])
