import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.explanation.residue_tables import (
    RESIDUE_COLUMNS,
    bed_graph,
    chimerax_attributes,
    compare_measures,
    own_parts,
    profiles_of,
    residue_table,
    scanned_pairs,
    segment_sums,
    strongest_windows,
)

PAIRS = pd.DataFrame({"Protein1": ["P", "Q"], "Protein2": ["Q", "Q"]})
SEQUENCES = {"P": "MKV", "Q": "AC"}
ATTRIBUTION = [(np.array([0.5, -1.0, 0.25]), np.array([1.0, 2.0])), (np.array([3.0, 4.0]), np.array([5.0, 6.0]))]
EFFECT = [(np.array([1.0, 1.5, 2.0]), np.array([0.0, 0.1])), (np.array([0.2, 0.3]), np.array([0.4, 1 / 3]))]


@pytest.fixture
def table():
    return residue_table(PAIRS, SEQUENCES, ATTRIBUTION, EFFECT)


def test_every_residue_of_both_partners_has_a_row(table):
    assert table.columns.tolist() == list(RESIDUE_COLUMNS)
    assert table.iloc[:5].to_numpy().tolist() == [
        ["P", "Q", "A", 1, "M", 0.5, 1.0],
        ["P", "Q", "A", 2, "K", -1.0, 1.5],
        ["P", "Q", "A", 3, "V", 0.25, 2.0],
        ["P", "Q", "B", 1, "A", 1.0, 0.0],
        ["P", "Q", "B", 2, "C", 2.0, 0.1],
    ]
    assert table["Side"].str.cat().endswith("AABB")
    assert table["Attribution"].tolist()[5:] == [3, 4, 5, 6]


def test_without_a_scan_its_column_is_empty():
    table = residue_table(PAIRS, SEQUENCES, ATTRIBUTION)
    assert table["ScanEffect"].isna().all()
    assert "ScanEffect" not in bed_graph(table[:5])
    assert "ScanEffect" not in chimerax_attributes(table[:5])


def test_bed_graph_counts_residues_from_0_and_leaves_the_end_out(table):
    lines = bed_graph(table[:5]).splitlines()
    assert lines[:4] == ['track type=bedGraph name="A P Attribution" visibility=full', "P\t0\t1\t0.5", "P\t1\t2\t-1",
                         "P\t2\t3\t0.25"]  # fmt: skip
    assert lines[4:6] == ['track type=bedGraph name="A P ScanEffect" visibility=full', "P\t0\t1\t1"]
    assert lines[8:11] == ['track type=bedGraph name="B Q Attribution" visibility=full', "Q\t0\t1\t1", "Q\t1\t2\t2"]
    assert len(lines) == 14


def test_chimerax_file_has_an_attribute_for_each_measure(table):
    text = chimerax_attributes(table[:5], chains=("A", "C"))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [
        "attribute: esm2ampAttribution", "match mode: any", "recipient: residues",
        "\t/A:1\t0.5", "\t/A:2\t-1", "\t/A:3\t0.25", "\t/C:1\t1", "\t/C:2\t2",
        "attribute: esm2ampScanEffect", "match mode: any", "recipient: residues",
        "\t/A:1\t1", "\t/A:2\t1.5", "\t/A:3\t2", "\t/C:1\t0", "\t/C:2\t0.1",
    ]  # fmt: skip


def test_strongest_windows_do_not_overlap():
    sequence = "ACDEFGHIKL"
    values = np.array([0, 0, 5, 4, 3, 0, 0, 2, 2, -1.0])
    pairs = PAIRS[:1]
    one = residue_table(pairs, {"P": sequence, "Q": "AC"}, [(values, np.array([1.0, 2.0]))])
    found = strongest_windows(one, 3, 3)
    of_a = found[found["Side"] == "A"]
    assert of_a["Sequence"].tolist() == ["DEF", "HIK"]  # of the three residues left, no two stretches hold a window
    assert of_a[["Rank", "Start", "End"]].to_numpy().tolist() == [[1, 3, 5], [2, 7, 9]]
    assert of_a["Attribution"].tolist() == [12, 4]
    short = found[found["Side"] == "B"].iloc[0]
    assert (short["Sequence"], short["Start"], short["End"], short["Attribution"]) == ("AC", 1, 2, 3)
    assert found["ScanEffect"].isna().all()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=25), st.integers(1, 30), st.integers(1, 6))
def test_each_window_is_the_best_that_overlaps_none_before(values, window, count):
    array, other = np.array(values), np.zeros(1)
    table = residue_table(PAIRS[:1], {"P": "A" * len(array), "Q": "A"}, [(array, other)])
    found = strongest_windows(table, window, count)
    of_a = found[found["Side"] == "A"]
    size, free = min(window, len(array)), np.ones(len(array), dtype=bool)
    for row in of_a.itertuples():
        possible = [array[s : s + size].sum() for s in range(len(array) - size + 1) if free[s : s + size].all()]
        assert row.Attribution == pytest.approx(max(possible), abs=1e-9)
        assert free[row.Start - 1 : row.End].all()
        free[row.Start - 1 : row.End] = False
    left = any(free[s : s + size].all() for s in range(len(array) - size + 1))
    assert len(of_a) == count or not left


def test_measures_that_agree_and_measures_that_do_not():
    rising, spike = np.arange(20.0), np.zeros(15)
    spike[4] = 1
    effects = [(np.exp(rising), -spike)]
    table = residue_table(PAIRS[:1], {"P": "A" * 20, "Q": "C" * 15}, [(rising, spike)], effects)
    of_a, of_b = compare_measures(table, 1).itertuples()
    assert of_a.Correlation == pytest.approx(1)
    assert (of_a.AttributionPeak, of_a.ScanPeak, of_a.Distance) == (20, 20, 0)
    assert of_b.Correlation == pytest.approx(-1)
    assert of_b.AttributionPeak == 5
    assert of_b.Distance > 0
    smooth = compare_measures(table, 3)
    assert smooth["AttributionPeak"].tolist() == [20, 5]  # the middle of the residues that the spike was spread over


def test_proteins_that_were_not_scanned_are_not_compared(table):
    table.loc[table["Protein1"] == "P", "ScanEffect"] = np.nan
    assert compare_measures(table, 1)[["Protein1", "Protein2", "Side"]].to_numpy().tolist() == [
        ["Q", "Q", "A"], ["Q", "Q", "B"],
    ]  # fmt: skip
    assert scanned_pairs(table).to_numpy().tolist() == [["Q", "Q"]]
    assert compare_measures(table.assign(ScanEffect=np.nan), 1).empty


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [1]])
def test_profiles_come_back_from_the_table_in_the_order_asked_for(table, order):
    for measure, profiles in (("Attribution", ATTRIBUTION), ("ScanEffect", EFFECT)):
        found = profiles_of(table, PAIRS.iloc[order], measure)
        assert len(found) == len(order)
        for row, (of_a, of_b) in zip(order, found, strict=True):
            np.testing.assert_array_equal(of_a, profiles[row][0])
            np.testing.assert_array_equal(of_b, profiles[row][1])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=47), st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_tenths_of_a_protein_have_the_sums_of_their_residues(of_a, of_b):
    sequences = {"P": "A" * len(of_a), "Q": "C" * len(of_b)}
    table = residue_table(PAIRS[:1], sequences, [(np.array(of_a), np.array(of_b))])
    (found,) = segment_sums(table, PAIRS.assign(Label=[1, 0])).to_dict("records")
    assert (found["Protein1"], found["Protein2"], found["Label"]) == ("P", "Q", 1)
    for side, values in (("A", of_a), ("B", of_b)):
        for number, part in enumerate(np.array_split(values, 10)):  # the first parts are the longer ones
            assert found[f"{side}_segment{number}"] == pytest.approx(part.sum(), abs=1e-9)


def test_only_tokens_without_residues_have_a_part_of_their_own():
    own = np.zeros((2, 24))
    own[:, [0, 11, 23]] = [[1.0, 2.0, 0.0], [3.0, 0.0, -4.0]]
    table = own_parts(PAIRS.assign(Label=1), own, slice(0, 12))
    assert table.columns.tolist() == ["Protein1", "Protein2", "A_cls", "A_eos", "B_eos"]
    assert table.iloc[:, 2:].to_numpy().tolist() == [[1, 2, 0], [3, 0, -4]]
