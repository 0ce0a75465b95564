"""Figures as files."""

from base64 import b64decode

import pytest
from kedro.io import DatasetError
from matplotlib.figure import Figure
from PIL import Image

from esm2_amp.io.figures import FigureDataset, FigureFolderDataset


def drawn():
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("planted")
    return figure


def test_figure_is_written_as_png_of_300_dpi_and_as_pdf_with_truetype_fonts(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "reports/1-1.Motif"))
    assert not dataset.exists()
    dataset.save(drawn())
    assert dataset.exists()
    assert Image.open(tmp_path / "reports/1-1.Motif.png").size == (600, 300)
    assert b"/FontFile2" in (tmp_path / "reports/1-1.Motif.pdf").read_bytes()
    assert dataset.load() == (tmp_path / "reports/1-1.Motif.png").read_bytes()


def test_figure_that_was_not_drawn_loads_as_none_and_an_earlier_one_is_gone(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "figure"))
    assert dataset.load() is None
    dataset.save(drawn())
    dataset.save(Figure())
    assert dataset.load() is None
    assert not list(tmp_path.iterdir())


def test_no_changed_bit_reaches_a_picture(tmp_path):
    dataset, folder = FigureDataset(filepath=str(tmp_path / "a")), FigureFolderDataset(filepath=str(tmp_path))
    dataset.save(drawn())
    content = (tmp_path / "a.png").read_bytes()
    for at in range(0, len(content), 17):
        (tmp_path / "a.png").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        for damaged in (dataset, folder):
            with pytest.raises(DatasetError, match=r"a\.png can't be read"):
                damaged.load()


def test_folder_holds_the_figures_of_the_last_run_only(tmp_path):
    dataset = FigureFolderDataset(filepath=str(tmp_path / "donuts"))
    dataset.save({"P1-P2": drawn(), "sp|Q1|X.2-P/3": drawn()})
    names = sorted(file.name for file in (tmp_path / "donuts").iterdir())
    assert names == ["P1-P2.pdf", "P1-P2.png", "sp_Q1_X.2-P_3.pdf", "sp_Q1_X.2-P_3.png"]
    dataset.save({"1-0": drawn()})
    assert sorted(file.name for file in (tmp_path / "donuts").iterdir()) == ["1-0.pdf", "1-0.png"]
    assert dataset.load() == {"1-0": (tmp_path / "donuts/1-0.png").read_bytes()}


def test_preview_is_the_png_the_first_by_name_of_a_folder(tmp_path):
    figure, folder = (
        FigureDataset(filepath=str(tmp_path / "figure")),
        FigureFolderDataset(filepath=str(tmp_path / "folder")),
    )
    figure.save(drawn())
    folder.save({"b": drawn(), "a": Figure(figsize=(1, 1))})
    for dataset, file in ((figure, "figure.png"), (folder, "folder/a.png")):
        assert b64decode(dataset.preview()) == (tmp_path / file).read_bytes()
