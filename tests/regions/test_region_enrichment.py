"""Tests of enrichment against exact permutations, on data with truth, and on data without any."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control

from esm2_amp.explanation.results import importance_table
from esm2_amp.io.regions import RegionFile
from esm2_amp.protein import segment_bounds
from esm2_amp.regions.chance import two_sided
from esm2_amp.regions.coverage import coverage
from esm2_amp.regions.enrichment import enrichment
from esm2_amp.regions.segments import by_size, rank_segments
from esm2_amp.regions.summary import summarise

PLANTED = Path(__file__).parents[2] / "data/01_raw/planted"
QUICK = {"permutations": 199, "replicates": 100, "level": 0.05}


def ranked(importance, proteins, generator, n_pairs):
    """Pairs of proteins drawn at random with the importances of their segments, shape (P, 10)."""
    a, b = generator.integers(len(proteins), size=(2, n_pairs))
    pairs = pd.DataFrame({"Protein1": proteins[a], "Protein2": proteins[b], "Label": 1, "Prediction": 1})
    noise = 0.01 * generator.random((n_pairs, 20))
    return rank_segments(importance_table(pairs, np.hstack([importance[a], importance[b]]) + noise, slice(1, 11)), 3)


def region_table(proteins, starts, ends, kind="Motif"):
    return pd.DataFrame({"Entry": proteins, "Type": kind, "Start": starts, "End": ends})


@pytest.fixture(scope="module")
def planted():
    """Importances that point at the planted sites of the demonstration, with noise."""
    generator = np.random.default_rng(0)
    pairs = pd.read_csv(PLANTED / "test_pairs.csv").head(300).assign(Prediction=lambda table: table["Label"])
    segment = pd.read_csv(PLANTED / "sites.csv").set_index("Entry")["Segment"]
    importance = generator.random((len(pairs), 20))
    for side, name in enumerate(("Protein1", "Protein2")):
        site = pairs[name].map(segment)
        rows = np.flatnonzero(site.notna())
        importance[rows, 10 * side + site.dropna().astype(int)] += 0.5
    segments = rank_segments(importance_table(pairs, importance, slice(1, 11)), 3)
    entries = sorted({*pairs["Protein1"], *pairs["Protein2"]})
    found = RegionFile(PLANTED / "regions.tsv").read(entries)
    lengths = [found.lengths[entry] for entry in entries]
    measured = coverage(found.regions, entries, lengths, ["Domain", "Region", "Motif"])
    return enrichment(segments, measured, permutations=5000, replicates=500, level=0.05, seed=1)


@pytest.mark.parametrize("against", ["low segments", "random segments", "shifted regions"])
def test_planted_sites_are_enriched_among_top_segments(planted, against):
    rows = planted[(planted["Selection"] == "Top") & (planted["Against"] == against)]
    row = rows[(rows["Group"] == "1-1") & (rows["RegionType"] == "Motif")].iloc[0]
    assert row["Verdict"] == "enriched"
    assert row["Q"] < 0.01
    assert 0 < row["DifferencePointsLow"] < row["DifferencePoints"] < row["DifferencePointsHigh"]
    assert 1 < row["FoldLow"] <= row["Fold"] <= row["FoldHigh"]


def test_planted_sites_are_not_enriched_among_low_segments_nor_decoys_anywhere(planted):
    low = planted[(planted["Selection"] == "Low") & (planted["RegionType"] == "Motif")]
    decoys = planted[planted["RegionType"] == "Region"]
    assert "enriched" not in {*low["Verdict"], *decoys["Verdict"]}


def test_type_without_regions_is_not_tested(planted):
    domain = planted[planted["RegionType"] == "Domain"]
    assert set(domain["Verdict"]) == {"not annotated"}
    assert domain[["P", "Q"]].isna().all(axis=None)


def test_q_values_are_those_of_scipy_over_the_types(planted):
    rows = planted[(planted["Group"] == "0-0") & (planted["Against"] == "low segments") & planted["P"].notna()]
    np.testing.assert_allclose(rows["Q"], false_discovery_control(rows["P"], method="bh"))


def test_summary_says_it_in_words(planted):
    lines = summarise(planted).set_index(["Group", "RegionType"])["Summary"]
    group = "interacting, called interacting"
    assert lines["1-1", "Motif"].startswith(f"{group}, Motif: enriched in top segments (")
    assert lines["1-1", "Domain"] == f"{group}, Domain: not annotated in these proteins"


def test_groups_of_too_few_pairs_are_told_in_a_line_and_not_tested():
    generator = np.random.default_rng(0)
    proteins = np.array([f"P{i}" for i in range(6)])
    segments = ranked(generator.random((6, 10)), proteins, generator, 12)
    segments["Group"] = np.where(segments["Pair"] < 9, "0-0", "1-0")
    large, small = by_size(segments, 9)
    assert set(large["Group"]) == {"0-0"}
    assert small.to_dict() == {"1-0": 3}
    measured = coverage(region_table(["P0"], [1], [10]), proteins.tolist(), np.full(6, 100), ["Motif"])
    table = enrichment(large, measured, **QUICK, seed=0)
    told = summarise(table, small, 9).query("Group == '1-0'")
    assert told["Summary"].tolist() == ["interacting, called not interacting: too few pairs to test (3; 9 are needed)"]
    nothing = enrichment(by_size(segments, 10)[0], measured, **QUICK, seed=0)
    assert nothing.columns.tolist() == table.columns.tolist()
    assert nothing.empty


def test_random_regions_are_called_no_more_often_than_they_may():
    """200 times regions placed at random; the bound is what 5 % calls exceed once in a thousand times."""
    generator = np.random.default_rng(0)
    proteins = np.array([f"P{i:02}" for i in range(40)])
    called = {
        key: 0 for key in itertools.product(["Top", "Low"], ["low segments", "random segments", "shifted regions"])
    }
    for repetition in range(200):
        lengths = generator.integers(100, 200, len(proteins))
        segments = ranked(generator.random((len(proteins), 10)), proteins, generator, 80)
        size = generator.integers(5, 40, len(proteins))
        starts = 1 + (generator.random(len(proteins)) * (lengths - size)).astype(int)
        measured = coverage(region_table(proteins, starts, starts + size - 1), proteins.tolist(), lengths, ["Motif"])
        table = enrichment(segments, measured, **QUICK, seed=repetition)
        for row in table[table["RegionType"] == "Motif"].itertuples():
            called[row.Selection, row.Against] += row.P <= 0.05
    assert max(called.values()) <= binom.ppf(0.999, 200, 0.05)


def test_random_segments_agree_with_all_permutations_of_one_protein():
    """One protein, one pair with itself: the top segment is one of ten, and the exact p-value is known."""
    regions = region_table(["P"], [1], [10])
    measured = coverage(regions, ["P"], [100], ["Motif"])
    importance = np.zeros((1, 20))
    importance[0, 0] = 1
    pairs = pd.DataFrame({"Protein1": ["P"], "Protein2": ["P"], "Label": 1, "Prediction": 1})
    segments = rank_segments(importance_table(pairs, importance, slice(1, 11)), 1)
    table = enrichment(segments, measured, permutations=20_000, replicates=100, level=0.05, seed=0)
    row = table[(table["Selection"] == "Top") & (table["Against"] == "random segments")].iloc[0]
    assert row["CoveragePercent"] == 100
    assert row["ExpectedPercent"] == pytest.approx(10)
    assert row["P"] == pytest.approx(2 * 0.1, abs=0.015)


def test_shifted_regions_agree_with_every_shift():
    """The expectation over all turns is the share of annotated residues; the p-value counts the turns."""
    lengths, start, end = 47, 4, 9
    measured = coverage(region_table(["P"], [start], [end]), ["P"], [lengths], ["Motif"])
    importance = np.zeros((1, 20))
    importance[0, 1] = 1
    pairs = pd.DataFrame({"Protein1": ["P"], "Protein2": ["P"], "Label": 1, "Prediction": 1})
    segments = rank_segments(importance_table(pairs, importance, slice(1, 11)), 1)
    table = enrichment(segments, measured, permutations=20_000, replicates=100, level=0.05, seed=0)
    row = table[(table["Selection"] == "Top") & (table["Against"] == "shifted regions")].iloc[0]
    first, last = segment_bounds([lengths])[0][1:3]
    in_segment = set(range(first + 1, last + 1))
    covered = [
        len(in_segment & {(residue + turn - 1) % lengths + 1 for residue in range(start, end + 1)})
        for turn in range(lengths)
    ]
    assert row["ExpectedPercent"] == pytest.approx(100 * (end - start + 1) / lengths)
    assert row["P"] == pytest.approx(2 * np.mean(np.array(covered) >= covered[0]), abs=0.02)


def test_top_and_low_segments_of_different_proteins_are_compared_beyond_what_their_proteins_differ():
    """Worked out by hand: the protein of the top segments has 50 points more coverage than that of the low ones."""
    measured = coverage(region_table(["P", "Q"], [1, 1], [60, 10]), ["P", "Q"], [100, 100], ["Motif"])
    importance = np.full((1, 20), 0.5)
    importance[0, 0:3], importance[0, 10:13] = 1, 0  # segments 0 to 2, of P the highest and of Q the lowest
    pairs = pd.DataFrame({"Protein1": ["P"], "Protein2": ["Q"], "Label": 1, "Prediction": 1})
    segments = rank_segments(importance_table(pairs, importance, slice(1, 11)), 3)
    table = enrichment(segments, measured, **QUICK, seed=0)
    row = table[(table["Against"] == "low segments") & (table["RegionType"] == "Motif")].iloc[0]
    top, low, random_top, random_low = 100, 100 / 3, 60, 10
    assert row["CoveragePercent"] == pytest.approx(top)
    assert row["ExpectedPercent"] == pytest.approx(low + random_top - random_low)
    assert row["DifferencePoints"] == pytest.approx((top - random_top) - (low - random_low))
    assert row["Fold"] == pytest.approx(top / low)


def test_equal_sums_stay_equal_in_p_values_where_rounding_parts_them():
    """Against exact fractions: drawn are all sums of three of five shares, in every order of adding them up."""
    draws = list(itertools.permutations([Fraction(tenths, 10) for tenths in (1, 2, 3, 6, 7)], 3))
    exact, drawn = [sum(draw) for draw in draws], np.array([sum(map(float, draw)) for draw in draws])
    # The order that rounds furthest away from the other orders of the same shares, at either end.
    highest, lowest = drawn[np.equal(exact, max(exact))].max(), drawn[np.equal(exact, min(exact))].min()
    assert (drawn >= highest).sum() < exact.count(max(exact))
    assert (drawn <= lowest).sum() < exact.count(min(exact))
    found = two_sided(np.array([highest, lowest]), np.column_stack([drawn, drawn]))
    expected = [2 * Fraction(1 + exact.count(end), 1 + len(exact)) for end in (max(exact), min(exact))]
    np.testing.assert_allclose(found, np.array(expected, dtype=float))


def test_same_seed_gives_the_same_table():
    generator = np.random.default_rng(3)
    proteins = np.array(["P", "Q", "R"])
    segments = ranked(generator.random((3, 10)), proteins, generator, 10)
    measured = coverage(region_table(proteins, [1, 5, 9], [20, 30, 40]), proteins.tolist(), [50, 60, 70], ["Motif"])
    first, second, other = (enrichment(segments, measured, **QUICK, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second)
    assert not first["DifferencePointsLow"].equals(other["DifferencePointsLow"])
