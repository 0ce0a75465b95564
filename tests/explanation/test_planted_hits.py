from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from esm2_amp.explanation.planted import chance_of_a_hit, planted_tokens, planted_truth
from esm2_amp.explanation.results import importance_table
from esm2_amp.protein import pair_token_names

SEGMENTS = slice(1, 11)
NAMES = pair_token_names(SEGMENTS)
SITES = pd.DataFrame({"Entry": ["P1", "P2", "P2"], "Segment": [3, 0, 9]})


def pairs_of(*rows):
    return pd.DataFrame(rows, columns=["Protein1", "Protein2", "Label", "Prediction"])


def ranked(pairs, *orders):
    """An importance table in which each pair's tokens come in an order, then all others."""
    values = [[len(NAMES) - order.index(name) if name in order else 0 for name in NAMES] for order in orders]
    return importance_table(pairs, values, SEGMENTS)


@pytest.mark.parametrize(("tokens", "top"), [(20, 1), (20, 3), (24, 3)])
def test_chance_is_the_share_of_all_draws_that_hit(tokens, top):
    for planted in (1, 2, 5):
        draws = list(combinations(range(tokens), top))
        hits = sum(any(token < planted for token in draw) for draw in draws)
        assert chance_of_a_hit(np.array([planted]), tokens, top)[0] == pytest.approx(hits / len(draws))


def test_planted_tokens_are_the_segments_of_each_protein():
    planted = planted_tokens(pairs_of(("P1", "P2", 1, 1), ("P2", "X", 1, 1), ("X", "X", 0, 0)), NAMES, SITES)
    found = [[name for name, is_planted in zip(NAMES, row, strict=True) if is_planted] for row in planted]
    assert found == [["A_segment3", "B_segment0", "B_segment9"], ["A_segment0", "A_segment9"], []]


def test_rates_count_true_positives_whose_top_tokens_hold_a_site():
    pairs = pairs_of(("P1", "P2", 1, 1), ("P2", "P1", 1, 1), ("P1", "P1", 1, 1), ("P1", "P2", 0, 1), ("P1", "P2", 1, 0))
    table = ranked(
        pairs,
        ["B_segment9"],
        ["A_segment1", "A_segment2", "B_segment3"],
        ["A_segment0", "A_segment1", "A_segment2", "A_segment3"],
        ["A_segment3"],
        ["A_segment3"],
    )
    found = planted_truth({"attention": table}, SITES).set_index("Top")
    assert found["Pairs"].tolist() == [3, 3]
    assert found["Rate"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert (found["Low"] < found["Rate"]).all()
    assert (found["High"] > found["Rate"]).all()
    three, two = 3 / 20, 2 / 20  # planted tokens of the three pairs: 3, 3 and 2
    assert found.loc[1, "Chance"] == pytest.approx((three + three + two) / 3)


def test_data_without_known_sites_has_no_rows():
    table = ranked(pairs_of(("X", "Y", 1, 1)), ["A_segment3"])
    assert planted_truth({"attention": table}, SITES).empty
