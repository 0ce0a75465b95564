"""Hit rates: how often a segment at a rank lies far enough in annotated regions."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from esm2_amp.regions.coverage import Coverage, chosen_coverage
from esm2_amp.regions.segments import SELECTIONS


def hit_rates(segments: pd.DataFrame, measured: Coverage, thresholds: Sequence[float]) -> pd.DataFrame:
    """Percentage of pairs whose segment at a rank, or at any of the ranks, reaches a coverage.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`, sorted by pair and rank, with the same number of ranks for each.
    measured : Coverage
        Coverage of all segments of the proteins.
    thresholds : sequence of float
        Coverages in percent of a segment's residues.

    Returns
    -------
    table : DataFrame
        `Group`, `Selection`, `ThresholdPercent`, `RegionType`, then `Rank1Percent` …, `AnyRankPercent`, of the group's
        pairs.
    """
    covered, residues = chosen_coverage(segments, measured)
    ranks = int(segments["Rank"].max())
    rows = []
    for group in sorted(segments["Group"].unique()):
        for selection in SELECTIONS:
            is_chosen = ((segments["Group"] == group) & (segments["Selection"] == selection)).to_numpy()
            if not is_chosen.any():
                continue
            of_pairs = covered[is_chosen].reshape(-1, ranks, len(measured.types))
            size = residues[is_chosen].reshape(-1, ranks, 1)
            for threshold in thresholds:
                # in whole residues, so that no rounding decides; a segment without residues reaches nothing
                hit = (100 * of_pairs >= threshold * size) & (size > 0)
                percent = 100 * np.concatenate([hit.mean(axis=0), hit.any(axis=1).mean(axis=0)[None]])
                rows += [
                    (group, selection, threshold, *of_type) for of_type in zip(measured.types, *percent, strict=True)
                ]
    front = ["Group", "Selection", "ThresholdPercent", "RegionType"]
    names = [*(f"Rank{rank}Percent" for rank in range(1, ranks + 1)), "AnyRankPercent"]
    return pd.DataFrame(rows, columns=[*front, *names])


def side_by_side(rates: pd.DataFrame) -> pd.DataFrame:
    """Hit rates of one group for reading.

    Parameters
    ----------
    rates : DataFrame
        Rows of `hit_rates` of one group.

    Returns
    -------
    table : DataFrame
        A row for each `RegionType` and `ThresholdPercent`, in which the rates of low segments, `LowRank1Percent` and so
        on, stand beside those of top segments.
    """
    index = ["RegionType", "ThresholdPercent"]
    order = pd.MultiIndex.from_product([rates[name].unique() for name in index], names=index)
    parts = []
    for selection in rates["Selection"].unique():
        of_selection = rates[rates["Selection"] == selection].set_index(index).drop(columns=["Group", "Selection"])
        parts.append(of_selection.add_prefix(selection).reindex(order))
    table: pd.DataFrame = pd.concat(parts, axis=1).reset_index()
    return table
