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
    with pytest.raises(DatasetError, match="written only"):
        dataset.load()


def test_folder_holds_the_figures_of_the_last_run_only(tmp_path):
    dataset = FigureFolderDataset(filepath=str(tmp_path / "donuts"))
    dataset.save({"1-1": drawn(), "0-0": drawn()})
    dataset.save({"1-0": drawn()})
    assert sorted(file.name for file in (tmp_path / "donuts").iterdir()) == ["1-0.pdf", "1-0.png"]


def test_preview_is_the_png_the_first_by_name_of_a_folder(tmp_path):
    figure, folder = (
        FigureDataset(filepath=str(tmp_path / "figure")),
        FigureFolderDataset(filepath=str(tmp_path / "folder")),
    )
    figure.save(drawn())
    folder.save({"b": drawn(), "a": Figure(figsize=(1, 1))})
    for dataset, file in ((figure, "figure.png"), (folder, "folder/a.png")):
        assert b64decode(dataset.preview()) == (tmp_path / file).read_bytes()
