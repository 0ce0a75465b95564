"""Logistic regression over blocks of pairs, against scikit-learn's on all of them at once."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from esm2_amp.evaluation import pair_logistic
from esm2_amp.evaluation.pair_logistic import PairLogistic, PairRows, symmetric_features

N_PROTEINS, N_TRAIN = 300, 5000


@pytest.fixture
def table():
    return np.random.default_rng(8).normal(2, 1, (N_PROTEINS, 6)).astype(np.float32)


@pytest.fixture
def pairs():
    return PairRows(*np.random.default_rng(9).integers(0, N_PROTEINS, (2, 6000)))


@pytest.fixture
def label(table, pairs):
    features = symmetric_features(table, pairs)
    logit = 0.7 * features[:, 0] - features[:, 8] + 0.8 * features[:, 13] - 5
    return (np.random.default_rng(10).random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.float64)


def some(pairs, rows):
    return PairRows(pairs.a[rows], pairs.b[rows])


def test_features_by_hand():
    table = np.array([[1.0, -2.0], [3.0, 5.0]])
    found = symmetric_features(table, PairRows(np.array([0, 1]), np.array([1, 1])))
    assert found.tolist() == [[4, 3, 2, 7, 3, -10], [6, 10, 0, 0, 9, 25]]


@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_logits_are_those_of_scikit_learn(penalty, table, pairs, label, monkeypatch):
    monkeypatch.setattr(pair_logistic, "_BLOCK", 700)
    train, other = some(pairs, slice(N_TRAIN)), some(pairs, slice(N_TRAIN, None))
    found = PairLogistic(table, penalty=penalty, max_iter=200).fit(train, label[:N_TRAIN]).logits(other)
    scaler = StandardScaler().fit(symmetric_features(table, train))
    scaled = [scaler.transform(symmetric_features(table, rows)) for rows in (train, other)]
    reference = LogisticRegression(C=1 / (penalty * N_TRAIN), tol=1e-6, max_iter=1000).fit(scaled[0], label[:N_TRAIN])
    np.testing.assert_allclose(found, reference.decision_function(scaled[1]), atol=0.01)


def test_the_gradient_is_that_of_the_loss(table, pairs, label):
    model = PairLogistic(table.astype(np.float64), penalty=0.1, max_iter=1).fit(pairs, label)
    weights = np.random.default_rng(11).normal(0, 0.1, 19)
    error = check_grad(
        lambda w: model._loss_and_gradient(w, pairs, label)[0],
        lambda w: model._loss_and_gradient(w, pairs, label)[1],
        weights,
    )
    assert error < 1e-5


def test_a_feature_that_never_varies_does_no_harm(table, pairs, label):
    constant = np.column_stack([table, np.full(N_PROTEINS, 7, dtype=np.float32)])
    options = {"penalty": 1e-2, "max_iter": 200}
    with_constant = PairLogistic(constant, **options).fit(pairs, label).logits(pairs)
    np.testing.assert_allclose(with_constant, PairLogistic(table, **options).fit(pairs, label).logits(pairs), atol=0.01)
