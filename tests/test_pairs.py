"""The pair object against plain look-ups by name."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from esm2_amp import pairs as module
from esm2_amp.errors import InputError
from esm2_amp.pairs import Pairs, hash_pair_table, pair_tokens, protein_rows

ENTRIES = ["P12345", "P1234", "NA", "P9", "P8"]


class Vectors:
    """Vectors that say whose they are: protein, token, feature."""

    entries = ENTRIES

    def __init__(self):
        self.read = []

    def select(self, tokens, rows=None):
        self.read = list(rows)
        p, t, d = np.ogrid[: len(ENTRIES), :13, :2]
        table = torch.from_numpy((1000 * p + 10 * t + d).astype("float32"))
        return table[self.read][:, tokens]


def named(*pairs, **columns):
    return pd.DataFrame(pairs, columns=["Protein1", "Protein2"]).assign(**columns)


def test_tokens_are_those_of_the_proteins_by_their_whole_names_and_no_others_are_loaded():
    vectors = Vectors()
    pairs = Pairs.of(vectors, named(("P1234", "P9"), ("P9", "P12345")), slice(1, 3))
    assert vectors.read == [0, 1, 3]
    assert pairs.tokens()[:, :, 0].tolist() == [[1010, 1020, 3010, 3020], [3010, 3020, 10, 20]]
    assert pairs.label is None


def test_row_numbers_that_a_table_carries_are_not_believed():
    pairs = Pairs.of(Vectors(), named(("P1234", "P9"), a=[4], b=[4]), slice(12, 13))
    assert pairs.tokens()[0, :, 0].tolist() == [1120, 3120]


def test_a_pair_of_a_protein_without_features_is_an_error_that_names_it():
    with pytest.raises(InputError, match=r"Protein2 'P123' has none \(2 such pairs\).*--pipeline=pair_building"):
        Pairs.of(Vectors(), named(("NA", "P9"), ("NA", "P123"), ("P9", "P7")), slice(12, 13))


def test_taken_and_swapped_pairs_keep_their_labels_and_the_table():
    pairs = Pairs.of(Vectors(), named(("NA", "P9"), ("P9", "P8"), ("P8", "NA"), label=[1, 0, 1]), slice(0, 1))
    some = pairs.take(np.array([True, False, True]))
    assert some.table is pairs.table
    assert len(some) == 2 and some.label.tolist() == [1, 1]
    assert torch.equal(some.swapped().tokens(), some.tokens().flip(1))
    assert torch.equal(pairs.take([2, 0]).tokens(), pairs.tokens()[[2, 0]])
    assert [rows.tolist() for rows in pairs.batches(2)] == [[0, 1], [2]]


def test_no_pairs_at_all():
    assert Pairs.of(Vectors(), named(), slice(0, 1)).tokens().shape == (0, 2, 2)
    assert all(len(rows) == 0 for rows in protein_rows(ENTRIES, named()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_tokens_are_those_of_a_then_of_b(dtype):
    table = torch.randn(7, 3, 4).to(dtype)
    a, b = torch.tensor([0, 6, 2, 2]), torch.tensor([5, 6, 0, 1])
    tokens = pair_tokens(table, a, b)
    assert tokens.dtype == torch.float32
    for pair in range(4):
        expected = [*table[a[pair]], *table[b[pair]]]
        assert torch.equal(tokens[pair], torch.stack(expected).float())


@pytest.mark.parametrize("pairs", [0, 1, 3, 7])
def test_table_of_pairs_is_hashed_as_its_csv_file(pairs, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 3)
    table = named(*[("P1,2", f"P{number}") for number in range(pairs)], label=1, split="train")
    whole = table[["Protein1", "Protein2", "label", "split"]].to_csv(index=False)
    assert hash_pair_table(table) == hashlib.sha256(whole.encode()).hexdigest()
