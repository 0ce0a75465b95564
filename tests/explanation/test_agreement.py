import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from esm2_amp.explanation.agreement import method_agreement, rank_correlation
from esm2_amp.explanation.results import Explanation
from esm2_amp.protein import pair_token_names

SEGMENTS = slice(1, 11)


def explanation_of(seed, pairs=6):
    rng = np.random.default_rng(seed)
    identified = pd.DataFrame({"Protein1": [f"P{i}" for i in range(pairs)], "Protein2": "Q", "Label": 1})
    return Explanation.of_pairs(identified, rng.random((pairs, 20)).round(1), SEGMENTS)


def test_correlation_of_each_row_is_spearmans():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 5, 20)).round(1)  # with ties
    expected = [spearmanr(x, y).statistic for x, y in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second), expected)


def test_row_of_equal_values_has_no_correlation():
    assert np.isnan(rank_correlation([[1, 1, 1]], [[1, 2, 3]])[0])


def test_agreement_of_means_and_within_pairs():
    explanations = {"attention": explanation_of(1), "integrated_gradients": explanation_of(2)}
    agreement = method_agreement(explanations).set_index(["MethodA", "MethodB"])
    names = pair_token_names(SEGMENTS)
    first, second = (found.importance[names] for found in explanations.values())
    found = agreement.loc[("attention", "integrated_gradients")]
    assert found["OfMeans"] == pytest.approx(spearmanr(first.mean(), second.mean()).statistic)
    within = [spearmanr(x, y).statistic for x, y in zip(first.to_numpy(), second.to_numpy(), strict=True)]
    assert found["OfPairs"] == pytest.approx(np.median(within))
    assert agreement.loc[("integrated_gradients", "attention")].equals(found)
    assert agreement.loc[("attention", "attention")].tolist() == pytest.approx([1, 1])


def test_method_without_values_of_pairs_is_compared_by_its_tokens():
    attention = explanation_of(1)
    gini = Explanation(None, attention.tokens.iloc[::-1], {}, {})
    found = method_agreement({"attention": attention, "gini": gini}).set_index(["MethodA", "MethodB"])
    assert found.loc[("attention", "gini"), "OfMeans"] == pytest.approx(1)
    assert np.isnan(found.loc[("attention", "gini"), "OfPairs"])
