"""What a user reads for each file in tests/data/bad_input."""

from pathlib import Path

import pytest
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.validation.pairs import clean_pairs
from esm2_amp.validation.proteins import clean_proteins

BAD_INPUT = Path(__file__).parent / "data" / "bad_input"

PAIRS = {
    "empty.csv": ["empty.csv is empty"],
    "header_only.csv": ["must have a header and at least one row, got only a header"],
    "missing_column.csv": [
        "must have the columns Protein1, Protein2, lacks Protein2, got 'Protein1', 'ProteinB', 'Label'; add or rename"
    ],
    "wrong_ending.doc": [
        "must end in one of .csv, .csv.gz, .tsv, .tsv.gz, .txt, .txt.gz, .xlsx, .parquet, got 'wrong_ending.doc'"
    ],
    "no_such_file.csv": ["no_such_file.csv: there is no such file; check the path"],
    "ragged_rows.csv": [
        "ragged_rows.csv has 2 problems",
        "ragged_rows.csv row 3: must have 3 cells as the header has, got 2",
        "ragged_rows.csv row 5: must have 3 cells as the header has, got 4",
    ],
    "column_twice.csv": ["must name each column once, has Protein1 twice"],
    "unclosed_quote.csv": ["unclosed_quote.csv row 3: a quotation mark must enclose a whole cell and be closed"],
    "latin1.csv": ["latin1.csv line 3, byte 0xE9: the text must be UTF-8; save it as UTF-8"],
    "cut_short_utf16.tsv": ["must be whole UTF-16 text as its first bytes say, got one cut short or damaged"],
    "genes.csv": ["lacks Protein1, Protein2, got 'INS', 'CALM'", "put a header above the first row if that is none"],
    "binary_garbage.csv": ["binary_garbage.csv line 3, byte 0x00: the file must be text, got binary data"],
    "workbook_named.csv": ["must be text as its ending says, got a zip archive, as Excel's .xlsx is; rename it"],
    "text_named.xlsx": ["must be an Excel workbook as its ending says, got other data"],
    "old_excel.xlsx": ["got an old or password-protected Excel file; save it as .xlsx without a password"],
    "damaged.xlsx": ["can't be opened as an Excel workbook; open and save it again"],
    "not_compressed.csv.gz": ["must be gzip-compressed as its ending says, got other data; rename it without .gz"],
    "label_yes.csv": ["label_yes.csv row 3: Label must be 0 or 1, got 'yes'; correct it, or drop the pair"],
    "label_2.csv": ["label_2.csv row 2: Label must be 0 or 1, got '2'"],
    "label_empty.csv": ["label_empty.csv row 2: Label must be 0 or 1, got ''"],
    "labels_mixed.csv": ["row 3: Label must be 0 or 1, got '0.5'", "row 4: Label must be 0 or 1, got 'true'"],
    "no_labels.csv": ["must have a column Label of 0 and 1, got Protein1, Protein2; add the labels"],
    "unknown_protein.csv": [
        "row 3: Protein2 'P1234X' is not among the 3 proteins of proteins.fasta; add its sequence or drop the pair",
        "row 4: Protein1 'Q7' is not among the 3 proteins of proteins.fasta; add its sequence or drop the pair",
    ],
    "both_labels.csv": ["both_labels.csv row 4: the pair P2-P1 has Label 0, but 1 in row 2; keep one of the two"],
    "id_empty.csv": ["id_empty.csv row 2: Protein2 must name a protein, got an empty cell; give its id"],
    "only_self_pairs.csv": ["must pair different proteins, got only self-pairs"],
}

PROTEINS = {
    "wrong_ending.doc": ["must end in one of .fasta, .fasta.gz, .fa, .fa.gz", "got 'wrong_ending.doc'"],
    "ids.txt": ["ids.txt must hold sequences, got ids only, such as 'P0DP23'; download their sequences as FASTA"],
    "ids.fasta": ["ids.fasta must hold sequences, got ids only, such as 'P01308'; download their sequences as FASTA"],
    "ids_of_uniprot.tsv": ["must hold sequences, got ids only, such as 'P01308'", "or add a column Sequence"],
    "dna.fasta": ["dna.fasta line 1: Sequence must be of amino acids, got nucleotides; translate it"],
    "rna.csv": ["rna.csv row 3: Sequence must be of amino acids, got nucleotides; translate it"],
    "label_2.csv": ["must have the columns Entry, Sequence, lacks Entry, Sequence, got 'Protein1'"],
    "cut_short.fasta.gz": ["must be a whole gzip file, got one cut short or damaged; fetch it again"],
    "no_header.fasta": ["no_header.fasta line 1: a FASTA file must begin with a header '>id', got 'MKTAYIAK'"],
    "text_before_header.fasta": ["line 1: a FASTA file must begin with a header '>id', got 'my proteins'"],
    "empty_record.fasta": ["empty_record.fasta line 3: Sequence must hold at least one residue, got none"],
    "header_without_id.fasta": ["header_without_id.fasta line 3: Entry must name a protein, got an empty cell"],
    "id_twice.fasta": ["id_twice.fasta line 5: Entry 'P1' has another sequence in line 1; keep one, or rename one"],
    "digit.fasta": [
        "digit.fasta line 3: Sequence must hold only residues, the letters A to Z but J, got '7' at residue 7"
    ],
    "gap.csv": ["gap.csv row 2: Sequence must hold only residues", "got '-' at residue 5 and 2 more; correct it"],
    "stop_inside.fasta": ["got '*' at residue 4; correct it"],
    "untold_proteins.csv": [
        "untold_proteins.csv has 3 problems",
        "row 3: Entry must name a protein",
        "row 4: Sequence must hold at least one residue",
        "row 5: Entry 'P 4' must not hold blanks or control characters; remove them",
    ],
}


def read_pairs(path: Path) -> None:
    raw = PairsDataset(str(path)).load()
    clean_pairs(
        raw,
        ["P1", "P2", "P3"],
        self_pairs="drop",
        duplicate_pairs="drop",
        labels="required",
        protein_source="proteins.fasta",
    )


def read_proteins(path: Path) -> None:
    clean_proteins(ProteinsDataset(str(path)).load())


@pytest.mark.parametrize(
    ("read", "file", "words"),
    [
        pytest.param(read, file, words, id=f"{read.__name__}-{file}")
        for read, cases in ((read_pairs, PAIRS), (read_proteins, PROTEINS))
        for file, words in cases.items()
    ],
)
def test_message_names_place_value_and_remedy(read, file, words):
    with pytest.raises((InputError, DatasetError)) as raised:
        read(BAD_INPUT / file)
    error = raised.value if isinstance(raised.value, InputError) else raised.value.__cause__
    assert isinstance(error, InputError)
    for part in words:
        assert part in str(error)


def test_every_bad_file_is_read_by_a_test():
    assert {path.name for path in BAD_INPUT.iterdir()} <= {*PAIRS, *PROTEINS}
