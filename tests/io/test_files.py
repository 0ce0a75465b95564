from pathlib import Path

import pytest
from kedro.io import DataCatalog, DatasetError

from esm2_amp.errors import InputError
from esm2_amp.files import listed, read_text, shown


def test_file_is_shown_as_typed_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "data" / "pairs.csv") == str(Path("data/pairs.csv"))
    assert shown(tmp_path.parent / "pairs.csv") == str(tmp_path.parent / "pairs.csv")


def test_one_problem_stands_alone_and_many_are_counted():
    assert str(listed("pairs.csv", ["pairs.csv row 2: wrong"])) == "pairs.csv row 2: wrong"
    many = str(listed("pairs.csv", [f"pairs.csv row {i}: wrong" for i in range(25)]))
    assert many.startswith("pairs.csv has 25 problems:\n  pairs.csv row 0: wrong\n")
    assert many.endswith("… and 5 more")


def test_byte_order_mark_is_left_out(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"\xef\xbb\xbfEntry\n")
    assert read_text(file) == "Entry\n"


@pytest.mark.parametrize("data", [b"", b"\n \r\n", b"\xef\xbb\xbf", "\u00a0\n".encode()])
def test_file_without_text_is_empty(tmp_path, data):
    (tmp_path / "x.fasta").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.fasta is empty; check"):
        read_text(tmp_path / "x.fasta")


def test_line_of_a_wrong_byte_counts_behind_a_byte_order_mark(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"\xef\xbb\xbfEntry\nP1\nP\xff\n")
    with pytest.raises(InputError, match=r"x\.csv line 3, byte 0xFF: the text must be UTF-8"):
        read_text(file)


@pytest.mark.parametrize(
    "dataset", ["proteins.ProteinsDataset", "pairs.PairsDataset", "published_features.PublishedFeaturesDataset"]
)
def test_file_left_out_loads_as_none(dataset):
    config = {"type": f"esm2_amp.io.{dataset}", "filepath": None, "metadata": {"kedro-viz": {"layer": "raw"}}}
    catalog = DataCatalog.from_config({"optional": config})
    assert catalog.load("optional") is None
    assert catalog.exists("optional")


def test_optional_file_that_is_missing_loads_as_none(tmp_path):
    config = {"type": "esm2_amp.io.pairs.PairsDataset", "filepath": str(tmp_path / "pairs.csv"), "optional": True}
    catalog = DataCatalog.from_config({"optional": config})
    assert catalog.load("optional") is None
    assert catalog.exists("optional")


def test_input_is_read_only_and_exists_when_the_file_does(tmp_path):
    (tmp_path / "pairs.csv").write_text("Protein1,Protein2\nP1,P2\n")
    config = {"type": "esm2_amp.io.pairs.PairsDataset", "filepath": str(tmp_path / "pairs.csv")}
    catalog = DataCatalog.from_config({"pairs": config})
    assert catalog.exists("pairs")
    with pytest.raises(DatasetError, match="PairsDataset is read only"):
        catalog.save("pairs", catalog.load("pairs"))
    assert (tmp_path / "pairs.csv").read_text() == "Protein1,Protein2\nP1,P2\n"
