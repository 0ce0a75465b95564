import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.errors import InputError
from esm2_amp.explanation.selection import draw_background, draw_pairs, find_pairs, likely_positives

PAIRS = pd.DataFrame(
    [("P1", "P2", "train"), ("P1-2", "P3", "test"), ("P3", "P4", "test"), ("P4", "P3", "train"), ("P5", "P5", "test")],
    columns=["Protein1", "Protein2", "split"],
)


def test_pairs_are_found_in_either_order_and_once():
    assert find_pairs(PAIRS, ["P4-P3", "P1-2-P3", "P3-P1-2", "P5-P5"], "test") == [2, 1, 4]
    assert find_pairs(PAIRS, ["P3-P4"], "train") == [3]


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "P3-P44": "pairs of the test split, .* got 'P3-P44'; similar are P3-P4",
        "P1-P2": "got 'P1-P2'; which is in the train split; interpretability.split changes which",
        "nothing": "got 'nothing'; none is similar",
    }.items(),
)
def test_pair_that_is_not_there(name, words):
    with pytest.raises(InputError, match=words):
        find_pairs(PAIRS, ["P3-P4", name], "test")


@pytest.mark.parametrize(
    ("true_positives", "count", "chosen", "expected"),
    [(50, 20, [], 10), (4, 20, [], 4), (95, 20, [], 15), (50, 21, [], 11), (50, 20, [3, 4], 10), (50, 3, [90, 91], 1)],
)
def test_half_are_true_positives_where_there_are_enough(true_positives, count, chosen, expected):
    is_found = np.arange(100) < true_positives
    rows = draw_pairs(is_found, count, chosen, seed=0)
    assert len(rows) == count
    assert is_found[rows].sum() == expected
    assert set(chosen) <= set(rows.tolist())
    assert (np.diff(rows) > 0).all()


def test_all_pairs_where_no_more_are_there_or_all_are_asked_for():
    for count in (None, 10, 11):
        assert draw_pairs(np.zeros(10, bool), count, [2], seed=0).tolist() == list(range(10))


def test_chosen_pairs_stay_where_they_are_more_than_asked_for():
    assert draw_pairs(np.ones(10, bool), 2, [1, 5, 7], seed=0).tolist() == [1, 5, 7]


def test_draws_follow_the_seed():
    is_found = np.arange(100) < 50
    draws = [draw_pairs(is_found, 20, [], seed).tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_background_is_drawn_from_the_training_pairs(caplog):
    pairs = pd.DataFrame({"split": ["train"] * 30 + ["test"] * 30})
    drawn = draw_background(pairs, 20, seed=1)
    assert len(drawn) == 20
    assert set(drawn["split"]) == {"train"}
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert len(draw_background(pairs, 200, seed=1)) == 30
    assert "all 30 training pairs; 200 were asked for" in caplog.text


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
       st.integers(0, 25), st.integers(0, 9))  # fmt: skip
def test_true_positives_come_first_and_then_the_likeliest(pairs, count, seed):
    table = pd.DataFrame(pairs, columns=["Label", "Prediction", "Probability"])
    rows = likely_positives(table, count, seed)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(rows) == min(count, len(table))
    positive = (table["Label"] == 1) & (table["Prediction"] == 1)
    assert positive[rows].sum() == min(count, positive.sum())
    others, left = table[~positive].index.intersection(rows), table[~positive].index.difference(rows)
    if len(others) and len(left):
        assert table["Probability"][others].min() >= table["Probability"][left].max()
    assert likely_positives(table, count, seed).tolist() == rows.tolist()
