import numpy as np
import pytest
import torch
from torch import nn

from esm2_amp.explanation.faithfulness import CURVES, RANDOM, Scorer, faithfulness
from esm2_amp.pairs import Pairs
from esm2_amp.statistics.metrics import sigmoid

CPU = torch.device("cpu")
PAIRS, TOKENS, WIDTH = 30, 6, 4


class Sum(nn.Module):
    """The logit is the sum of all features, less a constant."""

    def forward(self, tokens):
        return tokens.sum(dim=(1, 2)) - 3


@pytest.fixture
def scorer():
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(40, TOKENS // 2, WIDTH, generator=generator) ** 4
    a, b = torch.randint(40, (2, PAIRS), generator=generator)
    return Scorer(Sum(), Pairs(table, a, b), torch.zeros(TOKENS, WIDTH), 7, CPU)


@pytest.fixture
def truth(scorer):
    return scorer.pairs.tokens().sum(dim=2).numpy()


def test_curves_are_those_of_tokens_replaced_one_by_one(scorer, truth):
    importance = np.random.default_rng(1).random((PAIRS, TOKENS))
    deletion, insertion = scorer.curves(importance)
    for pair in range(PAIRS):
        ranked = np.argsort(-importance[pair])
        for step in range(TOKENS + 1):
            gone, left = truth[pair, ranked[:step]].sum(), truth[pair, ranked[step:]].sum()
            assert deletion[pair, step] == pytest.approx(sigmoid(left - 3), rel=1e-5)
            assert insertion[pair, step] == pytest.approx(sigmoid(gone - 3), rel=1e-5)


def test_true_order_is_better_and_its_reverse_worse_than_random(scorer, truth):
    found = faithfulness({"true": truth, "reverse": -truth}, scorer, random_orders=5, seed=0)
    areas = found.areas.set_index(["Method", "Curve"])
    for curve, sign in CURVES.items():
        assert areas.loc[("true", curve), "Verdict"] == "better than random"
        assert areas.loc[("reverse", curve), "Verdict"] == "worse than random"
        assert sign * areas.loc[("true", curve), "Difference"] > 0
        assert areas.loc[(RANDOM, curve), "Difference"] == 0


def test_order_without_information_is_not_distinguishable(scorer):
    noise = np.random.default_rng(5).random((PAIRS, TOKENS))
    areas = faithfulness({"noise": noise}, scorer, random_orders=20, seed=0).areas
    assert set(areas.loc[areas["Method"] == "noise", "Verdict"]) == {"not distinguishable"}


def test_area_is_the_mean_height_of_the_curve(scorer, truth):
    found = faithfulness({"true": truth}, scorer, random_orders=1, seed=0)
    for curve in CURVES:
        points, area = (table.set_index(["Method", "Curve"]).loc[("true", curve)] for table in found[::-1])
        heights = points["Probability"].to_numpy()
        assert area["Area"] == pytest.approx(((heights[:-1] + heights[1:]) / 2).mean())


def test_random_orders_are_drawn_from_the_seed(scorer, truth):
    first, again, other = (
        faithfulness({"true": truth}, scorer, random_orders=2, seed=seed).areas for seed in (1, 1, 2)
    )
    assert first.equals(again)
    assert not first.equals(other)
