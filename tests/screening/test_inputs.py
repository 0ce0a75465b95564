"""From names of queries, known pairs and training proteins to rows."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.storage import SEQUENCE_DIGITS, TrainedModel
from esm2_amp.screening.inputs import rows_of_known, top_within, trained_proteins, wanted_pairs

ENTRIES = ["P01308", "ENSP00000250971.3", "P0DP23", "NEW"]


def queries_of(*names: tuple[str, bool]) -> pd.DataFrame:
    return pd.DataFrame(names, columns=["Entry", "InProteome"])


def test_queries_are_found_by_name_and_new_ones_are_no_targets():
    queries = queries_of(("ENSP00000250971", True), ("NEW", False))
    wanted, names = wanted_pairs(ENTRIES, queries, self_pairs=False)
    assert names == ["ENSP00000250971.3", "NEW"]
    assert wanted.queries.tolist() == [1, 3] and wanted.targets.tolist() == [0, 1, 2]
    assert len(wanted) == 2 + 3  # NEW with each protein, the other query with the two others


def test_without_queries_all_are_paired_with_all():
    wanted, names = wanted_pairs(ENTRIES, queries_of(), self_pairs=True)
    assert names == [] and len(wanted) == 10
    with pytest.raises(InputError, match="A screen needs at least two proteins, got P1 alone; give the proteome"):
        wanted_pairs(["P1"], queries_of(), self_pairs=False)


def test_query_that_is_not_among_features_is_an_error():
    with pytest.raises(InputError, match=r"among the 4 proteins .* 'p01308' \(nearly the same is 'P01308'\)"):
        wanted_pairs(ENTRIES, queries_of(("p01308", True)), self_pairs=False)


def test_top_is_what_there_is_at_most(caplog):
    wanted, _ = wanted_pairs(ENTRIES, queries_of(), self_pairs=False)
    assert top_within(3, wanted) == 3 and not caplog.text
    assert top_within(4, wanted) == 3 and "a protein has 3 partners" in caplog.text


def test_known_pairs_are_rows_in_the_order_of_the_proteins_each_once():
    known = pd.DataFrame(
        [("P0DP23", "P01308"), ("sp|P01308|INS_HUMAN", "P0DP23"), ("P01308", "X"), ("NEW", "NEW")],
        columns=["Protein1", "Protein2"],
    )
    assert rows_of_known(ENTRIES, known).tolist() == [[0, 2], [3, 3]]
    assert rows_of_known(ENTRIES, known.head(0)).shape == (0, 2)
    with pytest.raises(InputError, match="None of the 1 known pairs is of two of the 4 proteins"):
        rows_of_known(ENTRIES, known.iloc[[2]])


def test_training_proteins_are_known_by_their_sequences():
    key = [hashlib.sha256(sequence.encode()).hexdigest() for sequence in ("MK", "MA")]
    index = pd.DataFrame({"Entry": ["A", "B"], "key": key})
    seen = TrainedModel("ESM2_MEAN", None, {}, frozenset({key[1][:SEQUENCE_DIGITS]}))
    trained = trained_proteins(ProteinFeatures(index, Path(), 1, {"encoder": "esm2"}), seen)
    assert trained.tolist() == [False, True]
    assert trained_proteins(ProteinFeatures(index, Path(), 1, {"encoder": "imported"}), seen) is None
    unknown = TrainedModel("ESM2_MEAN", None, {})
    assert trained_proteins(ProteinFeatures(index, Path(), 1, {"encoder": "esm2"}), unknown) is None
    np.testing.assert_array_equal(trained, np.array([False, True]))
