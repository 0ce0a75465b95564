import doctest
from pathlib import Path

import pandas as pd
import pytest
from kedro.io.core import DatasetError

from esm2_amp.io import pairs as pairs_module
from esm2_amp.io.pairs import PairsDataset, columns_of_first_row

BERNETT = Path(__file__).parents[2] / "../shared/bernett"


def test_label_is_read_where_there_is_one(tmp_path):
    (tmp_path / "labelled.csv").write_text("Protein1,Protein2,Label,Source\nP1,P2,1,x\n")
    (tmp_path / "plain.csv").write_text("Source,Protein1,Protein2\nx,P1,P2\n")
    assert list(PairsDataset(str(tmp_path / "labelled.csv")).load().frame) == ["Protein1", "Protein2", "Label"]
    assert list(PairsDataset(str(tmp_path / "plain.csv")).load().frame) == ["Protein1", "Protein2"]


HEADERLESS = {
    "D-SCRIPT": ("pairs.tsv", "362663.ECP_3406\t362663.ECP_4448\t1.0\n362663.ECP_0442\t362663.ecp:ECP_0985\t0.0\n"),
    "blanks": ("pairs.txt", "P01308 P0DP23 1\nP01308 P62826 0\n"),
    "two columns": ("pairs.csv", "P01308,P0DP23\nP01308,P62826\n"),
    "scores": ("pairs.tsv", "INS\tCALM\t0.93\nINS\tMYC\t0.1\n"),
    "counts": ("pairs.csv", "3630,801,1\n3630,5901,0\n"),
}


@pytest.mark.parametrize(("name", "text"), HEADERLESS.values(), ids=HEADERLESS)
def test_pairs_may_stand_without_a_header(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    read = PairsDataset(str(tmp_path / name)).load().frame
    rows = [line.replace(",", " ").split() for line in text.splitlines()]
    labelled = len(rows[0]) > 2 and rows[0][2] in ("1", "1.0")
    assert list(read) == ["Protein1", "Protein2", "Label"][: 2 + labelled]
    assert read.to_numpy().tolist() == [row[: 2 + labelled] for row in rows]
    assert read.index.to_list() == [1, 2]


def test_pairs_of_string_are_read(tmp_path):
    file = tmp_path / "9606.protein.links.v12.0.txt"
    file.write_text("protein1 protein2 combined_score\n9606.ENSP00000000233 9606.ENSP00000356607 173\n")
    read = PairsDataset(str(file)).load().frame
    assert read.to_dict("index") == {2: {"Protein1": "9606.ENSP00000000233", "Protein2": "9606.ENSP00000356607"}}


def test_pairs_of_psi_mi_tab_are_read(tmp_path):
    file = tmp_path / "intact.txt"
    file.write_text(
        "#ID(s) interactor A\tID(s) interactor B\tAlt. ID(s) interactor A\tInteraction detection method(s)\n"
        'uniprotkb:P01308\tchebi:"CHEBI:15996"\tintact:EBI-7090529|uniprotkb:Q5EEX2\tpsi-mi:"MI:0018"(two hybrid)\n'
    )
    read = PairsDataset(str(file)).load().frame
    assert read.to_dict("index") == {2: {"Protein1": "uniprotkb:P01308", "Protein2": 'chebi:"CHEBI:15996"'}}


def test_blanks_in_a_header_separate_no_cells(tmp_path):
    (tmp_path / "pairs.tsv").write_text("name of A\tname of B\nx\ty\n")
    with pytest.raises(DatasetError, match="got 'name of A', 'name of B';"):
        PairsDataset(str(tmp_path / "pairs.tsv")).load()


@pytest.mark.parametrize(
    "cells",
    [
        ["Protein A", "Protein B"],
        ["ProteinA", "ProteinB", "Label"],
        ["uniprot1", "uniprot2"],
        ["id_1", "id_2"],
        ["gene1", "gene2", "score"],
        ["INS", "CALM"],
        ["0", "1", "2"],
        ["P01308;P0DP23;0", "95"],
        ["Table 3", "of 2024"],
        ["", "P01308", "1"],
        ["P01308"],
    ],
)
def test_first_row_that_may_be_a_header_is_no_pair(cells):
    assert not columns_of_first_row(cells)


def test_examples_of_the_docstrings():
    found = doctest.testmod(pairs_module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ({}, "examples.csv"),
        ({"filepath": "mine.csv", "not_for": ["a.fasta", None]}, "mine.csv"),
        ({"not_for": ["a.fasta", None]}, None),
        ({"not_for": [None, "a.h5"]}, None),
        ({"not_for": [None, None]}, "examples.csv"),
    ],
)
def test_examples_are_read_only_with_their_own_proteins(tmp_path, monkeypatch, given, file):
    monkeypatch.chdir(tmp_path)
    for name in ("examples.csv", "mine.csv"):
        Path(name).write_text(f"Protein1,Protein2\n{name},P2\n")
    pairs = PairsDataset(**given, examples="examples.csv").load()
    assert (pairs.frame["Protein1"].item() if pairs else None) == file


@pytest.mark.skipif(not BERNETT.is_dir(), reason="needs ../shared/bernett beside the project")
@pytest.mark.parametrize(("split", "pairs"), [("train", 163_192), ("validation", 59_260), ("test", 52_048)])
def test_bernett_pairs_agree_with_pandas(split, pairs):
    file = BERNETT / f"{split}_pairs.csv.gz"
    read = PairsDataset(str(file)).load().frame
    assert len(read) == pairs
    expected = pd.read_csv(file, dtype="str", keep_default_na=False)
    pd.testing.assert_frame_equal(read.reset_index(drop=True), expected)
    assert read.index[[0, -1]].to_list() == [2, pairs + 1]
