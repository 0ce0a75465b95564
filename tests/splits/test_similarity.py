"""Similar proteins by MMseqs2, against sequences mutated by a known share."""

import numpy as np
import pandas as pd
import pytest

from conftest import needs_mmseqs
from esm2_amp.errors import InputError
from esm2_amp.parameters.pair_building import SimilarityThresholds
from esm2_amp.protein import STANDARD_RESIDUES
from esm2_amp.splits import similarity
from esm2_amp.splits.similarity import similar_proteins


def random_sequence(rng, length):
    return "".join(rng.choice(list(STANDARD_RESIDUES), length))


def mutated(rng, sequence, n_changes):
    letters = list(sequence)
    for place in rng.choice(len(letters), n_changes, replace=False):
        letters[place] = rng.choice([letter for letter in STANDARD_RESIDUES if letter != letters[place]])
    return "".join(letters)


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(2)
    first, second = random_sequence(rng, 200), random_sequence(rng, 300)
    return [
        first,
        random_sequence(rng, 250),
        mutated(rng, first, 20),  # 90 % identical to 0
        second,
        mutated(rng, second, 90),  # 70 % identical to 3
        second[:150],  # covers half of 3
        first,
        "MKT" * 3,  # too short to be found
        "MKT" * 3,
    ]


@needs_mmseqs
def test_mutants_are_found_with_their_identity_and_strangers_and_fragments_are_not(sequences):
    similar = similar_proteins(sequences, SimilarityThresholds(identity=0.6))
    assert similar[["a", "b"]].to_numpy().tolist() == [[0, 2], [0, 6], [2, 6], [3, 4], [7, 8]]
    np.testing.assert_allclose(similar["identity"], [0.9, 1, 0.9, 0.7, 1], atol=0.01)


@needs_mmseqs
@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (SimilarityThresholds(identity=0.8), [[0, 2], [0, 6], [2, 6], [7, 8]]),
        (SimilarityThresholds(identity=0.95, coverage=0.4), [[0, 6], [3, 5], [7, 8]]),
    ],
)
def test_thresholds_decide(thresholds, expected, sequences):
    assert similar_proteins(sequences, thresholds)[["a", "b"]].to_numpy().tolist() == expected


@needs_mmseqs
def test_strangers_alone_give_an_empty_table():
    rng = np.random.default_rng(3)
    similar = similar_proteins([random_sequence(rng, 120) for _ in range(3)], SimilarityThresholds())
    assert len(similar) == 0
    assert similar.dtypes.to_dict() == {"a": np.int64, "b": np.int64, "identity": np.float64}


def test_without_mmseqs_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(similarity, "find_spec", lambda name: None)
    monkeypatch.setattr(similarity.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"isn't installed.*pip install 'esm2_amp\[similarity\]'"):
        similar_proteins(["MKT"], SimilarityThresholds())


def test_a_failed_search_is_told_with_what_the_program_said(monkeypatch, tmp_path):
    program = tmp_path / "mmseqs"
    program.write_text("#!/bin/sh\necho no space left >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(similarity, "_mmseqs", lambda: str(program))
    with pytest.raises(InputError, match="ended with 3: no space left"):
        similar_proteins(["MKT"], SimilarityThresholds())


def test_each_two_proteins_are_listed_once_with_the_larger_identity():
    found = similarity._ascending(pd.Series([2, 1, 1, 0]), pd.Series([1, 2, 1, 2]), pd.Series([0.5, 0.6, 1, 0.4]))
    assert found.to_numpy().tolist() == [[0, 2, 0.4], [1, 2, 0.6]]
