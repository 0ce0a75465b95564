"""Strata: each measured alone, or counted and left empty."""

import numpy as np
import pandas as pd
import pytest

from esm2_amp.evaluation.strata import STRATA, stratum_intervals
from esm2_amp.statistics.intervals import bootstrap, intervals
from esm2_amp.statistics.metrics import pair_metrics


@pytest.fixture
def pairs():
    generator = np.random.default_rng(0)
    label = np.arange(200) % 2
    logits = {name: generator.normal(label - 0.5, spread) for name, spread in [("sharp", 0.5), ("blunt", 2.0)]}
    a, b = generator.integers(0, 50, (2, 200))
    return label, logits, a, b


def table_of(label, a, b, seen):
    return pd.DataFrame({"Label": label, "Protein1": a, "Protein2": b, "Seen": seen})


def test_each_stratum_has_the_values_and_intervals_of_its_pairs_alone(pairs):
    label, logits, a, b = pairs
    seen = np.repeat(STRATA, [60, 40, 100])
    table = stratum_intervals(table_of(label, a, b, seen), logits, replicates=50, seed=1)
    inside = slice(60, 100)
    c2 = table[table["Stratum"] == "C2"].reset_index(drop=True)
    assert c2[["Pairs", "Positives"]].drop_duplicates().values.tolist() == [[40, 20]]
    of_blunt = c2[c2["Model"] == "blunt"].set_index("Metric")["Value"]
    assert of_blunt["AUROC"] == pytest.approx(pair_metrics(label[inside], logits["blunt"][inside])["auroc"])
    part = {name: logit[inside] for name, logit in logits.items()}
    alone = intervals(bootstrap(label[inside], part, a[inside], b[inside], replicates=50, seed=1))
    pd.testing.assert_frame_equal(c2[alone.columns], alone)


def test_a_stratum_of_all_pairs_takes_over_what_is_known_of_them(pairs):
    label, logits, a, b = pairs
    whole = intervals(bootstrap(*pairs, replicates=50, seed=1))
    for seen in (np.full(200, "C3"), np.repeat(["C2", "C3"], 100)):
        of_pairs = table_of(label, a, b, seen)
        taken, anew = (
            stratum_intervals(of_pairs, logits, whole=known, replicates=50, seed=1) for known in (whole, None)
        )
        pd.testing.assert_frame_equal(taken, anew)


@pytest.mark.parametrize(("size", "positives"), [(19, 10), (40, 0), (40, 40), (0, 0)])
def test_a_stratum_too_small_or_of_one_class_has_counts_only(pairs, size, positives):
    _, logits, a, b = pairs
    label = np.concatenate([np.ones(positives), np.zeros(size - positives), np.arange(200 - size) % 2]).astype(int)
    seen = np.repeat(["C1", "C3"], [size, 200 - size])
    table = stratum_intervals(table_of(label, a, b, seen), logits, replicates=20, seed=0)
    c1 = table[table["Stratum"] == "C1"]
    assert (c1["Pairs"] == size).all() and (c1["Positives"] == positives).all()
    assert c1[["Value", "Low", "High"]].isna().all().all()
    assert table.groupby("Stratum").size().nunique() == 1
    assert table.loc[table["Stratum"] == "C3", "Value"].notna().all()
