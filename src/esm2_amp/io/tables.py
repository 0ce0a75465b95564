"""Tables of text, from CSV, TSV and Excel files, exactly as written: no guessing of numbers or missing values."""

import csv
import datetime
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, ending_of, listed, read_utf8, shown
from esm2_amp.io.plain_csv import read_plain

TABLE_ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".xlsx")
"""Endings of the tables that can be read."""

_DATES = (datetime.date, datetime.time, datetime.timedelta)


class _Grid(NamedTuple):
    """The cells of one table, blank rows left out; `numbers` are their rows in the file, the header's first."""

    where: str
    numbers: list[int]
    rows: list[Sequence[Any]]
    blank: int


def read_table(path: Path, required: Sequence[str] = (), optional: Sequence[str] = ()) -> SourceTable:
    """A table as text.

    Parameters
    ----------
    path : Path
        A file that ends in one of `TABLE_ENDINGS`.
    required, optional : sequence of str
        Columns to read, found whatever their case and the blanks around them. Without any, all columns are read.

    Returns
    -------
    table : SourceTable
        The columns asked for, named as asked for, in that order; index `row`. An empty cell is `""`; numbers of an
        Excel sheet are written without `.0`.

    Raises
    ------
    InputError
        The file can't be read as a table, has no rows, or lacks a required column.
    """
    ending = ending_of(path, TABLE_ENDINGS)
    if ending == ".xlsx":
        return _read_workbook(path, required, optional)
    text, delimiter = read_utf8(path), "\t" if ending.startswith(".tsv") else ","
    frame = read_plain(text, delimiter, lambda header: _find_columns(shown(path), header, required, optional))
    if frame is not None:
        return SourceTable(frame, shown(path))
    grid = _delimited_grid(shown(path), text.decode(), delimiter)
    at = _find_columns(grid.where, grid.rows[0], required, optional)
    return _source_table(path, grid, {name: [row[i] for row in grid.rows[1:]] for name, i in at.items()})


def _source_table(path: Path, grid: _Grid, columns: dict[str, list[str]]) -> SourceTable:
    frame = pd.DataFrame(columns, index=pd.Index(grid.numbers[1:], name="row"), dtype="str")
    return SourceTable(frame, shown(path), grid.blank)


def _delimited_grid(name: str, text: str, delimiter: str) -> _Grid:
    """Any delimited table, row by row: slower and larger in memory than `read_plain`, but it finds each mistake."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row = 1

    def numbered() -> Iterator[tuple[int, Sequence[str]]]:
        nonlocal row
        for cells in reader:
            yield row, cells
            row = reader.line_num + 1

    try:
        with _long_cells():
            grid = _grid(name, numbered())
    except csv.Error as error:
        raise InputError(
            f"{name} row {row}: a quotation mark must enclose a whole cell and be closed, got {error}; correct the row"
        ) from error
    width = len(grid.rows[0])
    ragged = [
        f"{name} row {number}: must have {width} cells as the header has, got {len(cells)}; correct the row"
        for number, cells in zip(grid.numbers, grid.rows, strict=True)
        if len(cells) != width
    ]
    if ragged:
        raise listed(name, ragged)
    return grid


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be long: the variants of one protein fill more than csv's usual limit."""
    usual = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _grid(where: str, rows: Iterable[tuple[int, Sequence[Any]]]) -> _Grid:
    grid, blank = _Grid(where, [], [], 0), 0
    for number, cells in rows:
        if any(cell is not None and str(cell).strip() for cell in cells):
            grid.numbers.append(number)
            grid.rows.append(cells)
        else:
            blank += 1
    if len(grid.rows) <= 1:
        got = "only a header" if grid.rows else "nothing"
        raise InputError(f"{where} must have a header and at least one row, got {got}; check that it was written whole")
    return grid._replace(blank=blank)


def _normalised(name: object) -> str:
    return _text(name).strip().casefold()


def _find_columns(
    where: str, first_row: Sequence[Any], required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    """Where each wanted column stands; all of them where none is asked for."""
    header = [_text(name).strip() for name in first_row]
    places: dict[str, list[int]] = {}
    for i, name in enumerate(header):
        places.setdefault(_normalised(name), []).append(i)
    found = f"got {', '.join(repr(name) for name in header)}"
    missing = [name for name in required if _normalised(name) not in places]
    if missing:
        raise InputError(
            f"{where} must have the columns {', '.join(required)}, lacks {', '.join(missing)}, {found}; "
            f"add or rename columns{_separator_hint(header)}"
        )
    wanted = [name for name in (*required, *optional) if _normalised(name) in places]
    if not (required or optional):
        wanted = [name for name in dict.fromkeys(header) if name]
    twice = [name for name in wanted if len(places[_normalised(name)]) > 1]
    if twice:
        raise InputError(f"{where} must name each column once, has {', '.join(twice)} twice, {found}; rename one")
    return {name: places[_normalised(name)][0] for name in wanted}


def _separator_hint(header: list[str]) -> str:
    for separator, name in ((";", "semicolons"), ("\t", "tabs (end its name in .tsv)"), (",", "commas (.csv)")):
        if len(header) == 1 and separator in header[0]:
            return f", or separate the cells as the file's ending says: these seem separated by {name}"
    return ""


# ---- Excel


def _read_workbook(path: Path, required: Sequence[str], optional: Sequence[str]) -> SourceTable:
    from openpyxl.utils import get_column_letter

    with _workbook(path, stored_values=True) as book:
        sheet = _choose_sheet(shown(path), book, required)
        grid = _sheet_grid(f"{shown(path)} (sheet {sheet!r})", book[sheet])
    at = _find_columns(grid.where, grid.rows[0], required, optional)
    cells = {name: [row[i] for row in grid.rows[1:]] for name, i in at.items()}
    # A formula that was never computed reads as an empty cell: a second look tells them apart.
    formulas = _formulas(path, sheet) if any(None in column for column in cells.values()) else set()
    problems = [
        f"{grid.where} cell {cell}: {problem}"
        for row, values in zip(grid.numbers[1:], zip(*cells.values(), strict=True), strict=True)
        for i, value in zip(at.values(), values, strict=True)
        if (problem := _cell_problem(value, (cell := f"{get_column_letter(i + 1)}{row}") in formulas))
    ]
    if problems:
        raise listed(shown(path), problems)
    return _source_table(path, grid, {name: [_text(value) for value in column] for name, column in cells.items()})


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
        # openpyxl tells of styles and validations that it drops; only cells are read here.
        warnings.simplefilter("ignore", UserWarning)
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=stored_values)
            try:
                yield book
            finally:
                book.close()
        except (BadZipFile, KeyError, EOFError, OSError, ParseError, TypeError) as error:
            raise InputError(f"{shown(path)} can't be opened as an Excel workbook; open and save it again") from error


def _rows(sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    # Some programs store a wrong size of the sheet, and openpyxl would stop there.
    sheet.reset_dimensions()
    return enumerate(sheet.iter_rows(values_only=True), start=1)


def _choose_sheet(name: str, book: Any, required: Sequence[str]) -> str:
    """The only sheet with cells, or else the only one that has the required columns."""
    headers: dict[str, list[str]] = {}
    for sheet in book.worksheets:
        for _, cells in _rows(sheet):
            if any(cell is not None for cell in cells):
                headers[sheet.title] = [_normalised(cell) for cell in cells]
                break
    if len(headers) == 1:
        return next(iter(headers))
    if not headers:
        raise InputError(f"{name} must have a header and at least one row, got empty sheets only")
    fitting = [title for title, header in headers.items() if {_normalised(c) for c in required} <= set(header)]
    if len(fitting) != 1:
        which = f"with the columns {', '.join(required)}" if required else "with cells"
        raise InputError(
            f"{name} must have exactly one sheet {which}, got {len(fitting)} among the sheets "
            f"{', '.join(repr(title) for title in headers)}; keep one, or save it as CSV"
        )
    return fitting[0]


def _sheet_grid(where: str, sheet: Any) -> _Grid:
    from openpyxl.utils import get_column_letter

    grid = _grid(where, _rows(sheet))
    width = max(i for i, cell in enumerate(grid.rows[0], start=1) if cell is not None)
    wide = [
        f"{where} cell {get_column_letter(i)}{number}: must stand below a header, got {_text(cell)!r}; remove it"
        for number, cells in zip(grid.numbers, grid.rows, strict=True)
        for i, cell in enumerate(cells[width:], start=width + 1)
        if cell is not None
    ]
    if wide:
        raise listed(where, wide)
    return grid._replace(rows=[[*cells[:width], *[None] * (width - len(cells))] for cells in grid.rows])


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


def _text(value: object) -> str:
    """An Excel cell as its reader sees it: no `.0` after whole numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
