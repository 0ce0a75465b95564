"""Recall and enrichment of known pairs, by brute force over all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kept import Case

from esm2_amp.screening.kept import Keeping
from esm2_amp.screening.known import DEGREE, SCREEN, Places, measure_known, studied_watch
from esm2_amp.screening.tiles import WantedPairs


def known_of(case: Case, seed: int, *, n: int = 8) -> np.ndarray:
    pairs = np.random.default_rng(seed).permutation(np.array(case.pairs).reshape(-1, 2))
    return pairs[:n]


def studied_pairs(case: Case, known: np.ndarray, trained: np.ndarray, *, among_all: bool) -> list[tuple[int, int]]:
    """By the definition: which pairs known ones are looked for among."""
    has_known = set(known.ravel().tolist())
    queries = set(case.wanted.queries.tolist()) & has_known
    chosen = []
    for i, j in case.pairs:
        is_asked = (i in queries and case.wanted.is_target[j]) or (j in queries and case.wanted.is_target[i])
        if (is_asked if among_all else {i, j} <= has_known) and not (trained[i] and trained[j]):
            chosen.append((i, j))
    return chosen


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.booleans())
def test_places_by_score_and_by_degree_are_those_of_brute_force(seed, among_all):
    case, rng = Case(seed), np.random.default_rng(seed)
    if not case.pairs:
        return
    trained = rng.random(case.proteins) < 0.4
    known = known_of(case, seed)
    watch = studied_watch(known, case.wanted, trained, among_all=among_all, of_training=False)
    case.keeping = Keeping(2, 100.0, watch)
    kept = case.kept((3, 2), rng)
    studied = studied_pairs(case, known, trained, among_all=among_all)
    assert kept.studied.sum() == len(studied)
    counted = [tuple(pair) for pair in known.tolist() if tuple(pair) in studied]
    found = measure_known(kept, watch, case.wanted, None)
    if not counted:
        assert found is None
        return
    degree = np.zeros(case.proteins)
    for i, j in counted:
        degree[i] += 1
        degree[j] += i != j
    table = found.metrics
    assert (table["Pairs"] == len(studied)).all() and (table["Known"] == len(counted)).all()
    for name, of_pair, of_known in (
        (SCREEN, lambda i, j: case.logit[i, j], lambda i, j: case.logit[i, j]),
        (
            DEGREE,
            lambda i, j: np.round(np.log1p(degree[i]) + np.log1p(degree[j]), 9),
            lambda i, j: np.round(np.log1p(degree[i] - 1) + np.log1p(degree[j] - 1), 9),
        ),
    ):
        for row in table[table["Ranking"] == name].itertuples():
            expected = 0.0
            for pair in counted:
                others = [of_pair(*other) for other in studied if other != pair]
                higher = sum(score > of_known(*pair) for score in others)
                equal = sum(score == of_known(*pair) for score in others) + 1
                expected += np.clip((row.Top - higher) / equal, 0, 1)
            assert row.Found == pytest.approx(expected)
            assert row.Recall == pytest.approx(expected / len(counted))
            assert row.Enrichment == pytest.approx(row.Recall * len(studied) / row.Top)
            assert row.RecallLow - 1e-9 <= row.Recall <= row.RecallHigh + 1e-9
            assert row.Precision == pytest.approx(min(1, expected / row.Top))


def test_a_perfect_screen_finds_all_and_a_blind_one_as_many_as_chance():
    case = Case(0)
    case.proteins = 60
    case.__dict__.update(_whole(60))
    rng = np.random.default_rng(0)
    known = np.sort(rng.permutation(np.array(case.pairs))[:30], axis=1)
    watch = studied_watch(known, case.wanted, None, among_all=True, of_training=False)
    case.keeping = Keeping(2, 100.0, watch)
    case.logit = np.zeros((60, 60), np.float32)
    blind = measure_known(case.kept((20, 20), rng), watch, case.wanted, 0.001)
    table = blind.metrics[blind.metrics["Ranking"] == SCREEN]
    np.testing.assert_allclose(table["Enrichment"], 1)
    np.testing.assert_allclose(table["Precision"], 0.001)
    case.logit[known[:, 0], known[:, 1]] = case.logit[known[:, 1], known[:, 0]] = 5
    perfect = measure_known(case.kept((20, 20), rng), watch, case.wanted, 0.001)
    table = perfect.metrics[perfect.metrics["Ranking"] == SCREEN]
    np.testing.assert_allclose(table["Found"], np.minimum(table["Top"], 30))
    curve = perfect.curves[perfect.curves["Ranking"] == SCREEN]
    assert curve["Recall"].is_monotonic_increasing and curve["Recall"].iloc[-1] == pytest.approx(1)


def _whole(proteins: int) -> dict:
    everybody = np.ones(proteins, bool)
    a, b = np.triu_indices(proteins, 1)
    wanted = WantedPairs.of(everybody, everybody, self_pairs=False)
    return {"wanted": wanted, "pairs": list(zip(a.tolist(), b.tolist(), strict=True))}


def test_equals_share_their_places():
    places = Places(np.array([0, 2]), np.array([2, 6]), 10)
    np.testing.assert_allclose(places.found(np.array([1.0, 2, 3, 10])), [[0.5, 1, 1, 1], [0, 0, 0.25, 1]])


def test_training_pairs_count_where_that_is_asked_for():
    case = Case(0)
    case.__dict__.update(_whole(6), proteins=6)
    known, trained = np.array([[0, 1], [2, 3]]), np.array([True, True, False, False, False, False])
    for of_training, counted in ((False, [False, True]), (True, [True, True])):
        watch = studied_watch(known, case.wanted, trained, among_all=True, of_training=of_training)
        assert watch.studied(watch.a, watch.b).tolist() == counted
