"""Metrics by how much of a pair was seen in training: C1 both proteins, C2 one, C3 none (Park and Marcotte 2012)."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from esm2_amp.statistics.intervals import bootstrap, intervals
from esm2_amp.statistics.weighted import METRIC_COLUMNS

STRATA: Final = ("C1", "C2", "C3")
MIN_PAIRS: Final = 20
"""Strata with fewer pairs are counted but not measured."""


def stratum_intervals(
    pairs: pd.DataFrame,
    logits: Mapping[str, ArrayLike],
    *,
    whole: pd.DataFrame | None = None,
    threshold: float | Mapping[str, float] = 0.5,
    replicates: int = 1000,
    seed: int,
) -> pd.DataFrame:
    """Metrics of all models in each stratum, with their 95 % intervals.

    Parameters
    ----------
    pairs : DataFrame, B rows
        `Protein1`, `Protein2`, `Label` and `Seen` ("C1", "C2" or "C3") of scored pairs.
    logits, threshold, replicates, seed
        As for `intervals.bootstrap`.
    whole : DataFrame, optional
        `intervals` of all these pairs, which are used for a stratum that holds them all.

    Returns
    -------
    table : DataFrame
        `Stratum`, `Pairs`, `Positives`, and the columns of `intervals.intervals`. A stratum of fewer than `MIN_PAIRS`
        pairs, or of one class, has its counts, and NaN for the metrics.
    """
    tables = []
    for stratum in STRATA:
        inside = (pairs["Seen"] == stratum).to_numpy()
        part, n_positives = pairs[inside], int(pairs["Label"][inside].sum())
        if len(part) < MIN_PAIRS or n_positives in (0, len(part)):
            empty = pd.MultiIndex.from_product([logits, METRIC_COLUMNS], names=["Model", "Metric"])
            table = pd.DataFrame(np.nan, index=empty, columns=["Value", "Low", "High"]).reset_index()
        elif whole is not None and inside.all():
            table = whole.copy()
        else:
            of_part = {model: np.asarray(logit)[inside] for model, logit in logits.items()}
            columns = part["Label"], of_part, part["Protein1"], part["Protein2"]
            table = intervals(bootstrap(*columns, threshold=threshold, replicates=replicates, seed=seed))
        table.insert(0, "Stratum", stratum)
        table.insert(1, "Pairs", len(part))
        table.insert(2, "Positives", n_positives)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
