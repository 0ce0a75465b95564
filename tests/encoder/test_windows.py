from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.encoder.windows import merge_windows
from esm2_amp.protein import window_starts


@pytest.mark.parametrize(
    ("length", "starts"),
    [(5, [0]), (10, [0]), (11, [0, 1]), (18, [0, 8]), (19, [0, 8, 9]), (26, [0, 8, 16])],
)
def test_windows_of_ten_that_share_two(length, starts):
    assert window_starts(length, window=10, overlap=2) == starts


@given(st.integers(1, 5000), st.integers(1, 300), st.data())
def test_windows_cover_every_residue_and_neighbours_share_at_least_the_overlap(length, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    starts = window_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - window)
    assert all(0 < after - before <= window - overlap for before, after in pairwise(starts))


def test_residues_are_averaged_over_the_windows_that_hold_them():
    first = torch.tensor([[100.0], [1.0], [2.0], [3.0], [200.0]])
    last = torch.tensor([[300.0], [6.0], [9.0], [4.0], [400.0]])
    merged = merge_windows([first, last], starts=[0, 1])
    assert merged.flatten().tolist() == [100.0, 1.0, 4.0, 6.0, 4.0, 400.0]


def test_three_windows_over_one_residue():
    windows = [torch.full((4, 1), value) for value in (3.0, 6.0, 12.0)]
    merged = merge_windows(windows, starts=[0, 1, 2])
    assert merged.flatten().tolist() == [3.0, 3.0, 4.5, 9.0, 12.0, 12.0]


def test_one_window_is_itself():
    states = torch.randn(7, 3)
    assert torch.equal(merge_windows([states], starts=[0]), states)
