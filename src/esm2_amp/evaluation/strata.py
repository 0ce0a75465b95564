"""Metrics by how much of a pair was seen in training: C1 both proteins, C2 one, C3 none (Park and Marcotte 2012)."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from esm2_amp.evaluation.intervals import bootstrap, intervals
from esm2_amp.evaluation.weighted import METRICS

STRATA: Final = ("C1", "C2", "C3")
MIN_PAIRS: Final = 20
"""Strata with fewer pairs are counted but not measured."""


def stratum_intervals(
    label: ArrayLike,
    logits: Mapping[str, ArrayLike],
    a: ArrayLike,
    b: ArrayLike,
    seen: ArrayLike,
    *,
    threshold: float = 0.5,
    replicates: int = 1000,
    seed: int,
) -> pd.DataFrame:
    """Metrics of all models in each stratum, with their 95 % intervals.

    Parameters
    ----------
    label, logits, a, b, threshold, replicates, seed
        As for `intervals.bootstrap`.
    seen : array_like of str, shape (B,)
        "C1", "C2" or "C3", as in the column `Seen` of scored pairs.

    Returns
    -------
    table : DataFrame
        `Stratum`, `Pairs`, `Positives`, and the columns of `intervals.intervals`. A stratum of fewer than `MIN_PAIRS`
        pairs, or of one class, has its counts, and NaN for the metrics.
    """
    arrays = np.asarray(label), np.asarray(a), np.asarray(b)
    tables = []
    for stratum in STRATA:
        inside = np.asarray(seen) == stratum
        y, in_a, in_b = (array[inside] for array in arrays)
        inside_logits = {model: np.asarray(logit)[inside] for model, logit in logits.items()}
        if len(y) >= MIN_PAIRS and 0 < y.sum() < len(y):
            table = intervals(
                bootstrap(y, inside_logits, in_a, in_b, threshold=threshold, replicates=replicates, seed=seed)
            )
        else:
            empty = pd.MultiIndex.from_product([logits, METRICS], names=["Model", "Metric"])
            table = pd.DataFrame(np.nan, index=empty, columns=["Value", "Low", "High"]).reset_index()
        table.insert(0, "Stratum", stratum)
        table.insert(1, "Pairs", len(y))
        table.insert(2, "Positives", int(y.sum()))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
