"""The method whose explanation is looked up in regions is the one that a run measured to be best."""

import pandas as pd
import pytest

from esm2_amp.explanation.choice import best_method

METHODS = ["attention", "attention_rollout", "integrated_gradients", "forest_shap"]


def planted(*rates):
    rows = [(method, top, 60, rate if top == 1 else 1 - rate, 0.1, 0.9)
            for method, rate in zip(METHODS, rates, strict=True) for top in (1, 3)]  # fmt: skip
    return pd.DataFrame(rows, columns=["Method", "Top", "Pairs", "Rate", "Low", "High"])


def faithfulness(**gains):
    rows = [(method, curve, sign * gain, "better than random" if gain > 0 else "not distinguishable")
            for method, gain in gains.items() for curve, sign in (("deletion", -1), ("insertion", 1))]  # fmt: skip
    return pd.DataFrame([*rows, ("random", "deletion", 0, "")], columns=["Method", "Curve", "Difference", "Verdict"])


@pytest.mark.parametrize(
    ("truth", "faithful", "chosen", "why"),
    [
        (planted(0.2, 0.6, 0.5, 0.9), None, "attention_rollout", "60% (10% to 90%) of 60 recognised pairs"),
        (planted(0.2, 0.6, 0.6, 0), faithfulness(attention=0.5), "attention_rollout", "planted site"),
        (None, faithfulness(attention=0.25, attention_rollout=0.125, forest_shap=0.9), "attention", "0.250 beyond"),
        (planted(0, 0, 0, 0), faithfulness(attention_rollout=0.5), "attention_rollout", "0.500 beyond random orders"),
        (None, faithfulness(attention=-0.1), "integrated_gradients", "neither planted truth nor faithfulness"),
        (None, None, "integrated_gradients", "neither planted truth nor faithfulness"),
        (planted(0, 0, 0, 0)[:0], None, "integrated_gradients", "neither planted truth nor faithfulness"),
    ],
)
def test_best_method_of_the_model_itself_is_chosen(truth, faithful, chosen, why):
    found = best_method(METHODS, truth, faithful)
    assert found.method == chosen
    assert why in found.why


def test_only_a_method_that_there_is_an_explanation_by_is_chosen():
    assert best_method(["attention"], planted(0.2, 0.6, 0.5, 0.9), None).method == "attention"
    assert best_method(["attention"], None, None) == ("attention", "there is no explanation by Integrated Gradients")
