"""Segments by rank, from importances and from published tables."""

import numpy as np
import pandas as pd
import pytest

from esm2_amp.errors import InputError
from esm2_amp.explanation.results import importance_table
from esm2_amp.files import SourceTable
from esm2_amp.regions.segments import keep_group, rank_segments, read_segments

PAIRS = pd.DataFrame({"Protein1": ["P1", "P3"], "Protein2": ["P2", "P4"], "Label": [1, 0], "Prediction": [1, 1]})


def published(**changes):
    columns = {"ProteinA": ["P1"], "ProteinB": ["P2"], "TOP1": ["A_segment7"], "TOP2": ["B_segment0"]}
    table = pd.DataFrame(columns | changes, index=pd.Index([2], name="row")).rename(columns=str)
    return SourceTable(table.rename(columns={"TOP1": "Top1", "TOP2": "Top2"}), "top.xlsx")


def test_ranks_are_those_of_the_importances():
    importance = np.stack([np.arange(20), -np.arange(20)])
    segments = rank_segments(importance_table(PAIRS, importance, slice(1, 11)), 3)
    tokens = segments.groupby(["Pair", "Selection"])["Token"].agg(list)
    assert tokens[0, "Top"] == tokens[1, "Low"] == ["B_segment9", "B_segment8", "B_segment7"]
    assert tokens[0, "Low"] == tokens[1, "Top"] == ["A_segment0", "A_segment1", "A_segment2"]
    first = segments.iloc[0]
    assert first[["Protein", "Segment", "Rank", "Group", "Importance"]].tolist() == ["P2", 9, 1, "1-1", 19]
    assert set(segments.loc[segments["Pair"] == 1, "Group"]) == {"0-1"}


def test_only_segments_are_ranked_among_other_tokens():
    importance = np.zeros((2, 24))
    importance[:, [0, 11, 12, 23]] = 9  # cls and eos
    importance[:, 5] = 1
    segments = rank_segments(importance_table(PAIRS, importance, slice(0, 12)), 1)
    assert segments.loc[segments["Selection"] == "Top", "Token"].tolist() == ["A_segment4", "A_segment4"]


def test_importance_that_is_no_number():
    importance = np.zeros((2, 20))
    importance[1, 3] = np.nan
    with pytest.raises(InputError, match="must be a finite number, got another value for the pair P3-P4"):
        rank_segments(importance_table(PAIRS, importance, slice(1, 11)), 3)


def test_published_tables():
    segments = read_segments({"Top": published()}, 2, "0-1")
    assert segments[["Protein", "Segment", "Group"]].to_records(index=False).tolist() == [
        ("P1", 7, "0-1"),
        ("P2", 0, "0-1"),
    ]


def test_table_with_label_and_decision_needs_no_group():
    assert set(read_segments({"Top": published(Label=["1"], Prediction=["0"])}, 2, None)["Group"]) == {"1-0"}


@pytest.mark.parametrize(
    ("table", "ranks", "group", "words"),
    [
        (
            published(TOP2=["B_eos"]),
            2,
            "1-1",
            "top.xlsx row 2: Top2 must name a segment such as A_segment0, got 'B_eos'",
        ),
        (published(ProteinB=[" "]), 2, "1-1", "top.xlsx row 2: Protein2 must name a protein"),
        (published(), 3, "1-1", "must have the columns Top1, Top2, Top3, lacks Top3"),
        (published(), 2, None, "its group must be given: --params=group=GROUP"),
    ],
)
def test_published_table_that_cannot_be_used(table, ranks, group, words):
    with pytest.raises(InputError, match=words):
        read_segments({"Top": table}, ranks, group)


def test_group_without_pairs():
    segments = rank_segments(importance_table(PAIRS, np.zeros((2, 20)), slice(1, 11)), 1)
    with pytest.raises(InputError, match=r"got '0-0'; there are 0-1 \(1\), 1-1 \(1\)"):
        keep_group(segments, "0-0")
