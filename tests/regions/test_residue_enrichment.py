"""Residues within regions against outside, by brute force over turns and on data with and without truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, false_discovery_control

from esm2_amp.errors import InputError
from esm2_amp.regions.chance import shift_regions, sums_by_shift
from esm2_amp.regions.coverage import coverage
from esm2_amp.regions.residue_enrichment import both_views, residue_enrichment

QUICK = {"permutations": 199, "replicates": 100, "level": 0.05, "seed": 0}


def table_of(pairs, profiles, group="1-1") -> pd.DataFrame:
    """Residues of pairs; `profiles` has two arrays of each pair."""
    parts = [
        pd.DataFrame({"Protein1": first, "Protein2": second, "Side": side, "Residue": np.arange(1, len(values) + 1),
                      "Attribution": values, "Group": group})
        for (first, second), both in zip(pairs, profiles, strict=True)
        for side, values in zip("AB", both, strict=True)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def regions_of(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["Entry", "Type", "Start", "End"])


def test_sums_by_shift_are_those_of_rolled_regions():
    generator = np.random.default_rng(0)
    weights, annotated = generator.normal(size=(2, 31)), generator.random((3, 31)) < 0.3
    expected = [[(np.roll(annotated, -turn, axis=1) @ row).tolist() for turn in range(31)] for row in weights]
    np.testing.assert_allclose(sums_by_shift(weights, annotated), expected, atol=1e-12)


def test_expected_sums_are_those_of_all_turns_and_draws_take_one_turn_of_each_protein():
    weights = [np.array([[1.0, 0, 0, 0]]), np.array([[10.0, 0, 0]])]
    annotated = [np.array([[True, True, False, False]]), np.array([[False, True, False]])]
    null = shift_regions(weights, annotated, 500, np.random.default_rng(0))
    np.testing.assert_allclose(null.expected[0, :, 0], [1 / 2, 10 / 3])
    assert set(null.drawn[0, :, 0].round(9)) == {0, 1, 10, 11}
    assert null.drawn.mean() == pytest.approx(1 / 2 + 10 / 3, abs=0.6)


def test_means_inside_and_outside_are_counted_by_hand():
    a, b = np.array([5.0, 3.0, 0.0, 0.0, 0.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0])
    measured = coverage(regions_of(("P", "Motif", 1, 2)), ["P", "Q"], [6, 4], ["Motif"])
    row = residue_enrichment(table_of([("P", "Q")], [(a, b)]), measured, **QUICK).iloc[0]
    assert row["RegionType"] == "Motif"
    assert (row["Proteins"], row["Residues"]) == (1, 2)
    assert row["Inside"] == pytest.approx(8 / 2)
    assert row["Outside"] == pytest.approx((1 + 10) / 8)
    by_chance = 2 * a.mean()
    assert row["ExpectedContrast"] == pytest.approx(by_chance / 2 - (19 - by_chance) / 8)
    assert row["Difference"] == pytest.approx(row["Inside"] - row["Outside"] - row["ExpectedContrast"])


def test_p_value_counts_every_turn_of_one_protein():
    generator = np.random.default_rng(2)
    values = generator.normal(size=40)
    flags = np.zeros(40, dtype=bool)
    flags[10:16] = True
    values[flags] += 1.0
    measured = coverage(regions_of(("P", "Motif", 11, 16)), ["P", "Q"], [40, 12], ["Motif"])
    table = table_of([("P", "Q")], [(values, np.zeros(12))])
    row = residue_enrichment(table, measured, **(QUICK | {"permutations": 20_000})).iloc[0]
    sums = np.array([np.roll(flags, turn) @ values for turn in range(40)])
    assert row["P"] == pytest.approx(2 * np.mean(sums >= sums[0] - 1e-9), abs=0.01)


def test_profiles_of_a_protein_in_many_pairs_and_with_itself_are_summed():
    generator = np.random.default_rng(3)
    of_p, of_q = generator.random((4, 30)), generator.random((2, 20))
    measured = coverage(regions_of(("P", "Motif", 3, 9), ("Q", "Motif", 1, 5)), ["Q", "P"], [20, 30], ["Motif"])
    pairs = [("P", "Q"), ("Q", "P"), ("P", "P")]
    table = table_of(pairs, [(of_p[0], of_q[0]), (of_q[1], of_p[1]), (of_p[2], of_p[3])])
    row = residue_enrichment(table, measured, **QUICK).iloc[0]
    assert row["Residues"] == 4 * 7 + 2 * 5
    assert row["Inside"] == pytest.approx((of_p[:, 2:9].sum() + of_q[:, :5].sum()) / 38)


@pytest.fixture(scope="module")
def planted():
    """30 proteins with a motif of high values, a decoy of the same size elsewhere, and a type that nothing has."""
    generator = np.random.default_rng(1)
    entries = [f"P{number}" for number in range(30)]
    lengths = generator.integers(60, 120, 30)
    rows, values = [], {}
    for entry, length in zip(entries, lengths, strict=True):
        motif, decoy = (int(start) for start in generator.choice(length // 12, 2, replace=False) * 12)
        rows += [(entry, "Motif", motif + 1, motif + 10), (entry, "Region", decoy + 1, decoy + 10)]
        values[entry] = generator.normal(size=length)
        values[entry][motif : motif + 10] += 1.0
    pairs = list(zip(entries[::2], entries[1::2], strict=True))
    measured = coverage(regions_of(*rows), entries, lengths, ["Motif", "Region", "Domain"])
    table = table_of(pairs, [(values[a], values[b]) for a, b in pairs])
    return residue_enrichment(table, measured, **(QUICK | {"permutations": 2000})).set_index("RegionType")


def test_planted_motifs_are_enriched_and_decoys_not(planted):
    assert planted.loc["Motif", "Verdict"] == "enriched"
    assert 0 < planted.loc["Motif", "DifferenceLow"] < planted.loc["Motif", "Difference"]
    assert planted.loc["Region", "Verdict"] == "no difference"
    assert planted.loc["Domain", "Verdict"] == "not annotated"
    tested = planted["P"].notna()
    np.testing.assert_allclose(planted.loc[tested, "Q"], false_discovery_control(planted.loc[tested, "P"], method="bh"))


def test_smooth_profiles_without_truth_are_called_no_more_often_than_they_may():
    """The profiles are as smooth as real ones; the bound is what 5 % calls exceed once in a thousand times."""
    generator, called = np.random.default_rng(5), 0
    entries = [f"P{number}" for number in range(20)]
    pairs = list(zip(entries[::2], entries[1::2], strict=True))
    for repetition in range(150):
        lengths = generator.integers(50, 90, 20)
        values = [np.convolve(generator.normal(size=length), np.ones(8), mode="same") + generator.normal()
                  for length in lengths]  # fmt: skip
        starts = generator.integers(1, lengths - 12)
        rows = [(entry, "Motif", start, start + 11) for entry, start in zip(entries, starts, strict=True)]
        measured = coverage(regions_of(*rows), entries, lengths, ["Motif"])
        table = table_of(pairs, list(zip(values[::2], values[1::2], strict=True)))
        called += residue_enrichment(table, measured, **(QUICK | {"seed": repetition}))["P"].iloc[0] <= 0.05
    assert called <= binom.ppf(0.999, 150, 0.05)


def test_groups_are_tested_apart():
    measured = coverage(regions_of(("P", "Motif", 1, 3)), ["P"], [9], ["Motif"])
    both = [np.arange(9.0), np.arange(9.0)]
    table = pd.concat([table_of([("P", "P")], [both], group) for group in ("1-1", "0-0")])
    assert residue_enrichment(table, measured, **QUICK)["Group"].tolist() == ["0-0", "0-0", "1-1", "1-1"]


def test_regions_of_another_version_of_a_sequence():
    measured = coverage(regions_of(("P", "Motif", 1, 3)), ["P"], [10], ["Motif"])
    with pytest.raises(
        InputError, match="'P' has 9 residues and its regions are of 10; give the regions of this version"
    ):
        residue_enrichment(table_of([("P", "P")], [(np.zeros(9), np.zeros(9))]), measured, **QUICK)


def test_residue_without_value():
    measured = coverage(regions_of(("P", "Motif", 1, 3)), ["P"], [9], ["Motif"])
    with pytest.raises(InputError, match="finite Attribution, but one of the pair P-P has none"):
        residue_enrichment(table_of([("P", "P")], [(np.full(9, np.nan), np.zeros(9))]), measured, **QUICK)


def test_both_views_say_where_a_difference_is_seen():
    kinds = ["Domain", "Motif", "Region", "Repeat", "ALL"]
    verdicts = ["enriched", "no difference", "enriched", "enriched", "no difference"]
    segments = pd.DataFrame({"Group": "1-1", "Selection": "Top", "Against": "shifted regions", "RegionType": kinds,
                             "DifferencePoints": 1.0, "P": 0.1, "Q": 0.2, "Verdict": verdicts})  # fmt: skip
    others = segments.assign(Against="random segments", Verdict="depleted")
    finer = ["enriched", "enriched", "no difference", "depleted", "no difference"]
    residues = pd.DataFrame({"Group": "1-1", "RegionType": kinds, "Difference": 2.0, "P": 0.1, "Q": 0.2,
                             "Verdict": finer})  # fmt: skip
    table = both_views(pd.concat([segments, others]), residues)
    assert table["Seen"].tolist() == ["the same", "by residues only", "by segments only", "opposite", "the same"]
    assert (table["SegmentsDifference"] == 1).all()
    assert (table["ResiduesDifference"] == 2).all()
