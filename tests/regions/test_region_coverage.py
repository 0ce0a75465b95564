"""Coverage and hit rates against sets of residues."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.files import SourceTable
from esm2_amp.regions.coverage import coverage, coverage_table
from esm2_amp.regions.hit_rates import hit_rates, side_by_side
from esm2_amp.regions.segments import read_segments

KINDS = ("Domain", "Motif")


def segment_residues(length):
    """1-based residues of each segment, by the words of METHOD.md section 1."""
    base, longer = divmod(length, 10)
    residues = iter(range(1, length + 1))
    return [{next(residues) for _ in range(base + (s < longer))} for s in range(10)]


def table_of(regions):
    return pd.DataFrame(regions, columns=["Entry", "Type", "Start", "End"]).astype({"Start": "int64", "End": "int64"})


@st.composite
def proteins_and_regions(draw):
    lengths = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
    regions = []
    for _ in range(draw(st.integers(0, 12))):
        protein = draw(st.integers(0, len(lengths) - 1))
        start = draw(st.integers(1, lengths[protein]))
        end = draw(st.integers(start, lengths[protein]))
        regions.append((f"P{protein}", draw(st.sampled_from(KINDS)), start, end))
    return lengths, regions


@st.composite
def cases(draw):
    lengths, regions = draw(proteins_and_regions())
    protein = st.integers(0, len(lengths) - 1)
    token = st.builds("{}_segment{}".format, st.sampled_from("AB"), st.integers(0, 9))
    pairs = draw(st.lists(st.tuples(protein, protein, token, token, token), min_size=1, max_size=6))
    return lengths, regions, pairs


@given(cases(), st.sampled_from([25, 50, 75, 33.3, 100]))
def test_hit_rates_agree_with_sets_of_residues(case, threshold):
    lengths, regions, pairs = case
    annotated = {
        (protein, kind): {
            residue
            for entry, of_kind, start, end in regions
            if entry == f"P{protein}" and (kind in (of_kind, "ALL"))
            for residue in range(start, end + 1)
        }
        for protein in range(len(lengths))
        for kind in (*KINDS, "ALL")
    }
    table = pd.DataFrame(
        [(f"P{a}", f"P{b}", *tokens) for a, b, *tokens in pairs],
        columns=["ProteinA", "ProteinB", "Top1", "Top2", "Top3"],
    )
    segments = read_segments({"Top": SourceTable(table, "top.csv")}, 3, "1-1")
    measured = coverage(table_of(regions), [f"P{i}" for i in range(len(lengths))], lengths, KINDS)
    rates = hit_rates(segments, measured, [threshold]).set_index("RegionType")
    for kind in (*KINDS, "ALL"):
        hits = []
        for a, b, *tokens in pairs:
            hits.append([])
            for token in tokens:
                protein = a if token[0] == "A" else b
                residues = segment_residues(lengths[protein])[int(token[-1])]
                share = 100 * len(residues & annotated[protein, kind]) / len(residues) if residues else -1
                hits[-1].append(share >= threshold)
        expected = [*(100 * np.mean(hits, axis=0)), 100 * np.mean(np.any(hits, axis=1))]
        assert rates.loc[kind].iloc[-4:].tolist() == pytest.approx(expected)


def test_one_residue_counts_and_overlaps_count_once():
    regions = table_of([("P", "Domain", 1, 5), ("P", "Domain", 4, 7), ("P", "Motif", 10, 10)])
    measured = coverage(regions, ["P"], [100], KINDS)
    assert measured.covered[0, 0].tolist() == [7, 1, 8]
    assert measured.covered[0, 1:].sum() == 0


def test_coverage_table_names_residues():
    table = pd.DataFrame({"ProteinA": ["P"], "ProteinB": ["Q"], "Top1": ["B_segment1"]})
    segments = read_segments({"Top": SourceTable(table, "top.csv")}, 1, "1-1")
    measured = coverage(table_of([("Q", "Motif", 4, 4)]), ["P", "Q"], [30, 23], KINDS)
    row = coverage_table(segments, measured).iloc[0]
    # 23 residues: three segments of 3, then seven of 2
    assert row[["Protein", "Start", "End"]].tolist() == ["Q", 4, 6]
    assert row[["Domain", "Motif", "ALL"]].tolist() == pytest.approx([0, 100 / 3, 100 / 3])


def test_side_by_side_keeps_every_rate():
    rates = pd.DataFrame(
        [("1-1", selection, threshold, kind, threshold + 0.5, 99.0)
         for selection in ("Top", "Low") for threshold in (25, 50) for kind in ("Motif", "ALL")],
        columns=["Group", "Selection", "ThresholdPercent", "RegionType", "Rank1Percent", "AnyRankPercent"],
    )  # fmt: skip
    table = side_by_side(rates)
    assert table.columns.tolist() == [
        "RegionType", "ThresholdPercent", "TopRank1Percent", "TopAnyRankPercent", "LowRank1Percent",
        "LowAnyRankPercent",
    ]  # fmt: skip
    assert table["LowRank1Percent"].tolist() == [25.5, 50.5, 25.5, 50.5]
