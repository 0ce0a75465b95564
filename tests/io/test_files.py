import errno
import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError
from matplotlib.figure import Figure

from esm2_amp.errors import InputError
from esm2_amp.files import listed, read_text, replacing_file, shown, write_atomically
from esm2_amp.io.arrays import LabelledArray, LabelledArrayDataset
from esm2_amp.io.figures import FigureDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.io.sites import SitesDataset
from esm2_amp.io.workbooks import WorkbookDataset


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


@pytest.mark.parametrize("fails", [False, True])
def test_file_takes_its_place_whole_or_not_at_all(tmp_path, fails):
    path = tmp_path / "new" / "array.npz"
    write_atomically(path, b"old")
    (path.parent / ".array.npz.1.part").write_bytes(b"of a killed process")
    with pytest.raises(ZeroDivisionError) if fails else nullcontext(), replacing_file(path) as part:
        part.write_bytes(b"new, half")
        assert path.read_bytes() == b"old"
        part.write_bytes(b"new" if not fails else bytes(1 // 0))
    assert path.read_bytes() == (b"old" if fails else b"new")
    assert list(path.parent.iterdir()) == [path]


def test_file_that_cannot_be_written_names_the_reason(tmp_path):
    with (
        pytest.raises(InputError, match=r"x\.npz could not be written: No space left on device; free some space"),
        replacing_file(tmp_path / "x.npz") as part,
    ):
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def figure():
    drawn = Figure(figsize=(1, 1))
    drawn.subplots()
    return drawn


@pytest.mark.parametrize(
    ("dataset", "data"),
    [
        (LabelledArrayDataset, LabelledArray(np.arange(2), {"pair": np.array(["a", "b"])})),
        (WorkbookDataset, {"regions": pd.DataFrame({"a": [1]})}),
        (SitesDataset, pd.DataFrame({"Entry": ["P1"], "Segment": [0]})),
        (ProteinsDataset, pd.DataFrame({"Entry": ["P1"], "Sequence": ["MK"]})),
        (FigureDataset, figure()),
    ],
)
def test_interrupted_save_leaves_the_earlier_file(tmp_path, monkeypatch, dataset, data):
    ending = {ProteinsDataset: ".fasta", FigureDataset: ""}.get(dataset, ".x")
    saved = dataset(filepath=str(tmp_path / f"file{ending}"))
    saved.save(data)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DatasetError, match="could not be written: No space left"):
        saved.save(data)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
