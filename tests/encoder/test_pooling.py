import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.encoder.pooling import pool
from esm2_amp.protein import N_SEGMENTS, SEGMENTS, TOKENS, segment_bounds


def naive(hidden, lengths):
    """METHOD.md, section 1, word by word, in float64."""
    rows = []
    for states, length in zip(hidden.double().split([n + 2 for n in lengths]), lengths, strict=True):
        residues = list(states[1:-1])
        base, longer = divmod(length, 10)
        vectors = [states[0]]
        for s in range(10):
            segment, residues = residues[: base + (s < longer)], residues[base + (s < longer) :]
            vectors.append(sum(segment) / len(segment) if segment else torch.zeros_like(states[0]))
        vectors += [states[-1], states[1:-1].mean(0)]
        rows.append(torch.stack(vectors))
    return torch.stack(rows)


def test_tokens_are_named_in_the_documented_order():
    assert TOKENS[0] == "cls"
    assert TOKENS[SEGMENTS] == tuple(f"segment{s}" for s in range(10))
    assert TOKENS[11:] == ("eos", "mean")


def test_bounds_of_hand_computed_lengths():
    bounds = segment_bounds([3, 10, 23])
    assert bounds.tolist() == [
        [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        [0, 3, 6, 9, 11, 13, 15, 17, 19, 21, 23],
    ]


@given(st.integers(1, 40_000))
def test_segments_cut_a_protein_into_ten_of_nearly_equal_length(length):
    bounds = segment_bounds(length)
    sizes = np.diff(bounds)
    assert len(sizes) == N_SEGMENTS
    assert (bounds[0], bounds[-1]) == (0, length)
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pool_equals_means_computed_one_by_one(dtype):
    lengths = [1, 9, 10, 11, 257, 1022]
    hidden = torch.randn(sum(lengths) + 2 * len(lengths), 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    features = pool(hidden, lengths)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features.double(), naive(hidden, lengths), atol=1e-6, rtol=0)


def test_pool_stays_exact_for_the_longest_human_protein():
    length = 35_991
    hidden = 3 + torch.rand(length + 2, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pool(hidden, [length]).double(), naive(hidden, [length]), atol=1e-5, rtol=0)


def test_segments_without_residues_are_zero():
    features = pool(torch.ones(2 + 4, 3), [4])
    assert features[0, SEGMENTS].any(1).tolist() == [True] * 4 + [False] * 6
