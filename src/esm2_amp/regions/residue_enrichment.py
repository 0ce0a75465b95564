"""Whether residues within annotated regions add more to a score than those outside (METHOD section 10).

The finer view beside that of `esm2_amp.regions.enrichment`, which asks where the top segments lie: a segment is a tenth
of a protein, of which a region may take a few residues. The null is that of shifted regions there: all regions of a
protein turn together around its sequence, in all its pairs alike, so that the sizes of regions, the ups and downs of a
profile, and what one protein has more than another stay as they are.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.protein import SIDES
from esm2_amp.regions.chance import (
    NO_DIFFERENCE,
    NOT_ANNOTATED,
    SHIFTED_REGIONS,
    Floats,
    decided,
    interval,
    shift_regions,
    two_sided,
)
from esm2_amp.regions.coverage import Coverage
from esm2_amp.regions.segments import SELECTIONS

SAME, FINER, COARSER, OPPOSITE = "the same", "by residues only", "by segments only", "opposite"
"""What the view of residues adds to that of segments: where a difference from chance is seen."""

CONTRAST_COLUMNS: Final = [
    "Group", "RegionType", "Proteins", "Residues", "Inside", "Outside", "Contrast", "ExpectedContrast",
    "Difference", "DifferenceLow", "DifferenceHigh", "P", "Q", "Verdict",
]  # fmt: skip
_KEYS: Final = ["Group", "RegionType"]
_OF_BOTH: Final = ["Difference", "P", "Q", "Verdict"]
VIEW_COLUMNS: Final = [*_KEYS, *(f"{view}{name}" for view in ("Segments", "Residues") for name in _OF_BOTH), "Seen"]


class _Profiles(NamedTuple):
    """Proteins with values of their residues.

    Attributes
    ----------
    weights : list of P ndarray, each of shape (1, L), float64
        Values of the residues, summed over all pairs and sides that a protein is on.
    annotated : list of P ndarray, each of shape (K, L), bool
        Whether a residue is in a region of each type.
    times : ndarray, shape (P,), int64
        How many profiles were summed.
    """

    weights: list[Floats]
    annotated: list[NDArray[np.bool_]]
    times: NDArray[np.int64]


def residue_enrichment(
    residues: pd.DataFrame,
    measured: Coverage,
    *,
    measure: str = "Attribution",
    permutations: int,
    replicates: int,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Compare the mean value of residues within annotated regions with that of residues outside, in each group.

    Parameters
    ----------
    residues : DataFrame
        Of each pair `Protein1`, `Protein2`, its `Group` as of `rank_segments`, and of each residue of its partners the
        `Side` (A or B), the number `Residue` (1-based), all in order, and a value.
    measured : Coverage
        Annotated residues of the proteins by type.
    measure : str
        Name of the column with the values.
    permutations : int
        Draws from the null model.
    replicates : int
        Replicates of the bootstrap over proteins.
    level : float
        A difference with a q-value up to this is called enriched or depleted.
    seed : int
        The seed of all draws; every group uses the same.

    Returns
    -------
    table : DataFrame
        `Group`; `RegionType`; `Proteins` that have such regions, and `Residues` within them, counted once for each
        pair; mean values `Inside` and `Outside`; their `Contrast`, inside − outside, and the `ExpectedContrast` of
        shifted regions; the `Difference` of these two with its 95 % interval `DifferenceLow` to `DifferenceHigh`;
        `P`, `Q`, `Verdict`.

    Raises
    ------
    InputError
        A residue has no value, or a protein has another length than its annotations were placed on.
    """
    tables = []
    for group, of_group in residues.groupby("Group", sort=True):
        found = _profiles(of_group, measured, measure)
        table = _tested(found, permutations, replicates, np.random.default_rng(seed))
        table.insert(0, "RegionType", measured.types)
        table = decided(table, table["Residues"] > 0, table["Difference"], level)
        tables.append(table.assign(Group=group)[CONTRAST_COLUMNS])
    return pd.concat(tables, ignore_index=True)


def _profiles(residues: pd.DataFrame, measured: Coverage, measure: str) -> _Profiles:
    place = pd.Index(measured.entries)
    ends = np.cumsum(measured.lengths)
    sums: dict[str, Floats] = {}
    times: dict[str, int] = {}
    for entry, values in _of_partners(residues, measure):
        length = measured.lengths[place.get_loc(entry)]
        if len(values) != length:
            raise InputError(
                f"Regions must be of the sequence that was explained, but {entry!r} has {len(values):,} residues and "
                f"its regions are of {length:,}; give the regions of this version of the sequence"
            )
        sums[entry] = sums.get(entry, np.zeros(length)) + values
        times[entry] = times.get(entry, 0) + 1
    rows = place.get_indexer(pd.Index(list(sums)))
    annotated = [measured.annotated[:, ends[row] - measured.lengths[row] : ends[row]] for row in rows]
    return _Profiles([of_protein[None] for of_protein in sums.values()], annotated, np.array(list(times.values())))


def _of_partners(residues: pd.DataFrame, measure: str) -> Iterator[tuple[str, Floats]]:
    """Name and values of each partner of each pair."""
    for (first, second, side), of_partner in residues.groupby(["Protein1", "Protein2", "Side"], sort=False):
        values = of_partner[measure].to_numpy(np.float64)
        if not np.isfinite(values).all():
            raise InputError(
                f"Every residue must have a finite {measure}, but one of the pair {first}-{second} has none; explain "
                "the pairs again"
            )
        yield str(first if side == SIDES[0] else second), values


def _tested(found: _Profiles, permutations: int, replicates: int, generator: np.random.Generator) -> pd.DataFrame:
    null = shift_regions(found.weights, found.annotated, permutations, generator)
    inside = np.stack(
        [flags @ values[0] for flags, values in zip(found.annotated, found.weights, strict=True)]
    )  # (P, K)
    times = found.times[:, None].astype(np.float64)
    n_inside = times * np.stack([flags.sum(axis=1) for flags in found.annotated])
    total = np.array([values.sum() for values in found.weights])[:, None]
    n_total = times * np.array([[flags.shape[1]] for flags in found.annotated])
    even = np.full(len(total), 1 / len(total))
    weights = np.vstack([np.ones(len(total)), generator.multinomial(len(total), even, replicates)])
    means, outside = _means(inside, n_inside, total, n_total, weights)
    expected, expected_outside = _means(null.expected[0], n_inside, total, n_total, weights)
    difference = (means - outside) - (expected - expected_outside)
    low, high = interval(difference[1:])
    return pd.DataFrame(
        {
            "Proteins": (n_inside > 0).sum(axis=0),
            "Residues": n_inside.sum(axis=0).astype(np.int64),
            "Inside": means[0],
            "Outside": outside[0],
            "Contrast": (means - outside)[0],
            "ExpectedContrast": (expected - expected_outside)[0],
            "Difference": difference[0],
            "DifferenceLow": low,
            "DifferenceHigh": high,
            "P": two_sided(inside.sum(axis=0), null.drawn[0]),
        }
    )


def _means(inside: Floats, n_inside: Floats, total: Floats, n_total: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean values inside and outside regions, of the data and of each bootstrap replicate, each of shape (1 + R, K)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (weights @ inside) / (weights @ n_inside)
        return means, (weights @ (total - inside)) / (weights @ (n_total - n_inside))


def both_views(segments: pd.DataFrame, residues: pd.DataFrame) -> pd.DataFrame:
    """What the view of residues adds to that of segments, by group and type of region.

    Parameters
    ----------
    segments : DataFrame
        As from `esm2_amp.regions.enrichment.enrichment`, of which top segments against shifted regions are taken.
    residues : DataFrame
        As from `residue_enrichment`.

    Returns
    -------
    table : DataFrame
        `Group`, `RegionType`; of both views `Difference`, `P`, `Q` and `Verdict`, after `Segments` (in points of
        coverage) and `Residues` (in units of the measure); `Seen`: where a difference from chance is seen.
    """
    is_top = (segments["Selection"] == SELECTIONS[0]) & (segments["Against"] == SHIFTED_REGIONS)
    of_segments = segments[is_top].rename(columns={"DifferencePoints": "Difference"})
    parts = [
        part[[*_KEYS, *_OF_BOTH]].rename(columns={name: f"{view}{name}" for name in _OF_BOTH})
        for view, part in (("Segments", of_segments), ("Residues", residues))
    ]
    table = parts[0].merge(parts[1], on=_KEYS)
    return table.assign(Seen=[_seen(*row) for row in zip(table["SegmentsVerdict"], table["ResiduesVerdict"],
                                                         strict=True)])  # fmt: skip


def _seen(by_segments: str, by_residues: str) -> str:
    if by_segments == by_residues:
        return SAME
    nothing = (NO_DIFFERENCE, NOT_ANNOTATED)
    if by_segments in nothing:
        return FINER
    return COARSER if by_residues in nothing else OPPOSITE
