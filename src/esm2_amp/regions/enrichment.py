"""Whether chosen segments lie in annotated regions more often than by chance.

The unit is the protein. A protein in many pairs has much the same segments chosen in all of them, so pairs are no
independent evidence. Both null models therefore act once on each protein, in all its pairs alike:

- *random segments*: the segments of each protein change places at random; how often each pattern of segments was
  chosen in a protein stays, and so do all its regions.
- *shifted regions*: all regions of each protein turn together by a random number of residues around its sequence,
  closed to a circle; their sizes, overlaps and distances stay.

Top segments are compared with low ones by the first model, too. The two are not in quite the same proteins, so the
coverage expected from low segments is moved by the difference between random segments of the two sets of proteins.

P-values are two-sided permutation p-values that count the observed arrangement (Phipson and Smyth 2010), q-values are
Benjamini and Hochberg's over the types. Intervals are by bootstrap over proteins.
"""

import warnings
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from esm2_amp.protein import N_SEGMENTS, segment_bounds
from esm2_amp.regions.coverage import Coverage, protein_rows
from esm2_amp.regions.segments import SELECTIONS

Floats = NDArray[np.float64]

LOW_SEGMENTS, RANDOM_SEGMENTS, SHIFTED_REGIONS = "low segments", "random segments", "shifted regions"
ENRICHED, DEPLETED, NO_DIFFERENCE, NOT_ANNOTATED = "enriched", "depleted", "no difference", "not annotated"

CONFIDENCE: Final = 0.95
_AT_ONCE = 1 << 22
_ROUNDING = 1e-9


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
    def sums(self) -> Floats:
        """Coverage summed over the chosen segments of each protein, shape (selections, P, K)."""
        return np.asarray(np.einsum("aps,psk->apk", self.counts, self.fraction))

    @property
    def sizes(self) -> Floats:
        """Chosen segments of each protein, shape (selections, P)."""
        return np.asarray(self.counts.sum(axis=-1))


class _Null(NamedTuple):
    """What chance gives.

    Attributes
    ----------
    expected : ndarray, shape (selections, P, K)
        Expected sum of coverage of each protein.
    drawn : ndarray, shape (selections, R, K)
        Sums over all proteins in R draws.
    """

    expected: Floats
    drawn: Floats


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
        `group`; `selection`; `against`: low segments, random segments or shifted regions; `region_type`;
        `coverage_percent`, the mean over the chosen segments, and `expected_percent`, what they are compared with;
        `difference_points` and `fold` with 95 % intervals in `…_low`, `…_high`; `p`, `q`, `verdict`. Against low
        segments, `fold` is the ratio to their coverage as it is; it is infinite where that is 0.
    """
    tables = []
    for group in sorted(segments["Group"].unique()):
        of_group = segments[segments["Group"] == group]
        chosen = _count(of_group, measured)
        generator = np.random.default_rng(seed)
        permuted = _permute_segments(chosen, permutations, generator)
        shifted = _shift_regions(chosen, permutations, generator)
        even = np.full(chosen.counts.shape[1], 1 / chosen.counts.shape[1])
        weights = generator.multinomial(len(even), even, replicates).astype(np.float64)
        selections = [name for name in SELECTIONS if (of_group["Selection"] == name).any()]
        for table in _comparisons(chosen, permuted, shifted, weights, selections):
            table.insert(0, "region_type", measured.types)
            tables.append(_decided(table, level).assign(group=group))
    front = ["group", "selection", "against", "region_type"]
    joined = pd.concat(tables, ignore_index=True)
    return joined[[*front, *(name for name in joined.columns if name not in front)]]


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


def _permute_segments(chosen: _Chosen, permutations: int, generator: np.random.Generator) -> _Null:
    counts, fraction, _ = chosen
    expected = chosen.sizes[..., None] * fraction.mean(axis=1)
    # Segments all covered alike, or chosen equally often, give the same sum in any order.
    moves = (np.ptp(fraction, axis=1) > 0).any(axis=1) & (np.ptp(counts, axis=2) > 0).any(axis=0)
    drawn = np.tile(chosen.sums[:, ~moves].sum(axis=1)[:, None], (1, permutations, 1))
    flat = fraction[moves].reshape(-1, fraction.shape[-1])
    step = max(1, _AT_ONCE // max(1, len(flat)))
    for start in range(0, permutations, step):
        size = min(step, permutations - start)
        order = generator.random((size, int(moves.sum()), N_SEGMENTS)).argsort(axis=-1)
        for number, count in enumerate(counts[:, moves]):
            shuffled = np.take_along_axis(count[None], order, axis=-1).reshape(size, -1)
            drawn[number, start : start + size] += shuffled @ flat
    return _Null(expected, drawn)


def _shift_regions(chosen: _Chosen, permutations: int, generator: np.random.Generator) -> _Null:
    """Turn the regions of each protein; all its turns are computed once, of which the draws take one each."""
    n_selections, n_proteins = chosen.counts.shape[:2]
    expected = np.zeros((n_selections, n_proteins, chosen.fraction.shape[-1]))
    drawn = np.zeros((n_selections, permutations, chosen.fraction.shape[-1]))
    for protein, annotated in enumerate(chosen.annotated):
        if not annotated.any():
            continue
        sums = _sums_by_shift(chosen.counts[:, protein], annotated)
        expected[:, protein] = sums.mean(axis=1)
        drawn += sums[:, generator.integers(sums.shape[1], size=permutations)]
    return _Null(expected, drawn)


def _sums_by_shift(counts: Floats, annotated: NDArray[np.bool_]) -> Floats:
    """Summed coverage of a protein's chosen segments after each turn of its regions, shape (selections, L, K)."""
    length = annotated.shape[1]
    bounds = segment_bounds(length)
    before = np.pad(np.cumsum(np.tile(annotated, 2), axis=1), ((0, 0), (1, 0)))
    covered = np.diff(before[:, bounds[:, None] + np.arange(length)], axis=1)
    weights = counts / np.diff(bounds).clip(1)
    return np.asarray(np.einsum("as,ksl->alk", weights, covered))


def _comparisons(
    chosen: _Chosen, permuted: _Null, shifted: _Null, weights: Floats, selections: list[str]
) -> list[pd.DataFrame]:
    sums, sizes = chosen.sums, chosen.sizes
    tables = []
    for selection in selections:
        at = SELECTIONS.index(selection)
        for against, null in ((RANDOM_SEGMENTS, permuted), (SHIFTED_REGIONS, shifted)):
            mean, reference = (_means(values[at], sizes[at], weights) for values in (sums, null.expected))
            table = _effects(mean, reference, _ratio(mean, reference))
            table["p"] = _two_sided(sums[at].sum(axis=0), null.drawn[at])
            tables.append(table.assign(selection=selection, against=against))
    if len(selections) == len(SELECTIONS):
        tables.insert(0, _top_against_low(chosen, permuted, weights))
    return tables


def _top_against_low(chosen: _Chosen, permuted: _Null, weights: Floats) -> pd.DataFrame:
    """Top segments against low ones, each less random segments of its own proteins, which aren't quite the same."""
    sums, sizes = chosen.sums, chosen.sizes
    (top, low), (random_top, random_low) = (
        [_means(values[at], sizes[at], weights) for at in range(len(SELECTIONS))]
        for values in (sums, permuted.expected)
    )
    table = _effects(top, low - random_low + random_top, _ratio(top, low))
    total = sizes.sum(axis=1)[:, None]
    observed, drawn = sums.sum(axis=1) / total, permuted.drawn / total[:, None]
    table["p"] = _two_sided(observed[0] - observed[1], drawn[0] - drawn[1])
    return table.assign(selection=SELECTIONS[0], against=LOW_SEGMENTS)


def _means(sums: Floats, sizes: Floats, weights: Floats) -> Floats:
    """Mean coverage in percent of the data, then of each bootstrap replicate, shape (1 + R, K)."""
    every = np.vstack([np.ones(len(sizes)), weights])
    with np.errstate(invalid="ignore"):
        return np.asarray(100 * (every @ sums) / (every @ sizes)[:, None])


def _ratio(mean: Floats, reference: Floats) -> Floats:
    """The mean as a multiple of the reference; infinite where only the reference is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(mean / reference)


def _effects(mean: Floats, reference: Floats, fold: Floats) -> pd.DataFrame:
    difference = mean - reference
    difference_low, difference_high = _interval(difference[1:])
    fold_low, fold_high = _interval(fold[1:])
    return pd.DataFrame(
        {
            "coverage_percent": mean[0],
            "expected_percent": reference[0],
            "difference_points": difference[0],
            "difference_low": difference_low,
            "difference_high": difference_high,
            "fold": fold[0],
            "fold_low": fold_low,
            "fold_high": fold_high,
        }
    )


def _interval(replicates: Floats) -> Floats:
    """Limits of the middle `CONFIDENCE` of the replicates that are defined; NaN where none is."""
    tails = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a column of NaN has limits of NaN
        # without interpolation, which an infinite ratio doesn't allow
        return np.asarray(np.nanquantile(replicates, tails, axis=0, method="inverted_cdf"))


def _two_sided(observed: Floats, drawn: Floats) -> Floats:
    slack = _ROUNDING * (1 + np.abs(observed))
    draws = len(drawn)
    tails = [(1 + (side * drawn >= side * observed - slack).sum(axis=0)) / (1 + draws) for side in (1, -1)]
    return np.asarray(np.minimum(1, 2 * np.minimum(*tails)))


def _decided(table: pd.DataFrame, level: float) -> pd.DataFrame:
    annotated = (table["coverage_percent"] > 0) | (table["expected_percent"] > 0)
    p = table["p"].where(annotated)
    q = pd.Series(np.nan, index=table.index)
    if annotated.any():
        q[annotated] = false_discovery_control(p[annotated], method="bh")
    called = np.where(table["difference_points"] > 0, ENRICHED, DEPLETED)
    verdict = np.where(q <= level, called, NO_DIFFERENCE)
    return table.assign(p=p, q=q, verdict=np.where(annotated, verdict, NOT_ANNOTATED))
