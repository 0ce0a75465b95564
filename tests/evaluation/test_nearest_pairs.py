"""Nearest reference pairs, against comparing every pair with every other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from esm2_amp.evaluation import nearest_pairs
from esm2_amp.evaluation.nearest_pairs import PairRows, nearest_pair_similarity


def compared_one_by_one(vectors, pairs, reference, combine, leave_itself_out):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit.astype(np.float64) @ unit.T
    of_two = {"min": min, "sum": lambda one, other: one + other}[combine]
    return [
        max(
            (
                max(of_two(cosine[a, c], cosine[b, d]), of_two(cosine[a, d], cosine[b, c]))
                for c, d in zip(*reference, strict=True)
                if not (leave_itself_out and {a, b} == {c, d})
            ),
            default={"min": -1, "sum": -2}[combine],
        )
        for a, b in zip(*pairs, strict=True)
    ]


def rows(n_proteins, max_pairs):
    ends = st.integers(0, n_proteins - 1)
    return st.lists(st.tuples(ends, ends), min_size=1, max_size=max_pairs).map(lambda two: PairRows(*np.array(two).T))


@pytest.mark.parametrize("combine", ["min", "sum"])
@pytest.mark.parametrize("leave_itself_out", [False, True])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_is_the_best_of_all_reference_pairs_either_way_round(combine, leave_itself_out, data):
    n_proteins = data.draw(st.integers(1, 9))
    seed = data.draw(st.integers(0, 2**32 - 1))
    vectors = np.random.default_rng(seed).normal(size=(n_proteins, 3)).astype(np.float32)
    pairs, reference = data.draw(rows(n_proteins, 12)), data.draw(rows(n_proteins, 12))
    found = nearest_pair_similarity(vectors, pairs, reference, combine=combine, leave_itself_out=leave_itself_out)
    expected = compared_one_by_one(vectors, pairs, reference, combine, leave_itself_out)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(hnp.arrays(np.int64, (2, 40), elements=st.integers(0, 19)))
@settings(max_examples=20, deadline=None)
def test_blocks_and_chunks_change_nothing(ends):
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    pairs, reference = PairRows(*ends), PairRows(*ends[:, :15])
    options = {"combine": "sum", "leave_itself_out": True}
    whole = nearest_pair_similarity(vectors, pairs, reference, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_pairs, "_BLOCK", 3)
        patch.setattr(nearest_pairs, "_CHUNK", 2)
        in_pieces = nearest_pair_similarity(vectors, pairs, reference, **options)
    np.testing.assert_allclose(in_pieces, whole, atol=1e-6)


def test_only_directions_count_and_a_vector_of_zeros_resembles_nothing():
    vectors = np.array([[1, 0], [5, 0], [0, 1], [0, 0]], dtype=np.float32)
    pairs, reference = PairRows(np.array([1, 3]), np.array([2, 2])), PairRows(np.array([0]), np.array([2]))
    found = nearest_pair_similarity(vectors, pairs, reference, combine="sum", leave_itself_out=True)
    np.testing.assert_allclose(found, [2, 1], atol=1e-6)


def test_a_pair_alone_in_the_reference_has_no_nearest_one():
    vectors = np.eye(2, dtype=np.float32)
    only, swapped = PairRows(np.array([0]), np.array([1])), PairRows(np.array([1]), np.array([0]))
    for combine, lowest in [("min", -1), ("sum", -2)]:
        found = nearest_pair_similarity(vectors, swapped, only, combine=combine, leave_itself_out=True)
        assert found.tolist() == [lowest]
