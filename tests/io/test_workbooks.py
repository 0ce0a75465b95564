"""Workbooks as Excel shows them."""

import gc
import resource
import signal
import sys

import openpyxl
import pandas as pd
import pytest
from kedro.io import DatasetError

from esm2_amp.io.workbooks import WorkbookDataset, number_format


def test_sheets_keep_all_digits_and_show_two(tmp_path):
    table = pd.DataFrame({"RegionType": ["Motif"], "TopRank1Percent": [33.46511]})
    WorkbookDataset(filepath=str(tmp_path / "reports/book.xlsx")).save({"Hit rates 1-1": table, "Empty": table.head(0)})
    book = openpyxl.load_workbook(tmp_path / "reports/book.xlsx")
    assert book.sheetnames == ["Hit rates 1-1", "Empty"]
    sheet = book["Hit rates 1-1"]
    assert (sheet["B2"].value, sheet["B2"].number_format) == (33.46511, "0.00")
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.bold
    assert sheet.column_dimensions["A"].width >= len("RegionType")


@pytest.mark.parametrize(
    ("name", "values", "style"),
    [
        ("Q", [0.0006, 0.98], "0.0E+00"),
        ("SegmentsP", [0.5], "0.0E+00"),
        ("Importance", [0.0561, 0.0009], "0.0000"),
        ("Importance", [0.12, float("nan")], "0.000"),
        ("Importance", [-0.0002, 0.0001], "0.0E+00"),
        ("CoveragePercent", [100.0, 0.1], "0.00"),
        ("Fold", [float("inf"), 1.25], "0.00"),
        ("Empty", [float("nan")], "0.00"),
        ("Zero", [0.0], "0.00"),
    ],
)
def test_numbers_have_as_many_digits_as_say_something(name, values, style):
    assert number_format(name, pd.Series(values)) == style


def test_q_values_are_shown_in_powers_of_ten(tmp_path):
    table = pd.DataFrame({"Region": ["Motif"], "Q": [0.0006], "Pairs": [60]})
    WorkbookDataset(filepath=str(tmp_path / "book.xlsx")).save(table)
    (sheet,) = openpyxl.load_workbook(tmp_path / "book.xlsx").worksheets
    assert (sheet["B2"].value, sheet["B2"].number_format) == (0.0006, "0.0E+00")
    assert (sheet["C2"].value, sheet["C2"].number_format) == (60, "General")
    assert sheet.freeze_panes == "A2"


def test_a_full_disk_is_told_by_a_message_alone(tmp_path, monkeypatch):
    """Nothing is left open that fails again when it is collected."""
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
    try:
        with pytest.raises(DatasetError, match=r"table\.xlsx .*could not be written"):
            WorkbookDataset(filepath=str(tmp_path / "table.xlsx")).save(pd.DataFrame({"x": range(3)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    gc.collect()
    assert not unraisable
    assert not list(tmp_path.iterdir())
