import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esm2_amp.encoder.pooling import pool
from esm2_amp.encoder.tokens import CLS, EOS
from esm2_amp.encoder.windows import merge_windows
from esm2_amp.errors import InputError
from esm2_amp.finetuning.pieces import SLOTS, Sequences, vectors
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.protein import STANDARD_RESIDUES

WIDTH = 3


def windows(whole_up_to=20, window=8, overlap=3):
    return EmbeddingParameters(precision="float32", whole_up_to=whole_up_to, window=window, overlap=overlap)


def random_sequences(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(STANDARD_RESIDUES), length)) for length in lengths]


def sequences(lengths, options=None, tokens_at_once=40):
    return Sequences(
        [f"P{n}" for n in range(len(lengths))], random_sequences(lengths), options or windows(), tokens_at_once
    )


def states_of(part):
    """States that differ between tokens, places and pieces, as an encoder's do."""
    place = torch.cat([torch.arange(size) for size in part.sizes]).double()
    last = torch.cat([torch.full((size,), size) for size in part.sizes])
    return torch.stack([(part.tokens + k * place + k * last / 7).sin() for k in range(1, WIDTH + 1)], dim=1)


def by_pooling(sequence, options):
    """The vectors of one protein by the functions that embed features."""
    starts = options.window_starts(len(sequence))
    size = len(sequence) if len(starts) == 1 else options.window
    [whole] = Sequences(["P"], [sequence], options, 10_000).parts([0])
    merged = merge_windows(states_of(whole).split(size + 2), starts)
    return pool(merged, [len(sequence)])[0]


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    overlap=st.integers(0, 7),
    tokens_at_once=st.integers(22, 90),
)
@settings(deadline=None, max_examples=60)
def test_vectors_by_parts_are_those_of_pooling_and_of_merged_windows(lengths, overlap, tokens_at_once):
    options = windows(overlap=overlap)
    cut = sequences(lengths, options, tokens_at_once)
    rows = list(range(len(lengths)))[::-1]
    parts = cut.parts(rows)
    sums = torch.zeros(len(rows), SLOTS, WIDTH, dtype=torch.float64)
    for part in parts:
        assert len(part.tokens) == sum(part.sizes) <= tokens_at_once
        assert part.sizes == sorted(part.sizes, reverse=True)
        sums = part.add(states_of(part), sums)
    found = vectors(sums, cut.segment_shares(rows))
    expected = torch.stack([by_pooling(cut.sequences[row], options) for row in rows])
    torch.testing.assert_close(found.float(), expected, atol=1e-6, rtol=1e-5)


def test_a_long_protein_is_read_in_its_windows_each_between_cls_and_eos():
    [part] = sequences([21], windows(window=8, overlap=3)).parts([0])
    assert part.sizes == [10] * 4
    for piece in part.tokens.split(part.sizes):
        assert (piece[0], piece[-1]) == (CLS, EOS)
    cls, eos = part.rows == 0, part.rows == SLOTS - 1
    assert part.weights[cls].tolist() == [1, 0, 0, 0]
    assert part.weights[eos].tolist() == [0, 0, 0, 1]


def test_sums_that_are_added_to_stay_as_they_are():
    [part] = sequences([12]).parts([0])
    sums = torch.ones(1, SLOTS, WIDTH)
    part.add(states_of(part), sums)
    assert (sums == 1).all()


def test_protein_of_more_tokens_than_memory_is_meant_to_hold_is_named_with_what_to_do():
    with pytest.raises(
        InputError, match=r"must be at least 22, so that 'P1' \(20 residues\) can be read, got 21"
    ) as told:
        sequences([5, 20, 50], tokens_at_once=21)
    assert "whole_up_to" in str(told.value)


def test_protein_above_the_limit_fits_by_its_windows():
    parts = sequences([500], windows(), tokens_at_once=22).parts([0])
    assert max(len(part.tokens) for part in parts) <= 22
