import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.parameters.pair_building import SPLITS
from esm2_amp.splits.splitting import SplitFractions, protein_disjoint_split, random_split, seen_class

FRACTIONS = SplitFractions(validation=0.1, test=0.2)


def random_pairs(proteins=200, pairs=5000, seed=0):
    return np.random.default_rng(seed).integers(proteins, size=(2, pairs)).astype(np.int32)


def shares(split):
    return [np.mean(split == name) for name in SPLITS]


def test_random_split_has_the_fractions_and_the_same_share_of_positives():
    label = (np.arange(1000) % 4 == 0).astype(np.int8)
    split = random_split(label, FRACTIONS, seed=3)
    assert shares(split) == [0.7, 0.1, 0.2]
    assert [label[split == name].mean() for name in SPLITS] == [0.25] * 3


def test_seed_decides_a_split():
    label = (np.arange(300) % 2).astype(np.int8)
    a, b = random_pairs()
    for draw in (
        lambda seed: random_split(label, FRACTIONS, seed),
        lambda seed: protein_disjoint_split(a, b, FRACTIONS, seed),
    ):
        assert (draw(1) == draw(1)).all()
        assert (draw(1) != draw(2)).any()


@given(
    pairs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=60),
    validation=st.floats(0.05, 0.4),
    test=st.floats(0.05, 0.4),
    seed=st.integers(0, 10),
)
def test_no_protein_is_in_two_splits_and_only_pairs_between_splits_are_dropped(pairs, validation, test, seed):
    a, b = np.array(pairs, dtype=np.int32).T
    split = protein_disjoint_split(a, b, SplitFractions(validation, test), seed)
    home = {}
    for pair, name in zip(pairs, split, strict=True):
        if name is not None:
            for protein in pair:
                assert home.setdefault(protein, name) == name
    for pair, name in zip(pairs, split, strict=True):
        homes = [home[protein] for protein in pair if protein in home]
        assert name is not None or len(homes) < 2 or homes[0] != homes[1]


def test_disjoint_split_has_about_the_fractions():
    kept = protein_disjoint_split(*random_pairs(), FRACTIONS, seed=0)
    kept = kept[kept != None]  # noqa: E711 (elementwise)
    np.testing.assert_allclose(shares(kept), FRACTIONS.all, atol=0.05)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.sampled_from(SPLITS)), min_size=1, max_size=30)
)
def test_seen_class_counts_the_partners_seen_in_training(pairs):
    seen = {protein for a, b, split in pairs if split == "train" for protein in (a, b)}
    expected = ["" if split == "train" else f"C{3 - (a in seen) - (b in seen)}" for a, b, split in pairs]
    assert seen_class(pd.DataFrame(pairs, columns=["a", "b", "split"])).tolist() == expected


def test_seen_class_by_hand():
    rows = [(1, 2, "train"), (2, 3, "train"), (1, 3, "test"), (3, 4, "test"), (4, 1, "test"), (4, 5, "validation")]
    table = pd.DataFrame(rows, columns=["a", "b", "split"], index=[9, 8, 7, 6, 5, 4])
    assert seen_class(table).to_dict() == {9: "", 8: "", 7: "C1", 6: "C2", 5: "C2", 4: "C3"}


@pytest.mark.parametrize("fractions", [(0.1, 0.2), (0.3, 0.3)])
def test_fractions_add_up(fractions):
    assert SplitFractions(*fractions).all.sum() == pytest.approx(1)
