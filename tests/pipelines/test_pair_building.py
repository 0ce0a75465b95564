"""The nodes of `pair_building` on tables small enough to read."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.files import SourceTable
from esm2_amp.parameters.pair_building import PairParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.pair_building.nodes import (
    audit_split,
    clean_pair_files,
    compare_sequences,
    draw_audit,
    split_pairs,
)

ENTRIES = [f"P{number:02}" for number in range(40)]
PROTEINS = pd.DataFrame({"Entry": ENTRIES, "Sequence": [f"M{'ACDEFGHIKL'[i % 10]}{'A' * i}" for i in range(40)]})
FEATURES = ProteinFeatures(pd.DataFrame({"Entry": ENTRIES, "key": PROTEINS["Sequence"]}), Path(), 1, {})
NOTHING = pd.DataFrame({"a": [], "b": [], "identity": []}, dtype="int64")
EVERY_TWO = [(one, other) for one in range(40) for other in range(one)]


RUN = RunParameters(device="cpu", seed=1, data_name="pairs by hand", scoring_batch_size=8)


def parameters(**changes) -> PairParameters:
    usual = {
        "self_pairs": "keep",
        "duplicate_pairs": "drop",
        "split": "files",
        "disjoint_proteins": False,
        "similarity": {"enabled": False},
        "validation_fraction": 0.1,
        "test_fraction": 0.2,
        "sample": {},
    }
    return PairParameters(**usual | changes)


def raw(pairs: list[tuple[int, int]], file: str = "pairs.csv") -> SourceTable:
    """Pairs as a file gives them, by turns positive and negative."""
    rows = [(ENTRIES[one], ENTRIES[other], str(number % 2)) for number, (one, other) in enumerate(pairs)]
    table = pd.DataFrame(rows, columns=["Protein1", "Protein2", "Label"], dtype="str")
    table.index = pd.RangeIndex(2, len(table) + 2, name="row")
    return SourceTable(table, file)


def split(wanted: PairParameters, *pairs: list[tuple[int, int]], similar=NOTHING, proteins=PROTEINS) -> tuple:
    """Both nodes, on one list of pairs or on three."""
    files = [raw(part, file) for part, file in zip(pairs, ("a.csv", "b.csv", "c.csv"), strict=False)]
    clean, _ = clean_pair_files(*files, *[None] * (3 - len(files)), PROTEINS, None, wanted)
    return split_pairs(clean, FEATURES, proteins, similar, wanted, RUN)


def test_pairs_of_dropped_proteins_are_left_out(caplog):
    dropped = pd.DataFrame({"Entry": ["Q1", "Q1"], "Problem": ["one", "another"]})
    table = raw([(0, 1), (1, 2), (2, 3)])
    table.frame.loc[3, "Protein2"] = "Q1"
    pairs, report = clean_pair_files(table, None, None, PROTEINS, dropped, parameters(split="random"))
    assert pairs["row"].tolist() == [2, 4]
    assert report["train"]["of_dropped_proteins"] == 1
    assert "1 pairs of pairs.csv are left out: a protein of theirs was dropped" in caplog.text


def test_a_pair_in_two_files_is_told_with_both_places():
    with pytest.raises(InputError, match=r"P01-P02 is in train \(a.csv row 3\) and test \(c.csv row 2\)"):
        split(parameters(), [(0, 1), (1, 2)], [(3, 4), (4, 5)], [(2, 1), (6, 7)])


def test_a_pair_twice_in_one_file_must_not_be_split_at_random():
    pairs = [*EVERY_TWO[:50], *EVERY_TWO[:50]]
    with pytest.raises(InputError, match=r"set pair_building\.duplicate_pairs to drop"):
        split(parameters(split="random", duplicate_pairs="keep"), pairs)
    split(parameters(split="random"), pairs)


@pytest.mark.parametrize("claims", [True, False])
def test_only_a_claim_makes_a_shared_protein_an_error(claims):
    files = [(0, 1), (1, 2)], [(3, 4), (4, 5)], [(2, 6), (6, 7)]
    if not claims:
        assert split(parameters(), *files)[0]["seen"].tolist() == ["", "", "C3", "C3", "C2", "C3"]
        return
    with pytest.raises(InputError, match="train and test share 1: P02"):
        split(parameters(disjoint_proteins=True), *files)


def test_cluster_disjoint_split_keeps_chains_of_similar_proteins_together():
    similar = pd.DataFrame({"a": range(0, 39, 2), "b": range(1, 40, 2)})  # P00 like P01, P02 like P03, …
    pairs, report = split(parameters(split="cluster_disjoint"), EVERY_TWO, similar=similar)
    parts = {
        name: {int(row) // 2 for row in part[["a", "b"]].to_numpy().ravel()} for name, part in pairs.groupby("split")
    }
    assert sum(map(len, parts.values())) == len(set().union(*parts.values())) == 20
    assert (report["split"], report["pairs_dropped"]) == ("cluster_disjoint", len(EVERY_TWO) - len(pairs))
    assert sum(report[name]["pairs"] for name in parts) == len(pairs)


def test_similar_proteins_of_other_proteins_are_refused():
    for proteins in (PROTEINS[:-1], PROTEINS[::-1]):
        with pytest.raises(InputError, match="searched among other proteins than those of the stored features"):
            split(parameters(split="cluster_disjoint"), EVERY_TWO, proteins=proteins)


def test_nothing_is_compared_unless_asked_for():
    similar = compare_sequences(PROTEINS[:0], parameters())
    assert similar.empty
    assert similar.dtypes.astype(str).to_dict() == {"a": "int64", "b": "int64", "identity": "float64"}


def test_audit_counts_similar_proteins_where_they_were_searched(caplog):
    similar = pd.DataFrame({"a": [0], "b": [6]})
    files = [(0, 1), (1, 2)], [(3, 4), (4, 5)], [(2, 6), (6, 7)]
    pairs, _ = split(parameters(), *files)
    with caplog.at_level(logging.INFO):
        report, degrees = audit_split(
            pairs, {"split": "files"}, FEATURES, similar, parameters(similarity={"enabled": True})
        )
    assert report["split"] == "files"
    assert report["audit"]["shared"]["train-test"] == {"proteins": 1, "identical_sequences": 0, "similar_proteins": 1}
    assert len(degrees) == 9
    assert draw_audit(report, degrees, RUN).get_suptitle() == "Split of pairs by hand"
    assert "(C1): 0, with one (C2): 1, with none (C3): 1" in caplog.text
    report, *_ = audit_split(pairs, {"split": "files"}, FEATURES, NOTHING, parameters())
    assert "similar_proteins" not in report["audit"]["shared"]["train-test"]


def test_names_are_looked_up_in_imported_features():
    none = pd.DataFrame({"Entry": [], "Sequence": []}, dtype="str")
    table = raw(EVERY_TWO[:60])
    table.frame.loc[3, "Protein1"] = f"sp|{table.frame.loc[3, 'Protein1']}|X_HUMAN"
    wanted = parameters(split="random")
    clean, _ = clean_pair_files(table, None, None, none, None, wanted)
    pairs, _ = split_pairs(clean, FEATURES, none, NOTHING, wanted, RUN)
    assert set(pairs["Protein1"]) <= set(ENTRIES)
    clean.loc[2, "Protein2"] = "P9"
    with pytest.raises(InputError, match=r"1 pairs aren't, first row 4 of pairs.csv: such as 'P9'"):
        split_pairs(clean, FEATURES, none, NOTHING, wanted, RUN)
