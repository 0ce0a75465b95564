from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.validation.pairs import clean_pairs, words_of_pairs
from esm2_amp.validation.proteins import clean_proteins, is_of_nucleotides

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
    proteins, report, dropped = clean_proteins(
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
    assert dropped.empty
    assert report == {
        "read": 6,
        "kept": 5,
        "dropped": 0,
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
    proteins, report, _ = clean_proteins(raw({"Entry": ["NA", "titin"], "Sequence": ["M", "MK" * 20_000]}))
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
        "To leave such proteins out: --params=feature_extraction.bad_proteins=drop",
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


def test_words_of_the_proteins_of_each_pair_are_joined():
    pairs = raw({"Protein1": ["A", "X", "A", "X", "X"], "Protein2": ["B", "B", "Y", "Y", "X"]}).frame
    words = words_of_pairs(pairs, {"X": "no X", "Y": "no Y"}, "; ")
    assert words.to_list() == ["", "no X", "no Y", "no X; no Y", "no X"]
    assert words.index.equals(pairs.index)


def test_pairs_get_the_names_of_their_proteins(caplog):
    columns = {"Protein1": ["sp|P01308|INS_HUMAN", "P0DP23"], "Protein2": ["9606.ENSP00000349467", "P01308"]}
    with caplog.at_level("INFO"):
        pairs, report = clean(columns, ["P01308", "P0DP23", "ENSP00000349467.4"])
    assert pairs[["Protein1", "Protein2"]].to_numpy().tolist() == [
        ["P01308", "ENSP00000349467.4"],
        ["P0DP23", "P01308"],
    ]
    assert report["names_matched"] == 2
    assert "input.csv: 2 names were matched to proteins that are named differently, such as sp|P01308|" in caplog.text


def test_pair_under_two_names_is_a_duplicate():
    columns = {"Protein1": ["P01308", "P0DP23"], "Protein2": ["P0DP23", "sp|P01308|INS_HUMAN"], "Label": ["1", "1"]}
    for entries in (None, ["P01308", "P0DP23"]):
        _, report = clean(columns, entries)
        assert (report["duplicates"], report["swapped_duplicates"]) == (1, 1)


def test_names_are_kept_as_written_where_no_proteins_are_given():
    pairs, _ = clean({"Protein1": [" sp|P01308|INS_HUMAN"], "Protein2": ["P0DP23.1"]})
    assert pairs[["Protein1", "Protein2"]].to_numpy().tolist() == [["sp|P01308|INS_HUMAN", "P0DP23.1"]]


def test_unknown_protein_is_shown_beside_those_it_resembles():
    with pytest.raises(
        InputError, match=r"Protein1 'p01308' .* of proteins.fasta \(nearly the same is 'P01308'\); add"
    ):
        clean({"Protein1": ["p01308"], "Protein2": ["P0DP23"]}, ["P01308", "P0DP23"])


def test_pairs_of_dropped_proteins_are_left_out_and_counted():
    columns = {"Protein1": ["A", "B", "A"], "Protein2": ["B", "X", "C"], "Label": ["1", "0", "0"]}
    pairs, report = clean(columns, ["A", "B", "C"], dropped=["X"])
    assert pairs["row"].to_list() == [2, 4]
    assert (report["of_dropped_proteins"], report["negatives"]) == (1, 1)
    with pytest.raises(InputError, match="got only self-pairs and pairs of proteins that were left out; add pairs"):
        clean({"Protein1": ["A"], "Protein2": ["X"]}, ["A"], dropped=["X"])


@pytest.mark.parametrize("labels", [["1", "", "0"], ["1", "yes", "0.93"], ["1", "0", "0"]])
def test_unused_labels_may_be_anything(labels, caplog):
    columns = {"Protein1": ["A", "B", "A"], "Protein2": ["B", "A", "C"], "Label": labels}
    pairs, _ = clean(columns, labels="unused")
    expected = [{"1": 1, "0": 0}.get(label, -1) for label in labels]
    assert pairs["Label"].astype("Int8").fillna(-1).to_list() == expected
    assert ("labels are neither 0 nor 1, such as" in caplog.text) == (-1 in expected)


BAD_PROTEINS = {
    "Entry": ["P1", "P2", "P3", "P1", "P4", "P5", ""],
    "Sequence": ["MKTAYIAKQR", "MK-L", "MKTAYIAKQL", "MKTAYIAKQK", "MKTAY", "ATGGCCCTGTGGATGCGCCTC", "MKTAYIAKQR"],
}


def test_bad_proteins_are_dropped_and_listed(caplog):
    table = raw(BAD_PROTEINS, file="proteins.csv")
    proteins, report, dropped = clean_proteins(table, bad_proteins="drop", shortest=10)
    assert proteins["Entry"].to_list() == ["P3"]
    assert (report["read"], report["kept"], report["dropped"]) == (7, 1, 5)
    assert dropped[["File", "Row", "Entry"]].to_numpy().tolist() == [
        ["proteins.csv", row, entry] for row, entry in [(3, "P2"), (5, "P1"), (6, "P4"), (7, "P5"), (8, "")]
    ]
    assert dropped["Problem"].str.split(";").str[0].to_list() == [
        "Sequence must hold only residues, the letters A to Z but J, got '-' at residue 3",
        "Entry 'P1' has another sequence in row 2",
        "Sequence must have at least 10 residues, got 5",
        "Sequence must be of amino acids, got nucleotides",
        "Entry must name a protein, got an empty cell",
    ]
    assert "5 proteins of proteins.csv can't be used and are left out, such as that of row 3" in caplog.text


def test_peptides_are_too_short_unless_that_is_allowed():
    table = raw({"Entry": ["P1", "P2"], "Sequence": ["MALWMRLLPL", "GCG"]})
    with pytest.raises(InputError, match="row 3: Sequence must have at least 10 residues, got 3; drop the protein, or"):
        clean_proteins(table, shortest=10)
    assert len(clean_proteins(table, shortest=3).proteins) == 2


def test_a_file_without_any_good_protein_is_an_error():
    with pytest.raises(InputError, match="No protein is left; correct some of them"):
        clean_proteins(raw({"Entry": ["P1"], "Sequence": ["MKJ"]}), bad_proteins="drop")


@pytest.mark.parametrize(("index_name", "wrong"), [("row", True), ("line", False)])
def test_sequence_as_long_as_a_cell_of_excel_was_cut(index_name, wrong):
    table = raw({"Entry": ["Q8WZ42"], "Sequence": ["MK" * 16_383 + "L"]}, index_name)
    if wrong:
        with pytest.raises(InputError, match="row 2: Sequence must be whole, got 32,767 characters, where Excel cuts"):
            clean_proteins(table)
    else:
        assert len(clean_proteins(table).proteins) == 1


@pytest.mark.parametrize(
    "sequence",
    [
        "ATGGCCCTGTGGATGCGCCTCCTG",
        "AUGGCCCUGUGGAUGCGCCUCCUG",
        "ATGNNNNNNNNNNNNNNNNCGT",
        "ATGGCCCTGTGGATGCGCCTRYTG",
    ],
)
def test_dna_and_rna_are_recognised(sequence):
    assert is_of_nucleotides(sequence)


@pytest.mark.parametrize(
    "sequence",
    [
        "GCG", "ACA", "GATTACAGATTACA", "CYIQNCPLG", "AATAATAATAATAATAATAATAATAAT", "GAGGAAGAGGAGTGAANAAAAAGAAAAG",
        "NNNNNNNNTTTTTTTTNNNNTNNNNNTNNNNN", "CGGGGGGGGGGGGGGGGGGGGGGG", "MALWMRLLPLLALLALWGPDPAAAFVNQHL",
    ],
)  # fmt: skip
def test_peptides_of_few_kinds_of_residues_are_no_nucleotides(sequence):
    assert not is_of_nucleotides(sequence)


@pytest.mark.skipif(not BERNETT.is_dir(), reason="needs ../shared/bernett beside the project")
@pytest.mark.parametrize("file", ["bernett/proteins", "sequences/yeast", "sequences/ecoli"])
def test_no_protein_of_three_organisms_is_taken_for_nucleotides(file):
    sequences = ProteinsDataset(str(BERNETT.parent / f"{file}.fasta.gz")).load().frame["Sequence"]
    assert not sequences.map(is_of_nucleotides).any()


@pytest.mark.skipif(not BERNETT.is_dir(), reason="needs ../shared/bernett beside the project")
def test_bernett_is_clean():
    proteins, report, _ = clean_proteins(ProteinsDataset(str(BERNETT / "proteins.fasta.gz")).load())
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
