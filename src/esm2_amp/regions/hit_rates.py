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
        Of `rank_segments`; the same number of ranks for each pair and selection.
    measured : Coverage
    thresholds : sequence of float
        In percent of a segment's residues.

    Returns
    -------
    table : DataFrame
        `group`, `selection`, `threshold_percent`, `region_type`, then `rank1` …, `any` in percent of the group's pairs.
    """
    covered, residues = chosen_coverage(segments, measured)
    ranks = int(segments["Rank"].max())
    rows = []
    for group in sorted(segments["Group"].unique()):
        for selection in SELECTIONS:
            here = ((segments["Group"] == group) & (segments["Selection"] == selection)).to_numpy()
            if not here.any():
                continue
            # rows are sorted by pair, then rank
            of_pairs = covered[here].reshape(-1, ranks, len(measured.types))
            size = residues[here].reshape(-1, ranks, 1)
            for threshold in thresholds:
                # in whole residues, so that no rounding decides; a segment without residues reaches nothing
                hit = (100 * of_pairs >= threshold * size) & (size > 0)
                percent = 100 * np.concatenate([hit.mean(axis=0), hit.any(axis=1).mean(axis=0)[None]])
                rows += [
                    (group, selection, threshold, *of_type) for of_type in zip(measured.types, *percent, strict=True)
                ]
    names = [
        "group",
        "selection",
        "threshold_percent",
        "region_type",
        *(f"rank{r}" for r in range(1, ranks + 1)),
        "any",
    ]
    return pd.DataFrame(rows, columns=names)


def side_by_side(rates: pd.DataFrame) -> pd.DataFrame:
    """Hit rates of one group for reading: a row per type and threshold, top beside low."""
    index = ["region_type", "threshold_percent"]
    values = [name for name in rates.columns if name.startswith("rank") or name == "any"]
    order = pd.MultiIndex.from_product(
        [rates["region_type"].unique(), rates["threshold_percent"].unique()], names=["Region type", "Coverage ≥ (%)"]
    )
    parts = []
    for selection in rates["selection"].unique():
        part = rates[rates["selection"] == selection].set_index(index)[values]
        words = [f"{selection}, {'any rank' if name == 'any' else name.replace('rank', 'rank ')} (% of pairs)"
                 for name in values]  # fmt: skip
        parts.append(part.set_axis(words, axis=1).reindex(order))
    table: pd.DataFrame = pd.concat(parts, axis=1).reset_index()
    return table
