"""Pairs checked some rows at a time, against `clean_pairs` on the whole table."""

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.files import SourceBlocks, SourceTable
from esm2_amp.io.checked_pairs import CheckedPairsDataset, CheckedPairsFile
from esm2_amp.prediction import checking
from esm2_amp.prediction.checking import AllPairs, PairCheck, match_proteins
from esm2_amp.validation.pairs import clean_pairs, why_not_scored

NAMES = st.sampled_from(["P1", " P1", "sp|P01308|INS_HUMAN", "P01308", "P2", "β", "NA", "9606.ENSP00000250971"])
BAD = st.sampled_from(["", " ", "P 3", "P\u200b4", "sp|P5\u00a0|X"])
LABELS = st.sampled_from(["0", "1", "1.0", " 0 ", "", "x"])
TABLES = st.booleans().flatmap(
    lambda labelled: st.lists(st.tuples(NAMES | BAD, NAMES, LABELS) if labelled else st.tuples(NAMES, NAMES | BAD),
                              min_size=1, max_size=12)
)  # fmt: skip
GOOD = st.lists(st.tuples(NAMES, NAMES, LABELS), min_size=1, max_size=25)


def source(rows: list[tuple[str, ...]], blank_rows: int = 0, first: int = 2) -> SourceTable:
    frame = pd.DataFrame(rows, columns=["Protein1", "Protein2", "Label"][: len(rows[0])], dtype="str")
    return SourceTable(frame.set_axis(pd.RangeIndex(first, first + len(rows), name="row")), "pairs.csv", blank_rows)


def in_blocks(rows: list[tuple[str, ...]], size: int) -> SourceBlocks:
    blocks = [source(rows[at : at + size], blank_rows=1, first=at + 2) for at in range(0, len(rows), size)]
    return SourceBlocks("pairs.csv", tuple(blocks[0].frame), lambda: iter(blocks))


def whole(rows: list[tuple[str, ...]], blocks: int) -> tuple[pd.DataFrame, dict[str, int]]:
    return clean_pairs(
        source(rows, blank_rows=blocks), None,
        self_pairs="keep", duplicate_pairs="keep", labels="unused", protein_source="",
    )  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(TABLES | GOOD, st.integers(1, 5), st.integers(1, 7), st.integers(1, 9))
@example([("", "P1")] * 30, 2, 3, 5)
@example([("P1", "P2"), ("P2", "P1"), (" P1", "P1"), ("P2", "P1"), ("P1", "P2")], 1, 2, 2)
def test_pairs_report_and_mistakes_are_those_of_the_whole_table(tmp_path_factory, rows, size, at_once, keys):
    file, n_blocks = tmp_path_factory.mktemp("checked") / "pairs.parquet", -(-len(rows) // size)
    dataset, check = CheckedPairsDataset(filepath=str(file)), PairCheck(in_blocks(rows, size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "ROWS_AT_ONCE", at_once)
        patch.setattr(checking, "_KEYS_AT_ONCE", keys)
        try:
            expected, report = whole(rows, n_blocks)
        except InputError as error:
            with pytest.raises(DatasetError) as raised:
                dataset.save(check)
            assert str(raised.value.__cause__) == str(error)
            assert not list(file.parent.iterdir())
            return
        dataset.save(check)
    found = dataset.load()
    assert found.report == report
    assert found.file == "pairs.csv"
    parts = list(found.parts())
    assert max(len(part.a) for part in parts) <= at_once
    pairs = [(found.names[a], found.names[b]) for part in parts for a, b in zip(part.a, part.b, strict=True)]
    assert pairs == list(zip(expected["Protein1"], expected["Protein2"], strict=True))
    labels = [label for part in parts for label in (part.label if part.label is not None else ())]
    assert labels == (expected["Label"].astype("Int8").fillna(-1).tolist() if "Label" in expected else [])


def test_labels_that_are_none_are_told_once_with_the_first(caplog):
    rows = [("P1", "P2", "0"), ("P1", "P2", "no"), ("P1", "P3", ""), ("P1", "P3", "1")]
    list(PairCheck(in_blocks(rows, 1)).parts())
    assert [record.getMessage() for record in caplog.records] == [
        "pairs.csv: 2 labels are neither 0 nor 1, such as 'no'; they are left empty"
    ]


@settings(deadline=None)
@given(GOOD.map(lambda rows: [row[:2] for row in rows]), st.sets(st.sampled_from(["P1", "P01308", "ENSP00000250971"])))
def test_status_of_each_pair_is_that_of_the_whole_table(rows, entries):
    table = source(rows).frame.apply(lambda column: column.str.strip()).reset_index(drop=True)
    dropped = pd.DataFrame({"Entry": ["P2", "P2"], "Problem": ["too short", "too odd"]}, dtype="str")
    check = PairCheck(in_blocks(rows, 3))
    (parts,) = [list(check.parts())]
    check.parts = lambda: iter(parts)
    try:
        expected = why_not_scored(table, sorted(entries), "pairs.csv", dropped)
    except InputError as error:
        with pytest.raises(InputError) as raised:
            match_proteins(check, sorted(entries), dropped)
        assert str(raised.value) == str(error)
        return
    found, is_used = match_proteins(check, sorted(entries), dropped)
    known = [value for part in parts for value in found.can_be_scored(part)]
    assert known == (expected == "").tolist()
    assert found.lacking.reasons(table).tolist() == expected.tolist()
    in_pairs = {name for name, use in zip(check.names, is_used, strict=True) if use}
    assert in_pairs == set(table[expected == ""].to_numpy().ravel())
    used, at = found.rows_among(["X", *sorted(entries)])
    for name, row in zip(found.table.to_dict("records"), at, strict=True):
        assert (["X", *sorted(entries)][used[row]] if row >= 0 else "") == name["Entry"]


@pytest.mark.parametrize("proteins", [2, 3, 7, 40])
def test_all_pairs_of_proteins_are_in_their_order(proteins, monkeypatch):
    monkeypatch.setattr(checking, "ROWS_AT_ONCE", 10)
    pairs = AllPairs([f"P{number}" for number in range(proteins)])
    parts = list(pairs.parts())
    found = [(a, b) for part in parts for a, b in zip(part.a.tolist(), part.b.tolist(), strict=True)]
    assert found == [(a, b) for a in range(proteins) for b in range(a + 1, proteins)]
    assert len(found) == pairs.report["kept"]
    assert all(len(part.a) <= 10 for part in parts)


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:10] + b"xxxx" + data[14:]])
def test_damaged_file_of_checked_pairs_is_told(tmp_path, damage):
    file = tmp_path / "pairs.parquet"
    CheckedPairsDataset(filepath=str(file)).save(AllPairs([f"P{number}" for number in range(100)]))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InputError, match=r"pairs\.parquet is damaged \(.*delete it, and run the same command again"):
        list(CheckedPairsFile(file).parts())
