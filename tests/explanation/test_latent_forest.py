"""AE_RF: that its search finds what there is, and Tree SHAP against Shapley values by brute force."""

import numpy as np
import pytest
from shapley import brute_force_shapley
from sklearn.ensemble import RandomForestClassifier

from esm2_amp.errors import InputError
from esm2_amp.explanation.latent_attributions import additivity
from esm2_amp.explanation.latent_forest import LabelledPairs, _fitted, explain_forest, fit_forest, forest_logits
from esm2_amp.parameters.latent_explanation import ForestParameters

SETTINGS = {
    "trials": 3,
    "mode": "holdout",
    "folds": 2,
    "search_space": {
        "n_estimators": {"low": 5, "high": 10, "step": 5},
        "max_features": {"low": 0.3, "high": 1.0},
    },
    "jobs": 1,
}


def pairs(count=120, seed=0, columns=8):
    """Interacting where the first column is positive; the last column never varies."""
    x = np.random.default_rng(seed).normal(size=(count, columns)).astype(np.float32)
    x[:, -1] = 2
    return LabelledPairs(x, (x[:, 0] > 0).astype(np.int64))


def fit(folder, training=None, **settings):
    options = ForestParameters(**SETTINGS | settings)
    return fit_forest(training or pairs(), pairs(60, 1), options, name="t AE_RF", folder=folder, seed=5)


@pytest.fixture(scope="module")
def forest():
    x = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
    return RandomForestClassifier(20, max_depth=6, random_state=0).fit(x, (x[:, 0] * x[:, 5] + x[:, 7] > 0).astype(int))


def test_tree_shap_is_the_shapley_value_by_brute_force(forest):
    rng = np.random.default_rng(1)
    x, background = (rng.normal(size=(count, 10)).astype(np.float32) for count in (3, 15))
    found = explain_forest(forest, x, background)
    for values, pair in zip(found.by_column, x, strict=True):
        expected = brute_force_shapley(lambda rows: forest.predict_proba(rows)[:, 1], pair, background)
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_tree_shap_adds_up_to_1e_6(forest):
    rng = np.random.default_rng(2)
    found = explain_forest(forest, *(rng.normal(size=(n, 10)).astype(np.float32) for n in (25, 200)))
    probability = found.expected + found.by_column.sum(axis=1)
    assert additivity(found, "Tree SHAP", exact_to=1e-6)["largest_error"] <= 1e-6
    rng = np.random.default_rng(2)
    x = rng.normal(size=(25, 10)).astype(np.float32)
    np.testing.assert_allclose(probability, forest.predict_proba(x)[:, 1], atol=1e-6)


@pytest.mark.parametrize("mode", ["holdout", "cross_validation"])
def test_search_finds_what_can_be_learnt_and_keeps_every_trial(tmp_path, mode):
    found = fit(tmp_path, mode=mode)
    assert len(found.trials) == 3
    best = found.best.iloc[0]
    assert best["MCC"] == found.trials["Value"].max() > 0.8
    assert found.forest.n_estimators == best["n_estimators"] and found.forest.max_features == best["max_features"]
    assert found.forest.feature_importances_.argmax() == 0


def test_a_constant_column_gets_no_importance(tmp_path):
    found = fit(tmp_path)
    shap_values = explain_forest(found.forest, pairs(5, 2).latents, pairs(20, 3).latents)
    assert found.forest.feature_importances_[-1] == 0
    assert (shap_values.by_column[:, -1] == 0).all()


def test_search_goes_on_where_it_was_and_begins_anew_with_other_data(tmp_path, caplog):
    caplog.set_level("INFO", "esm2_amp")
    first = fit(tmp_path, trials=2)
    more = fit(tmp_path, trials=3)
    assert more.trials["Value"].tolist()[:2] == first.trials["Value"].tolist()
    assert caplog.text.count("trial 0:") == caplog.text.count("trial 2:") == 1
    fit(tmp_path, training=pairs(seed=9), trials=1)
    assert caplog.text.count("trial 0:") == 2


def test_the_same_seed_gives_the_same_forest(tmp_path):
    one, other = (fit(tmp_path / name).forest.predict_proba(pairs(30, 4).latents) for name in "ab")
    assert (one == other).all()


def test_forests_are_fitted_on_at_most_so_many_pairs(tmp_path):
    found = fit(tmp_path, pairs=30, search_space={"n_estimators": {"low": 5, "high": 5, "step": 1}})
    assert found.forest.estimators_[0].tree_.n_node_samples[0] <= 30


def test_pairs_of_one_class_are_refused(tmp_path):
    one_class = pairs()._replace(label=np.ones(120, dtype=np.int64))
    with pytest.raises(InputError, match="AE_RF needs at least 1 training pairs of each class, got 120 positive and 0"):
        fit(tmp_path, training=one_class)


def test_fewer_pairs_of_a_class_than_folds_are_refused(tmp_path):
    few = pairs()._replace(label=np.r_[np.zeros(4, dtype=np.int64), np.ones(116, dtype=np.int64)])
    with pytest.raises(InputError, match=r"at least 5 .* 4 negative; .* lower latent_explanation.forest.folds"):
        fit(tmp_path, training=few, mode="cross_validation", folds=5)


def test_a_parameter_that_forests_do_not_have_is_refused():
    with pytest.raises(ValueError, match=r"must be among n_estimators, .* got depth"):
        ForestParameters(**SETTINGS | {"search_space": {"depth": {"low": 1, "high": 2, "step": 1}}})


def test_unanimous_votes_have_finite_logits(forest):
    x = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
    logit, votes = forest_logits(forest, x), forest.predict_proba(x)[:, 1]
    assert np.isfinite(logit).all() and (np.sign(logit) == np.sign(votes - 0.5)).all()


@pytest.mark.parametrize("trees", [1, 25, 60])
def test_a_forest_fitted_some_trees_at_a_time_is_that_fitted_at_once(trees):
    found = _fitted(RandomForestClassifier(trees, max_features=0.5, random_state=3), pairs(), "forest")
    at_once = RandomForestClassifier(trees, max_features=0.5, random_state=3).fit(*pairs())
    rows = pairs(200, 9).latents
    np.testing.assert_array_equal(found.predict_proba(rows), at_once.predict_proba(rows))
    np.testing.assert_array_equal(found.feature_importances_, at_once.feature_importances_)
    assert found.get_params() == at_once.get_params() | {"n_jobs": 1}
