import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from esm2_amp.io.arrays import LabelledArray, LabelledArrayDataset
from esm2_amp.io.sites import SitesDataset


def test_array_comes_back_with_its_axes(tmp_path):
    values = np.random.default_rng(0).random((2, 3), dtype=np.float32)
    axes = {"pair": np.array(["P1-P2", "P3-P4"]), "feature": np.arange(3)}
    dataset = LabelledArrayDataset(filepath=str(tmp_path / "new/array.npz"))
    dataset.save(LabelledArray(values, axes))
    found = dataset.load()
    np.testing.assert_array_equal(found.array, values)
    assert list(found.axes) == ["pair", "feature"]
    assert {name: labels.tolist() for name, labels in found.axes.items()} == {
        "pair": ["P1-P2", "P3-P4"],
        "feature": [0, 1, 2],
    }
    with np.load(tmp_path / "new/array.npz") as stored:  # without the project
        assert stored["axes"].tolist() == ["pair", "feature"]


def test_sites_come_back_and_may_be_missing(tmp_path):
    dataset = SitesDataset(str(tmp_path / "sites.csv"), optional=True)
    assert dataset.exists()
    assert dataset.load() is None
    dataset.save(pd.DataFrame({"Entry": ["NA", "007"], "Family": [1, 2], "Segment": [0, 9]}))
    found = dataset.load()
    assert found["Entry"].tolist() == ["NA", "007"]
    assert found["Segment"].tolist() == [0, 9]


def test_site_outside_the_ten_segments(tmp_path):
    (tmp_path / "sites.csv").write_text("Entry,Segment\nP1,3\nP2,10\n")
    with pytest.raises(DatasetError, match=r"sites.csv row 3: Segment must be one of 0, 1, .* got '10'"):
        SitesDataset(str(tmp_path / "sites.csv")).load()


def test_residues_of_sites_come_back_as_numbers(tmp_path):
    dataset = SitesDataset(str(tmp_path / "sites.csv"))
    sites = pd.DataFrame({"Entry": ["P1"], "Segment": [3], "Start": [31], "End": [40]})
    dataset.save(sites)
    found = dataset.load()
    assert found.to_dict("list") == sites.to_dict("list")
    assert (found.dtypes[["Segment", "Start", "End"]] == "int64").all()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("P2,3,0,9", "Start must be the number of a residue, from 1, got '0'"),
        ("P2,3,4,-1", "End must be the number of a residue, from 1, got '-1'"),
        ("P2,3,9,4", "End must be at least Start, got 4 and 9"),
    ],
)
def test_site_without_residues(tmp_path, row, words):
    (tmp_path / "sites.csv").write_text(f"Entry,Segment,Start,End\nP1,3,1,5\n{row}\n")
    with pytest.raises(DatasetError, match=f"sites.csv row 3: {words}"):
        SitesDataset(str(tmp_path / "sites.csv")).load()
