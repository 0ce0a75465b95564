"""Tables in Excel workbooks, read as text."""

import datetime
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from esm2_amp.errors import InputError
from esm2_amp.files import listed, shown
from esm2_amp.io.table_rows import (
    Header,
    NumberedRow,
    Rows,
    WantedColumns,
    filled_rows,
    find_header,
    header_of_first_row,
    missing_columns,
    text_of,
    upper_rows,
)

_DATES = (datetime.date, datetime.time, datetime.timedelta)


def read_sheet(path: Path, wanted: WantedColumns) -> tuple[Header, Rows]:
    """The header and the rows of the only sheet that has the wanted columns, their cells as text.

    Parameters
    ----------
    path : Path
        A workbook in the format .xlsx.
    wanted : WantedColumns
        The columns to read.

    Raises
    ------
    InputError
        The file isn't such a workbook, no sheet or several have the columns, or a cell is a date, an error, a formula
        that was never computed, or beside the table.
    """
    from openpyxl.utils import get_column_letter

    with _workbook(path, stored_values=True) as book:
        sheet, header = _choose_sheet(shown(path), book, wanted)
        name = f"{shown(path)} (sheet {sheet!r})"
        header.log(name)
        rows = _rows_below(name, book[sheet], header)
    places = header.places.values()
    # A formula that was never computed reads as an empty cell: a second look tells them apart.
    formulas = _formulas(path, sheet) if any(cells[i] is None for cells in rows.cells for i in places) else set()
    problems = [
        f"{name} cell {cell}: {problem}"
        for row, cells in zip(rows.numbers, rows.cells, strict=True)
        for i in places
        if (problem := _cell_problem(cells[i], (cell := f"{get_column_letter(i + 1)}{row}") in formulas))
    ]
    if problems:
        raise listed(shown(path), problems)
    return header, rows._replace(cells=[list(map(text_of, cells)) for cells in rows.cells])


@contextmanager
def _workbook(path: Path, *, stored_values: bool) -> Iterator[Any]:
    """A workbook open for reading its cells' stored values, or else their formulas."""
    import openpyxl

    with path.open("rb") as file:
        start = file.read(4)
        if start == b"\xd0\xcf\x11\xe0":
            raise InputError(
                f"{shown(path)} must be an .xlsx workbook, got an old or password-protected Excel file; "
                "save it as .xlsx without a password"
            )
        if start != b"PK\x03\x04":
            got = "other data; give the name the ending of what it is" if start else "an empty file"
            raise InputError(f"{shown(path)} must be an Excel workbook as its ending says, got {got}")
    with warnings.catch_warnings():
        # openpyxl warns of styles and validations that it drops; only cells are read here.
        warnings.simplefilter("ignore", UserWarning)
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=stored_values)
            try:
                yield book
            finally:
                book.close()
        except (BadZipFile, KeyError, EOFError, OSError, ParseError, TypeError) as error:
            raise InputError(f"{shown(path)} can't be opened as an Excel workbook; open and save it again") from error


def _numbered(sheet: Any) -> Iterator[NumberedRow]:
    # Some programs store a wrong size of the sheet, and openpyxl would stop there.
    sheet.reset_dimensions()
    return enumerate(sheet.iter_rows(values_only=True), start=1)


def _choose_sheet(name: str, book: Any, wanted: WantedColumns) -> tuple[str, Header]:
    heads = {sheet.title: rows for sheet in book.worksheets if (rows := upper_rows(_numbered(sheet)))}
    if not heads:
        raise InputError(f"{name} must have a header and at least one row, got empty sheets only")
    names = {title: f"{name} (sheet {title!r})" for title in heads}
    found: dict[str, Header] = {}
    for find in (find_header, header_of_first_row):
        found = found or {
            title: header for title, rows in heads.items() if (header := find(names[title], rows, wanted)) is not None
        }
    if len(found) == 1:
        return next(iter(found.items()))
    if len(heads) == 1:
        ((title, rows),) = heads.items()
        raise missing_columns(names[title], rows[0][1], wanted)
    which = f"with the columns {', '.join(wanted.required)}" if wanted.required else "with cells"
    raise InputError(
        f"{name} must have exactly one sheet {which}, got {len(found)} among the sheets "
        f"{', '.join(map(repr, heads))}; keep one, or save it as CSV"
    )


def _rows_below(name: str, sheet: Any, header: Header) -> Rows:
    """The rows below the header, all of its width."""
    from openpyxl.utils import get_column_letter

    rows = filled_rows(name, islice(_numbered(sheet), header.row, None))
    width = max(i for i, cell in enumerate(header.cells, start=1) if cell)
    beside = [
        f"{name} cell {get_column_letter(i)}{number}: must stand below a header, got {text_of(cell)!r}; remove it"
        for number, cells in zip(rows.numbers, rows.cells, strict=True)
        for i, cell in enumerate(cells[width:], start=width + 1)
        if cell is not None
    ]
    if beside:
        raise listed(name, beside)
    return rows._replace(cells=[[*cells[:width], *[None] * (width - len(cells))] for cells in rows.cells])


def _formulas(path: Path, sheet: str) -> set[str]:
    """Names of the cells of a sheet that hold formulas."""
    with _workbook(path, stored_values=False) as book:
        book[sheet].reset_dimensions()
        return {cell.coordinate for row in book[sheet].iter_rows() for cell in row if cell.data_type == "f"}


def _cell_problem(value: object, is_formula: bool) -> str | None:
    from openpyxl.cell.cell import ERROR_CODES

    if isinstance(value, _DATES):
        return f"must hold text, got {value}: a spreadsheet turned it into a date; format it as text and retype it"
    if isinstance(value, str) and value in ERROR_CODES:
        return f"must hold a value, got Excel's error {value}; correct its formula"
    if value is None and is_formula:
        return "must hold a value, got a formula without one; open and save the file in Excel, or paste values"
    return None
