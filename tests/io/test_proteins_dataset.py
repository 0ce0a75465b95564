import gzip
import io
from pathlib import Path

import pandas as pd
import pytest
from Bio.SeqIO.FastaIO import SimpleFastaParser
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from esm2_amp.io.proteins import ProteinsDataset, read_fasta
from esm2_amp.validation.proteins import clean_proteins

BERNETT = Path(__file__).parents[2] / "../shared/bernett/proteins.fasta.gz"

FASTA = """>sp|P12345|AATM_RABIT Aspartate aminotransferase
MALLHSARVL
SGVASAFHPG

>tr|A0A0B4J2F0|A0A0B4J2F0_HUMAN
MDT
> P3 described
MK
>sp||NAME_HUMAN
W
"""


@pytest.mark.parametrize("name", ["x.fasta", "x.fa", "x.faa", "x.FAS", "x.fasta.gz"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_fasta_gives_accessions_sequences_and_header_lines(tmp_path, name, line_end):
    file = tmp_path / name
    data = b"\xef\xbb\xbf" + FASTA.replace("\n", line_end).encode()
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    loaded = ProteinsDataset(str(file)).load()
    proteins = loaded.frame
    assert proteins["Entry"].to_list() == ["P12345", "A0A0B4J2F0", "P3", "sp||NAME_HUMAN"]
    assert proteins["Sequence"].to_list() == ["MALLHSARVLSGVASAFHPG", "MDT", "MK", "W"]
    assert proteins.index.to_list() == [1, 5, 7, 9]
    assert proteins.index.name == "line"
    assert (loaded.file, loaded.blank_rows) == (str(file), 1)


def test_table_of_proteins_is_read_by_its_ending(tmp_path):
    file = tmp_path / "x.tsv"
    file.write_text("Length\tsequence\tEntry\n2\tMK\tP1\n")
    proteins = ProteinsDataset(str(file)).load().frame
    assert proteins.to_dict("list") == {"Entry": ["P1"], "Sequence": ["MK"]}
    assert proteins.index.name == "row"


def test_headers_of_rcsb_give_their_entities(tmp_path):
    file = tmp_path / "x.fasta"
    file.write_text(">4HHB_1|Chains A, C|Hemoglobin subunit alpha|Homo sapiens (9606)\nMK\n>1ABC_1|Chain A|x\nML\n")
    assert ProteinsDataset(str(file)).load().frame["Entry"].to_list() == ["4HHB_1", "1ABC_1"]


def test_text_may_be_fasta_or_a_table(tmp_path):
    for text in (">P1\nMKTAYIAKQR\n", "Entry;Sequence\nP1;MKTAYIAKQR\n", "P1\tMKTAYIAKQR\n"):
        (tmp_path / "x.txt").write_text(text)
        proteins = ProteinsDataset(str(tmp_path / "x.txt")).load().frame
        assert proteins.to_dict("list") == {"Entry": ["P1"], "Sequence": ["MKTAYIAKQR"]}


@pytest.mark.parametrize("header", ["P01308", "From", "Entry"])
def test_workbook_of_ids_is_said_to_hold_no_sequences(tmp_path, header):
    pd.DataFrame(["P0DP23", "P62826"], columns=[header]).to_excel(tmp_path / "x.xlsx", index=False)
    with pytest.raises(DatasetError, match="must hold sequences, got ids only, such as 'P0DP23'; download"):
        ProteinsDataset(str(tmp_path / "x.xlsx")).load()


def test_saved_fasta_is_read_by_biopython_and_by_itself(tmp_path):
    file = tmp_path / "new" / "x.fasta"
    proteins = pd.DataFrame({"Entry": ["P1", "P2"], "Sequence": ["MK", "MKTAYIAKQR" * 12]}, dtype="str")
    ProteinsDataset(str(file)).save(proteins)
    with file.open() as handle:
        assert list(SimpleFastaParser(handle)) == list(proteins.itertuples(index=False, name=None))
    read = ProteinsDataset(str(file)).load().frame
    pd.testing.assert_frame_equal(read.reset_index(drop=True), proteins)
    assert max(map(len, file.read_text().splitlines())) == 60


def test_proteins_are_saved_as_fasta_only(tmp_path):
    with pytest.raises(DatasetError, match=r"written as FASTA: a name ending in \.fasta is needed, got .*x\.csv"):
        ProteinsDataset(str(tmp_path / "x.csv")).save(pd.DataFrame({"Entry": ["P1"], "Sequence": ["MK"]}))


WORD = st.text("ABCabc019|_.-", min_size=1).filter(lambda word: not word.startswith(("sp|", "tr|")))


@given(st.lists(st.tuples(WORD, st.lists(st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1))), min_size=1))
def test_fasta_agrees_with_biopython(tmp_path_factory, records):
    text = "".join(f">{entry} note\n" + "".join(f"{line}\n" for line in lines) for entry, lines in records)
    file = tmp_path_factory.mktemp("fasta") / "x.fasta"
    file.write_text(text)
    proteins = read_fasta(file).frame
    expected = [(title.split()[0], sequence) for title, sequence in SimpleFastaParser(io.StringIO(text))]
    assert list(proteins.itertuples(index=False, name=None)) == expected


@pytest.mark.skipif(not BERNETT.is_file(), reason="needs ../shared/bernett beside the project")
def test_bernett_proteins_agree_with_biopython():
    proteins = ProteinsDataset(str(BERNETT)).load().frame
    with gzip.open(BERNETT, "rt") as handle:
        expected = list(SimpleFastaParser(handle))
    assert len(proteins) == 11_019
    assert list(proteins.itertuples(index=False, name=None)) == expected


def test_names_of_uniprot_are_kept_beside_the_ids(tmp_path):
    file = tmp_path / "proteins.fasta"
    file.write_text(">sp|P01308|INS_HUMAN Insulin\nMKVL\n>plain\nMKV L\n>sp|P01308|INS_HUMAN\nMKVL\n")
    proteins = clean_proteins(read_fasta(file)).proteins
    assert proteins.to_dict("list") == {
        "Entry": ["P01308", "plain"], "Sequence": ["MKVL", "MKVL"], "Name": ["INS_HUMAN", ""],
    }  # fmt: skip
    file.write_text(">plain\nMKVL\n")
    assert list(clean_proteins(read_fasta(file)).proteins) == ["Entry", "Sequence"]
