from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.validation import clean_pairs, clean_proteins, missing_proteins

BERNETT = Path(__file__).parents[1] / "../shared/bernett"


def raw(columns, index_name="row", file="input.csv", blank_rows=0):
    """A table as the datasets load it: text, rows numbered from 2."""
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame(columns, index=pd.RangeIndex(2, rows + 2, name=index_name), dtype="str")
    return SourceTable(frame, file, blank_rows)


def clean(columns, entries=None, **options):
    options = {"self_pairs": "keep", "duplicate_pairs": "keep", "labels": "optional", **options}
    return clean_pairs(raw(columns), entries, protein_source="proteins.fasta", **options)


def test_untidy_proteins_are_put_right_and_counted():
    proteins, report = clean_proteins(
        raw(
            {
                "Entry": [" P1", "P2", "P3", "P4", "P1", "P5"],
                "Sequence": ["mkta", "MK TA\u00a0UX\n", "MKTA*", "M", "MKTA", "MBZO"],
            },
            blank_rows=2,
        )
    )
    assert proteins["Entry"].to_list() == ["P1", "P2", "P3", "P4", "P5"]
    assert proteins["Sequence"].to_list() == ["MKTA", "MKTAUX", "MKTA", "M", "MBZO"]
    assert proteins.index.equals(pd.RangeIndex(5))
    assert report == {
        "read": 6,
        "kept": 5,
        "blank_rows_skipped": 2,
        "lower_case_normalised": 1,
        "white_space_removed": 2,
        "stop_removed": 1,
        "identical_duplicates_dropped": 1,
        "shared_sequences": 1,
        "with_X": 1,
        "with_B": 1,
        "with_Z": 1,
        "with_U": 1,
        "with_O": 1,
        "shortest": 1,
        "longest": 6,
    }


def test_shortest_and_very_long_sequences_are_legal():
    proteins, report = clean_proteins(raw({"Entry": ["NA", "titin"], "Sequence": ["M", "MK" * 20_000]}))
    assert proteins["Sequence"].str.len().to_list() == [1, 40_000]
    assert (report["shortest"], report["longest"]) == (1, 40_000)


def test_cleaning_leaves_its_input_as_it_was():
    proteins, pairs = raw({"Entry": [" P1"], "Sequence": ["mk*"]}), raw({"Protein1": [" A"], "Protein2": ["B"]})
    before = proteins.frame.copy(), pairs.frame.copy()
    clean_proteins(proteins)
    clean_pairs(pairs, None, self_pairs="drop", duplicate_pairs="drop", labels="optional", protein_source="")
    pd.testing.assert_frame_equal(proteins.frame, before[0])
    pd.testing.assert_frame_equal(pairs.frame, before[1])


def test_every_letter_but_j_is_a_residue():
    letters = "ABCDEFGHIKLMNOPQRSTUVWXYZ"
    assert clean_proteins(raw({"Entry": ["P1"], "Sequence": [letters]}))[0]["Sequence"].to_list() == [letters]


@pytest.mark.parametrize("sequence", ["MK1", "M-K", "MKJ", "M*K", "M**", "*", "MKé", "MKı", "M\u200bK", "MK."])
def test_other_characters_in_sequences_are_errors(sequence):
    with pytest.raises(InputError, match=r"input\.csv row 2: Sequence must hold"):
        clean_proteins(raw({"Entry": ["P1"], "Sequence": [sequence]}))


@pytest.mark.parametrize("entry", ["P 1", "P\t1", "P\u00a01", "P\u200b1", "P\x071", "P\n1"])
def test_characters_that_cannot_be_seen_in_ids_are_errors(entry):
    with pytest.raises(InputError, match=r"row 2: Entry 'P.*1' must not hold blanks or control characters"):
        clean_proteins(raw({"Entry": [entry], "Sequence": ["MK"]}))


@pytest.mark.parametrize("entry", ["NA", "nan", "P12345-2", "362663.ECP_0003", "β-actin", "sp||X", "{0}"])
def test_unusual_ids_are_legal(entry):
    assert clean_proteins(raw({"Entry": [entry], "Sequence": ["MK"]}))[0]["Entry"].to_list() == [entry]


def test_all_problems_of_a_file_are_told_in_its_order():
    with pytest.raises(InputError) as raised:
        clean_proteins(
            raw({"Entry": ["P1", "", "P1", "P2"], "Sequence": ["MK", "M{x}", "MR", ""]}, "line", file="proteins.fa")
        )
    assert str(raised.value).splitlines() == [
        "proteins.fa has 4 problems:",
        "  proteins.fa line 3: Entry must name a protein, got an empty cell; give its id",
        "  proteins.fa line 3: Sequence must hold only residues, the letters A to Z but J, got '{' at residue 2 "
        "and 1 more; correct it",
        "  proteins.fa line 4: Entry 'P1' has another sequence in line 2; keep one, or rename one",
        "  proteins.fa line 5: Sequence must hold at least one residue, got none; add the sequence or drop the protein",
    ]


def test_pairs_keep_their_order_rows_and_labels():
    pairs, report = clean({"Protein1": ["B", " A "], "Protein2": ["C", "B"], "Label": ["1.0", " 0"]}, ["A", "B", "C"])
    assert pairs.to_dict("list") == {"Protein1": ["B", "A"], "Protein2": ["C", "B"], "Label": [1, 0], "row": [2, 3]}
    assert pairs["Label"].dtype == "int8"
    assert pairs.index.equals(pd.RangeIndex(2))
    assert report["white_space_removed"] == 1


def test_unlabelled_pairs_have_no_label():
    pairs, report = clean({"Protein1": ["A"], "Protein2": ["B"]})
    assert list(pairs) == ["Protein1", "Protein2", "row"]
    assert "positives" not in report


UNTIDY = {
    "Protein1": ["A", "B", "C", "A", "C", "B"],
    "Protein2": ["B", "A", "C", "B", "D", "A"],
    "Label": ["1", "1", "0", "1", "0", "1"],
}


@pytest.mark.parametrize(
    ("self_pairs", "duplicate_pairs", "rows"),
    [
        ("keep", "keep", [2, 3, 4, 5, 6, 7]),
        ("drop", "keep", [2, 3, 5, 6, 7]),
        ("keep", "drop", [2, 4, 6]),
        ("drop", "drop", [2, 6]),
    ],
)
def test_self_pairs_and_duplicates_are_counted_and_kept_or_dropped(self_pairs, duplicate_pairs, rows):
    pairs, report = clean(UNTIDY, self_pairs=self_pairs, duplicate_pairs=duplicate_pairs)
    assert pairs["row"].to_list() == rows
    assert report["kept"] == len(rows)
    assert (report["self_pairs"], report["duplicates"], report["swapped_duplicates"]) == (1, 3, 2)
    assert report["positives"] + report["negatives"] == len(rows)


IDS = st.sampled_from(["A", "B", "C", "AB", "A-B"])


@given(st.lists(st.tuples(IDS, IDS, st.sampled_from("01")), min_size=1))
def test_pairs_agree_with_a_plain_loop(rows):
    seen, contradictions, kept = {}, [], []
    for row, (a, b, label) in enumerate(rows, start=2):
        pair = frozenset((a, b))
        if pair not in seen:
            seen[pair] = (row, label)
            kept.append(row)
        elif seen[pair][1] != label:
            contradictions.append(f"row {row}: the pair {a}-{b} has Label {label}, but {1 - int(label)} in row")
    columns = dict(zip(("Protein1", "Protein2", "Label"), map(list, zip(*rows, strict=True)), strict=True))
    if contradictions:
        with pytest.raises(InputError) as raised:
            clean(columns, duplicate_pairs="drop")
        assert str(raised.value).count("the pair") == min(len(contradictions), 20)
        assert contradictions[0] in str(raised.value)
    else:
        pairs, report = clean(columns, duplicate_pairs="drop")
        assert pairs["row"].to_list() == kept
        assert report["duplicates"] == len(rows) - len(kept)


def test_wrong_label_is_told_beside_what_else_is_wrong():
    with pytest.raises(InputError) as raised:
        clean({"Protein1": ["A", "", "A"], "Protein2": ["B", "B", "X"], "Label": ["yes", "1", "-1"]}, ["A", "B"])
    assert str(raised.value).splitlines()[1:] == [
        "  input.csv row 2: Label must be 0 or 1, got 'yes'; correct it, or drop the pair",
        "  input.csv row 3: Protein1 must name a protein, got an empty cell; give its id",
        "  input.csv row 4: Label must be 0 or 1, got '-1'; correct it, or drop the pair",
        "  input.csv row 4: Protein2 'X' is not among the 2 proteins of proteins.fasta; "
        "add its sequence or drop the pair",
    ]


def test_missing_proteins_of_each_pair_are_named():
    pairs = raw({"Protein1": ["A", "X", "A", "X", "X"], "Protein2": ["B", "B", "Y", "Y", "X"]}).frame
    missing = missing_proteins(pairs, ["A", "B"])
    assert missing.to_list() == ["", "X", "Y", "X, Y", "X"]
    assert missing.index.equals(pairs.index)


@pytest.mark.skipif(not BERNETT.is_dir(), reason="needs ../shared/bernett beside the project")
def test_bernett_is_clean():
    proteins, report = clean_proteins(ProteinsDataset(str(BERNETT / "proteins.fasta.gz")).load())
    assert (report["kept"], report["with_U"], report["longest"]) == (11_019, 17, 34_350)
    for split, count in (("train", 163_192), ("validation", 59_260), ("test", 52_048)):
        _, report = clean_pairs(
            PairsDataset(str(BERNETT / f"{split}_pairs.csv.gz")).load(),
            proteins["Entry"],
            self_pairs="drop",
            duplicate_pairs="drop",
            labels="required",
            protein_source="proteins.fasta.gz",
        )
        assert (report["kept"], report["positives"], report["self_pairs"]) == (count, count // 2, 0)
