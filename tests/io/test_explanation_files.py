import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from matplotlib.figure import Figure
from PIL import Image

from esm2_amp.io.arrays import LabelledArray, LabelledArrayDataset
from esm2_amp.io.figures import FigureDataset, FigureFolderDataset
from esm2_amp.io.sites import SitesDataset


def drawn():
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("Token importance")
    return figure


def test_figure_is_written_for_screen_and_print(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "new/bars"))
    dataset.save(drawn())
    assert dataset.exists()
    with Image.open(tmp_path / "new/bars.png") as picture:
        assert picture.size == (600, 300)
    printed = (tmp_path / "new/bars.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert b"/Type3" not in printed  # journals refuse Type 3 fonts


def test_figure_that_shows_nothing_takes_the_old_one_away(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "bars"))
    for figure, files in ((drawn(), ["bars.pdf", "bars.png"]), (Figure(), [])):
        dataset.save(figure)
        assert sorted(file.name for file in tmp_path.iterdir()) == files


def test_folder_holds_the_figures_of_the_last_run_only(tmp_path):
    dataset = FigureFolderDataset(filepath=str(tmp_path / "maps"))
    dataset.save({"P1-P2": drawn(), "sp|Q1|X.2-P/3": drawn()})
    names = sorted(file.name for file in (tmp_path / "maps").iterdir())
    assert names == ["P1-P2.pdf", "P1-P2.png", "sp_Q1_X.2-P_3.pdf", "sp_Q1_X.2-P_3.png"]
    dataset.save({"P3-P4": drawn()})
    assert sorted(file.name for file in (tmp_path / "maps").iterdir()) == ["P3-P4.pdf", "P3-P4.png"]


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
