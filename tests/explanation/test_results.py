"""Explanations of the same pairs are kept together; those of others are left out."""

import pandas as pd
import pytest

from esm2_amp.errors import InputError
from esm2_amp.explanation.methods import explain
from esm2_amp.explanation.results import Explanation, of_same_pairs, token_intervals, token_table
from esm2_amp.protein import pair_token_names

SEGMENTS = slice(1, 11)
EXPLAINED = pd.DataFrame({"Protein1": ["P1", "P2"], "Protein2": "Q", "Label": 1, "Probability": [0.7, 0.1]})
GINI = Explanation(None, token_table(pair_token_names(SEGMENTS), range(20)), {}, {})


def explanation_of(explained=EXPLAINED):
    return Explanation.of_pairs(explained, [range(20)] * len(explained), SEGMENTS)


def test_those_of_other_pairs_or_of_an_earlier_model_are_left_out():
    attention, shap = {"attention": explanation_of()}, {"forest_shap": explanation_of(), "gini": GINI}
    assert list(of_same_pairs(EXPLAINED, attention, shap)) == ["attention", "forest_shap", "gini"]
    assert list(of_same_pairs(EXPLAINED, attention, None)) == ["attention"]
    for change in ({"Protein1": ["P1", "P3"]}, {"Probability": [0.7, 0.2]}):
        earlier = {"forest_shap": explanation_of(EXPLAINED.assign(**change)), "gini": GINI}
        assert list(of_same_pairs(EXPLAINED, attention, earlier)) == ["attention"]
    with pytest.raises(InputError, match="other explanations than those stored now, or none; run"):
        of_same_pairs(EXPLAINED.iloc[:1], attention, shap)


def test_tokens_are_ranked_by_their_mean_over_the_pairs():
    found = explanation_of()
    assert found.tokens["Token"].tolist() == pair_token_names(SEGMENTS)[::-1]
    assert found.importance.columns.tolist() == [*EXPLAINED, *pair_token_names(SEGMENTS)]


def test_methods_that_share_a_pass_are_computed_once(monkeypatch):
    passes = []

    def both(context):
        passes.append(context)
        return {name: explanation_of() for name in ("attention", "attention_rollout")}

    monkeypatch.setattr("esm2_amp.explanation.attention.explain_by_attention", both)
    assert list(explain(["attention_rollout", "attention"], "context")) == ["attention_rollout", "attention"]
    assert passes == ["context"]


def test_intervals_of_tokens_are_around_their_means_and_none_of_a_single_pair():
    pairs = pd.DataFrame({"Protein1": list("abcd"), "Protein2": list("efgh")})
    found = Explanation.of_pairs(pairs, [[row * token for token in range(20)] for row in range(4)], SEGMENTS)
    intervals = token_intervals(found.importance)
    middle = intervals.mean(axis=1)
    pd.testing.assert_series_equal(
        middle, found.tokens.set_index("Token")["Importance"].loc[middle.index], check_names=False
    )
    assert (intervals["High"] - intervals["Low"]).iloc[[0, 1, 2]].is_monotonic_increasing
    assert token_intervals(found.importance[:1]) is None
    assert token_intervals(None) is None
