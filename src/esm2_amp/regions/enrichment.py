"""Whether chosen segments lie in annotated regions more often than by chance.

The unit is the protein. A protein in many pairs has much the same segments chosen in all of them, so pairs are no
independent evidence. Both null models therefore act once on each protein, in all its pairs alike:

- *random segments*: the segments of each protein change places at random; how often each pattern of segments was
  chosen in a protein stays, and so do all its regions.
- *shifted regions*: all regions of each protein turn together by a random number of residues around its sequence,
  closed to a circle; their sizes, overlaps and distances stay.

Top segments are compared with low ones by the first model, too. The two are not in quite the same proteins, so the
coverage expected from low segments is moved by the difference between random segments of the two sets of proteins.

P-values, q-values and intervals are those of `esm2_amp.regions.chance`.
"""

import logging
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.progress import Progress
from esm2_amp.protein import N_SEGMENTS, segment_bounds
from esm2_amp.regions.chance import SHIFTED_REGIONS, Null, decided, interval, ratio, shift_regions, two_sided
from esm2_amp.regions.coverage import Coverage, protein_rows
from esm2_amp.regions.segments import SELECTIONS

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

LOW_SEGMENTS: Final = "low segments"
RANDOM_SEGMENTS: Final = "random segments"

COLUMNS: Final = (
    "Group", "Selection", "Against", "RegionType", "CoveragePercent", "ExpectedPercent", "DifferencePoints",
    "DifferencePointsLow", "DifferencePointsHigh", "Fold", "FoldLow", "FoldHigh", "P", "Q", "Verdict",
)  # fmt: skip

_AT_ONCE = 1 << 22


class _Chosen(NamedTuple):
    """Proteins with chosen segments.

    Attributes
    ----------
    counts : ndarray, shape (selections, P, 10)
        How often each segment was chosen.
    fraction : ndarray, shape (P, 10, K)
        Coverage of all segments.
    annotated : list of P ndarrays, shape (K, L), bool
        Whether a residue is in a region of each type.
    """

    counts: Floats
    fraction: Floats
    annotated: list[NDArray[np.bool_]]

    @property
    def residue_weights(self) -> list[Floats]:
        """What an annotated residue adds to the summed coverage, by protein: each of shape (selections, L)."""
        residues = [np.diff(segment_bounds(annotated.shape[1])) for annotated in self.annotated]
        return [
            np.repeat(counts / of_segments.clip(1), of_segments, axis=1)
            for counts, of_segments in zip(np.swapaxes(self.counts, 0, 1), residues, strict=True)
        ]

    @property
    def sums(self) -> Floats:
        """Coverage summed over the chosen segments of each protein, shape (selections, P, K)."""
        return np.asarray(np.einsum("aps,psk->apk", self.counts, self.fraction))

    @property
    def sizes(self) -> Floats:
        """Chosen segments of each protein, shape (selections, P)."""
        return np.asarray(self.counts.sum(axis=-1))


def enrichment(
    segments: pd.DataFrame, measured: Coverage, *, permutations: int, replicates: int, level: float, seed: int
) -> pd.DataFrame:
    """Compare the mean coverage of top and low segments with each other and with chance, in each group.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`.
    measured : Coverage
        Coverage of all segments of the proteins.
    permutations : int
        Draws from each null model.
    replicates : int
        Replicates of the bootstrap over proteins.
    level : float
        A difference with a q-value up to this is called enriched or depleted.
    seed : int
        The seed of all draws; every group uses the same.

    Returns
    -------
    table : DataFrame
        `Group`; `Selection`; `Against`: low segments, random segments or shifted regions; `RegionType`;
        `CoveragePercent`, the mean over the chosen segments, and `ExpectedPercent`, what they are compared with;
        `DifferencePoints` and `Fold` with 95 % intervals in `…Low`, `…High`; `P`, `Q`, `Verdict`. Against low
        segments, `Fold` is the ratio to their coverage as it is; it is infinite where that is 0. Without segments it
        has no rows.
    """
    tables = []
    for group in sorted(segments["Group"].unique()):
        of_group = segments[segments["Group"] == group]
        chosen = _count(of_group, measured)
        generator = np.random.default_rng(seed)
        permuted = _permute_segments(chosen, permutations, generator)
        shifted = shift_regions(chosen.residue_weights, chosen.annotated, permutations, generator)
        even = np.full(chosen.counts.shape[1], 1 / chosen.counts.shape[1])
        weights = generator.multinomial(len(even), even, replicates).astype(np.float64)
        selections = [name for name in SELECTIONS if (of_group["Selection"] == name).any()]
        for table in _comparisons(chosen, permuted, shifted, weights, selections):
            table.insert(0, "RegionType", measured.types)
            annotated = (table["CoveragePercent"] > 0) | (table["ExpectedPercent"] > 0)
            tables.append(decided(table, annotated, table["DifferencePoints"], level).assign(Group=group))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)] if tables else pd.DataFrame(columns=list(COLUMNS))


def _count(segments: pd.DataFrame, measured: Coverage) -> _Chosen:
    """How often the segments of each protein were chosen; proteins without a chosen segment are left out."""
    row, segment = protein_rows(segments, measured), segments["Segment"].to_numpy(np.int64)
    counts = np.zeros((len(SELECTIONS), *measured.residues.shape))
    for number, selection in enumerate(SELECTIONS):
        is_chosen = (segments["Selection"] == selection).to_numpy()
        np.add.at(counts[number], (row[is_chosen], segment[is_chosen]), 1)
    used = counts.any(axis=(0, 2))
    ends = np.cumsum(measured.lengths)
    residues = zip((ends - measured.lengths)[used], ends[used], strict=True)
    annotated = [measured.annotated[:, start:end] for start, end in residues]
    return _Chosen(counts[:, used], measured.fraction[used], annotated)


def _permute_segments(chosen: _Chosen, permutations: int, generator: np.random.Generator) -> Null:
    counts, fraction, _ = chosen
    expected = chosen.sizes[..., None] * fraction.mean(axis=1)
    # Segments all covered alike, or chosen equally often, give the same sum in any order.
    moves = (np.ptp(fraction, axis=1) > 0).any(axis=1) & (np.ptp(counts, axis=2) > 0).any(axis=0)
    drawn = np.tile(chosen.sums[:, ~moves].sum(axis=1)[:, None], (1, permutations, 1))
    flat = fraction[moves].reshape(-1, fraction.shape[-1])
    step = max(1, _AT_ONCE // max(1, len(flat)))
    progress = Progress(logger, "permuting segments, permutations", permutations)
    for start in range(0, permutations, step):
        size = min(step, permutations - start)
        order = generator.random((size, int(moves.sum()), N_SEGMENTS)).argsort(axis=-1)
        for number, count in enumerate(counts[:, moves]):
            shuffled = np.take_along_axis(count[None], order, axis=-1).reshape(size, -1)
            drawn[number, start : start + size] += shuffled @ flat
        progress.add(size)
    return Null(expected, drawn)


def _comparisons(
    chosen: _Chosen, permuted: Null, shifted: Null, weights: Floats, selections: list[str]
) -> list[pd.DataFrame]:
    sums, sizes = chosen.sums, chosen.sizes
    tables = []
    for selection in selections:
        at = SELECTIONS.index(selection)
        for against, null in ((RANDOM_SEGMENTS, permuted), (SHIFTED_REGIONS, shifted)):
            mean, reference = (_means(values[at], sizes[at], weights) for values in (sums, null.expected))
            table = _effects(mean, reference, ratio(mean, reference))
            table["P"] = two_sided(sums[at].sum(axis=0), null.drawn[at])
            tables.append(table.assign(Selection=selection, Against=against))
    if len(selections) == len(SELECTIONS):
        tables.insert(0, _top_against_low(chosen, permuted, weights))
    return tables


def _top_against_low(chosen: _Chosen, permuted: Null, weights: Floats) -> pd.DataFrame:
    """Top segments against low ones, each less random segments of its own proteins, which aren't quite the same."""
    sums, sizes = chosen.sums, chosen.sizes
    (top, low), (random_top, random_low) = (
        [_means(values[at], sizes[at], weights) for at in range(len(SELECTIONS))]
        for values in (sums, permuted.expected)
    )
    table = _effects(top, low - random_low + random_top, ratio(top, low))
    total = sizes.sum(axis=1)[:, None]
    observed, drawn = sums.sum(axis=1) / total, permuted.drawn / total[:, None]
    table["P"] = two_sided(observed[0] - observed[1], drawn[0] - drawn[1])
    return table.assign(Selection=SELECTIONS[0], Against=LOW_SEGMENTS)


def _means(sums: Floats, sizes: Floats, weights: Floats) -> Floats:
    """Mean coverage in percent of the data, then of each bootstrap replicate, shape (1 + R, K)."""
    every = np.vstack([np.ones(len(sizes)), weights])
    with np.errstate(invalid="ignore"):
        return np.asarray(100 * (every @ sums) / (every @ sizes)[:, None])


def _effects(mean: Floats, reference: Floats, fold: Floats) -> pd.DataFrame:
    difference = mean - reference
    difference_low, difference_high = interval(difference[1:])
    fold_low, fold_high = interval(fold[1:])
    return pd.DataFrame(
        {
            "CoveragePercent": mean[0],
            "ExpectedPercent": reference[0],
            "DifferencePoints": difference[0],
            "DifferencePointsLow": difference_low,
            "DifferencePointsHigh": difference_high,
            "Fold": fold[0],
            "FoldLow": fold_low,
            "FoldHigh": fold_high,
        }
    )
