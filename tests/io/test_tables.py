import csv
import datetime
import gzip
import itertools
import re
import zipfile

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.errors import InputError
from esm2_amp.io.tables import read_table

PAIR = ("Protein1", "Protein2")


@pytest.fixture
def workbook(tmp_path):
    """Writes sheets of rows to a workbook, and returns its path."""

    def write(**sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / "pairs.xlsx")
        return tmp_path / "pairs.xlsx"

    return write


def test_cells_stay_as_written(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text('Entry,Sequence,Note\nNA,007,\nnull, 1.0 ,"a, ""b"""\n')
    table = read_table(file).frame
    assert table.to_dict("list") == {"Entry": ["NA", "null"], "Sequence": ["007", " 1.0 "], "Note": ["", 'a, "b"']}
    assert set(table.dtypes.astype(str)) == {"str"}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_rows_are_numbered_as_in_the_file_and_blank_ones_are_counted(tmp_path, line_end):
    file = tmp_path / "pairs.csv"
    file.write_bytes(line_end.join(["\ufeffProtein1,Protein2", "P1,P2", "", " , ", "P3,P4", ""]).encode())
    read = read_table(file, PAIR)
    table = read.frame
    assert table.index.to_list() == [2, 5]
    assert table.index.name == "row"
    assert table.loc[5].to_list() == ["P3", "P4"]
    assert (read.file, read.blank_rows) == (str(file), 2)


def test_columns_are_found_whatever_their_case_and_blanks_and_others_left_out(tmp_path):
    file = tmp_path / "pairs.TSV"
    file.write_text("label\tScore\t PROTEIN2 \tprotein1\n1\t.5\tB\tA\n")
    table = read_table(file, PAIR, optional=("Label", "Split")).frame
    assert table.to_dict("list") == {"Protein1": ["A"], "Protein2": ["B"], "Label": ["1"]}


def test_same_table_from_every_format(tmp_path, workbook):
    rows = [["Protein1", "Protein2", "Label"], ["P1", "P2", "1"], ["P3", "P4", "0"]]
    files = [workbook(Pairs=rows)]
    for ending, delimiter in ((".csv", ","), (".tsv", "\t")):
        text = "".join(delimiter.join(row) + "\n" for row in rows).encode()
        files += [tmp_path / f"pairs{ending}", tmp_path / f"pairs{ending}.gz"]
        files[-2].write_bytes(text)
        files[-1].write_bytes(gzip.compress(text))
    expected = pd.DataFrame(rows[1:], columns=rows[0], index=pd.Index([2, 3], name="row"), dtype="str")
    for file in files:
        pd.testing.assert_frame_equal(read_table(file, PAIR, ("Label",)).frame, expected)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1))
def test_any_id_survives_being_written_and_read(tmp_path_factory, ids):
    file = tmp_path_factory.mktemp("ids") / "x.csv"
    with file.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([["Entry", "Sequence"], *([entry, "M"] for entry in ids)])
    assert read_table(file).frame["Entry"].to_list() == ids


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".txt.gz"])
@pytest.mark.parametrize(
    ("separator", "row"),
    [
        *itertools.product([",", "\t", ";"], ["P1{0}P2{0}1", '"P1"{0}"P2"{0}1', "P1{0}P2 {0}1\n", " P1{0}P2{0}1"]),
        *((" ", row) for row in ("P1 P2 1", "P1  P2 1 ", " P1 P2 1\n")),
    ],
)
def test_cells_may_be_separated_otherwise_than_the_ending_says(tmp_path, ending, separator, row):
    file = tmp_path / f"pairs{ending}"
    text = "".join(line.format(separator) + "\n" for line in ("Protein1{0}Protein2{0}Label", row)).encode()
    file.write_bytes(gzip.compress(text) if ending.endswith(".gz") else text)
    assert read_table(file, PAIR, ("Label",)).frame.loc[2].str.strip().to_list() == ["P1", "P2", "1"]


@pytest.mark.parametrize("mark", ["utf-16", "utf-8-sig"])
def test_text_as_excel_writes_it_is_read(tmp_path, mark):
    file = tmp_path / "pairs.txt"
    file.write_bytes("Protein1\tProtein2\r\nP1\tβ-actin\r\n".encode(mark))
    assert read_table(file, PAIR).frame.loc[2].to_list() == ["P1", "β-actin"]


ABOVE = {
    "a title": ["Table S3. Candidate pairs"],
    "a title, its row filled up": ["Table S3. Candidate pairs,,"],
    "a title of several cells": ['"Table S3, candidates",of 2024,'],
    "blank rows": ["", " , , "],
    "a title, a blank row and a remark": ["Table S3", "", "# made on a Monday"],
    "a remark of two lines": ['"made on\na Monday"'],
    "the mark of Excel": ["sep=,"],
}


@pytest.mark.parametrize("above", ABOVE.values(), ids=ABOVE)
@pytest.mark.parametrize("last", ["P3,P4,0", "P3,P4,0\n", '"P3","P4",0'])
def test_header_may_stand_below_other_rows(tmp_path, above, last):
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join([*above, "Protein1,Protein2,Label", "P1,P2,1", last]) + "\n")
    read = read_table(file, PAIR, ("Label",)).frame
    assert read.to_numpy().tolist() == [["P1", "P2", "1"], ["P3", "P4", "0"]]
    first = file.read_text().split("\n").index("P1,P2,1") + 1
    assert read.index.to_list() == [first, first + 1]


@pytest.mark.parametrize("above", [[["Table S3. Candidate pairs"]], [[], ["Table S3", None, None, "page 1"], []]])
def test_header_of_a_sheet_may_stand_below_other_rows(workbook, above, caplog):
    with caplog.at_level("INFO"):
        read = read_table(workbook(Pairs=[*above, ["Protein1", "Protein2"], ["P1", "P2"]]), PAIR).frame
    row = len(above) + 1
    assert read.loc[row + 1].to_list() == ["P1", "P2"]
    assert f"(sheet 'Pairs') has its header in row {row}, and is read from there" in caplog.text


def test_first_row_may_hold_data_where_its_columns_are_known(tmp_path, workbook, caplog):
    file, rows = tmp_path / "pairs.tsv", [["P1", "P2", "x"], ["P3", "P4", "y"]]
    file.write_text("".join("\t".join(row) + "\n" for row in rows))
    for path in (file, workbook(Pairs=rows)):
        with caplog.at_level("INFO"):
            read = read_table(path, PAIR, columns_of_first_row=lambda cells: PAIR if cells == rows[0] else ())
        assert read.frame.to_numpy().tolist() == [["P1", "P2"], ["P3", "P4"]]
        assert read.frame.index.to_list() == [1, 2]
        assert "has no header: its first columns are taken for Protein1, Protein2" in caplog.text
        caplog.clear()


def test_empty_cells_beyond_the_header_are_passed_over(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("Protein1,Protein2\nP1,P2,,\nP3,P4, \n")
    assert read_table(file, PAIR).frame.to_numpy().tolist() == [["P1", "P2"], ["P3", "P4"]]


def test_row_is_where_a_cell_of_several_lines_begins(tmp_path):
    file = tmp_path / "x.csv"
    file.write_text('Entry,Note\nP1,"two\nlines"\nP2,x\n')
    assert read_table(file).frame.index.to_list() == [2, 4]


def test_numbers_in_excel_are_written_without_a_point(workbook):
    file = workbook(Pairs=[["Protein1", "Protein2", "Label"], [12345, 12345.0, 1], ["NA", 0.5, True], [None, "x", 0]])
    assert read_table(file, PAIR, ("Label",)).frame.to_numpy().tolist() == [
        ["12345", "12345", "1"],
        ["NA", "0.5", "TRUE"],
        ["", "x", "0"],
    ]


def test_only_sheet_with_the_columns_is_read(workbook):
    file = workbook(Read_me=[["About"], ["pairs of 2020"]], Empty=[], Pairs=[[], ["protein1", "Protein2"], ["A", "B"]])
    table = read_table(file, PAIR).frame
    assert table.loc[3].to_list() == ["A", "B"]


@pytest.mark.parametrize(
    ("sheets", "words"),
    [
        ({"One": [PAIR, ("A", "B")], "Two": [PAIR, ("A", "B")]}, "got 2 among the sheets 'One', 'Two'; keep one"),
        ({"One": [("Entry",), ("A",)], "Two": [("x",), ("A",)]}, "got 0 among the sheets 'One', 'Two'"),
        ({"One": [("Entry",), ("A",)], "Two": []}, "lacks Protein1, Protein2, got 'Entry'"),
        ({"One": [PAIR], "Two": []}, "(sheet 'One') must have a header and at least one row, got only a header"),
        ({"One": [], "Two": []}, "got empty sheets only"),
        ({"One": [PAIR, ("A", "B", "C")]}, "cell C2: must stand below a header, got 'C'; remove it"),
        ({"One": [PAIR, ("A", "#N/A")]}, "cell B2: must hold a value, got Excel's error #N/A"),
    ],
)
def test_sheets_that_cannot_be_read(workbook, sheets, words):
    with pytest.raises(InputError, match=re.escape(words)):
        read_table(workbook(**sheets), PAIR)


def test_dates_are_told_only_where_they_would_be_ids(workbook):
    date = datetime.datetime(2024, 9, 7)
    file = workbook(Pairs=[["When", *PAIR], [date, "P1", date], [date, date, "P2"]])
    with pytest.raises(InputError) as raised:
        read_table(file, PAIR)
    assert "has 2 problems" in str(raised.value)
    for cell in ("C2", "B3"):
        assert f"cell {cell}: must hold text, got 2024-09-07 00:00:00: a spreadsheet turned it" in str(raised.value)


def test_formula_without_a_stored_value_names_its_cell(workbook):
    file = workbook(Pairs=[PAIR, ("P1", "P2"), ("P3", '="P"&4'), ("P5", None)])
    with pytest.raises(InputError, match="cell B3: must hold a value, got a formula without one; open and save"):
        read_table(file, PAIR)


def test_stored_value_of_a_formula_is_read(workbook):
    file = workbook(Pairs=[PAIR, ("P1", '="P"&2')])
    with zipfile.ZipFile(file) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    # As Excel stores it: type str, the formula, its value.
    stored = re.sub(rb'<c r="B2"[^>]*>(<f>.*?</f>)<v ?/?>(</v>)?', rb'<c r="B2" t="str">\1<v>P2</v>', sheet)
    assert stored != sheet
    parts["xl/worksheets/sheet1.xml"] = stored
    with zipfile.ZipFile(file, "w") as book:
        for name, data in parts.items():
            book.writestr(name, data)
    assert read_table(file, PAIR).frame.loc[2].to_list() == ["P1", "P2"]


def test_wrong_stored_size_of_a_sheet_hides_no_rows(workbook):
    file = workbook(Pairs=[PAIR, ("P1", "P2"), ("P3", "P4")])
    with zipfile.ZipFile(file) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"].replace(b'ref="A1:B3"', b'ref="A1:A2"')
    with zipfile.ZipFile(file, "w") as book:
        for name, data in parts.items():
            book.writestr(name, data)
    assert len(read_table(file, PAIR).frame) == 2
