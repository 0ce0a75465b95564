"""Workbooks as Excel shows them."""

import openpyxl
import pandas as pd

from esm2_amp.io.workbooks import WorkbookDataset


def test_sheets_keep_all_digits_and_show_two(tmp_path):
    table = pd.DataFrame({"Region type": ["Motif"], "Top, rank 1 (% of pairs)": [33.46511]})
    WorkbookDataset(filepath=str(tmp_path / "reports/book.xlsx")).save({"Hit rates 1-1": table, "Empty": table.head(0)})
    book = openpyxl.load_workbook(tmp_path / "reports/book.xlsx")
    assert book.sheetnames == ["Hit rates 1-1", "Empty"]
    sheet = book["Hit rates 1-1"]
    assert (sheet["B2"].value, sheet["B2"].number_format) == (33.46511, "0.00")
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.bold
    assert sheet.column_dimensions["A"].width >= len("Region")
