"""Tables of text, from CSV, TSV and Excel files, exactly as written: no guessing of numbers or missing values."""

import csv
import datetime
import io
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, ending_of, listed, read_utf8, shown
from esm2_amp.io.plain_csv import read_plain

logger = logging.getLogger(__name__)

TABLE_ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".xlsx")
"""Endings of the tables that can be read."""

_SEPARATORS: Final = {",": "commas", "\t": "tabs", ";": "semicolons", " ": "blanks"}
_HEADER_WITHIN: Final = 20
"""Rows among which the header is looked for."""
_HEAD: Final = 1 << 20
"""Bytes of a file that these rows are taken from."""
_DATES = (datetime.date, datetime.time, datetime.timedelta)

_NumberedRow = tuple[int, Sequence[Any]]
"""The cells of a row, and its number in the file; of a row of several lines the last line."""


class _Wanted(NamedTuple):
    """The columns to read, as `read_table` takes them."""

    required: Sequence[str]
    optional: Sequence[str]
    of_first_row: Callable[[list[str]], Sequence[str]]


class _Header(NamedTuple):
    """Where the rows of a table begin, and where its columns are.

    Attributes
    ----------
    row : int
        Number of the header in the file, the rows being below it; 0 where there is no header.
    cells : list of str
        Of the header, or else of the first row.
    places : dict of int
        0-based places of the wanted columns by their names.
    """

    row: int
    cells: list[str]
    places: dict[str, int]


class _Rows(NamedTuple):
    """The rows of a table below its header, blank ones left out, and their numbers in the file."""

    numbers: list[int]
    cells: list[Sequence[Any]]
    blank: int


def read_table(
    path: Path,
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
    columns_of_first_row: Callable[[list[str]], Sequence[str]] = lambda cells: (),
) -> SourceTable:
    """A table as text.

    Parameters
    ----------
    path : Path
        A file that ends in one of `TABLE_ENDINGS`. Text may be separated by commas, tabs, semicolons or blanks.
    required, optional : sequence of str
        Columns to read, found whatever their case and the blanks around them. The header is the first of the upper
        rows that has all the required ones; what stands above it isn't read. Without any names the first row is the
        header, and all columns are read.
    columns_of_first_row : callable
        For a table in which no header is found: takes the cells of its first row, and gives the names of its first
        columns where that row already holds data, or else none.

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
    ending, wanted = ending_of(path, TABLE_ENDINGS), _Wanted(required, optional, columns_of_first_row)
    if ending == ".xlsx":
        return _read_workbook(path, wanted)
    text, usual = read_utf8(path), "," if ending.startswith(".csv") else "\t"
    separator, header = _layout(shown(path), text, usual, wanted)
    if separator != usual:
        logger.info("%s is separated by %s", shown(path), _SEPARATORS[separator])
    _log_header(shown(path), header)
    frame = read_plain(text, separator, header.row, len(header.cells), header.places)
    if frame is not None:
        return SourceTable(frame, shown(path))
    rows = _split_rows(shown(path), text.decode(), separator, header)
    return _source_table(path, rows, {name: [cells[i] for cells in rows.cells] for name, i in header.places.items()})


def _source_table(path: Path, rows: _Rows, columns: Mapping[str, list[str]]) -> SourceTable:
    frame = pd.DataFrame(columns, index=pd.Index(rows.numbers, name="row"), dtype="str")
    return SourceTable(frame, shown(path), rows.blank)


# ---- headers


def _layout(name: str, text: bytes, usual: str, wanted: _Wanted) -> tuple[str, _Header]:
    """What separates the cells of a text, and its header: by the usual separator if that gives one, or another."""
    heads = {usual: _head(text, usual)}
    if wanted.required:
        heads |= {separator: _head(text, separator) for separator in _SEPARATORS if separator != usual}
    for find in (_find_header, _header_of_first_row):
        for separator, rows in heads.items():
            if (header := find(name, rows, wanted)) is not None:
                return separator, header
    raise _without_header(name, max((rows[0][1] for rows in heads.values() if rows), key=len), wanted)


def _head(text: bytes, separator: str) -> list[_NumberedRow]:
    """The upper rows of a text that aren't blank."""
    lines = io.StringIO(text[:_HEAD].decode(errors="replace"), newline="")
    with _long_cells():
        return _upper(_separated(lines, separator, strict=False))


def _upper(rows: Iterable[_NumberedRow]) -> list[_NumberedRow]:
    """The upper rows that aren't blank."""
    return list(islice((row for row in rows if _is_filled(row[1])), _HEADER_WITHIN))


def _separated(lines: Iterable[str], separator: str, *, strict: bool) -> Iterator[_NumberedRow]:
    if separator == " ":
        yield from enumerate(map(str.split, lines), start=1)
        return
    reader = csv.reader(lines, delimiter=separator, strict=strict)
    for cells in reader:
        yield reader.line_num, cells


def _is_filled(cells: Iterable[Any]) -> bool:
    return any(cell is not None and str(cell).strip() for cell in cells)


def _find_header(name: str, rows: Sequence[_NumberedRow], wanted: _Wanted) -> _Header | None:
    """The first row with all required columns; without any, the first row."""
    for number, cells in rows:
        if {_normalised(column) for column in wanted.required} <= {_normalised(cell) for cell in cells}:
            return _Header(number, [_text(cell).strip() for cell in cells], _places(name, cells, wanted))
    return None


def _header_of_first_row(name: str, rows: Sequence[_NumberedRow], wanted: _Wanted) -> _Header | None:
    """The columns of a table without a header."""
    cells = [_text(cell).strip() for cell in rows[0][1]] if rows else []
    columns = wanted.of_first_row(cells)
    if not columns:
        return None
    return _Header(0, cells, {column: place for place, column in enumerate(columns)})


def _log_header(name: str, header: _Header) -> None:
    """Log where the header is, unless it is the first row."""
    if header.row == 0:
        logger.info("%s has no header: its first columns are taken for %s", name, ", ".join(header.places))
    elif header.row > 1:
        logger.info("%s has its header in row %s, and is read from there", name, header.row)


def _places(name: str, header: Sequence[Any], wanted: _Wanted) -> dict[str, int]:
    """Where each wanted column stands; all of them where none is asked for."""
    places: dict[str, list[int]] = {}
    for i, cell in enumerate(header):
        places.setdefault(_normalised(cell), []).append(i)
    columns = [column for column in (*wanted.required, *wanted.optional) if _normalised(column) in places]
    if not (wanted.required or wanted.optional):
        columns = [column for column in dict.fromkeys(_text(cell).strip() for cell in header) if column]
    twice = [column for column in columns if len(places[_normalised(column)]) > 1]
    if twice:
        raise InputError(
            f"{name} must name each column once, has {', '.join(twice)} twice, got {_quoted(header)}; rename one"
        )
    return {column: places[_normalised(column)][0] for column in columns}


def _without_header(name: str, first_row: Sequence[Any], wanted: _Wanted) -> InputError:
    there = {_normalised(cell) for cell in first_row}
    missing = [column for column in wanted.required if _normalised(column) not in there]
    return InputError(
        f"{name} must have the columns {', '.join(wanted.required)}, lacks {', '.join(missing)}, got "
        f"{_quoted(first_row)}; add or rename columns, or put a header above the first row if that is none"
    )


def _quoted(cells: Iterable[Any]) -> str:
    return ", ".join(repr(_text(cell).strip()) for cell in cells)


def _normalised(name: object) -> str:
    return _text(name).strip().casefold()


# ---- rows of text


def _split_rows(name: str, text: str, separator: str, header: _Header) -> _Rows:
    """Any table of text, row by row: slower and larger in memory than `read_plain`, but it finds each mistake."""
    lines = io.StringIO(text, newline="")
    for _ in range(header.row):
        next(lines)
    last = header.row

    def numbered() -> Iterator[_NumberedRow]:
        nonlocal last
        for line, cells in _separated(lines, separator, strict=True):
            yield last + 1, cells
            last = header.row + line

    try:
        with _long_cells():
            rows = _filled_rows(name, numbered())
    except csv.Error as error:
        raise InputError(
            f"{name} row {last + 1}: a quotation mark must enclose a whole cell and be closed, got {error}; "
            "correct the row"
        ) from error
    width = len(header.cells)
    ragged = [
        f"{name} row {number}: must have {width} cells as the {'header' if header.row else 'first row'} has, got "
        f"{len(cells)}; correct the row"
        for number, cells in zip(rows.numbers, rows.cells, strict=True)
        if len(cells) < width or _is_filled(cells[width:])
    ]
    if ragged:
        raise listed(name, ragged)
    return rows


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be long: the variants of one protein fill more than csv's usual limit."""
    usual = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _filled_rows(where: str, numbered: Iterable[_NumberedRow]) -> _Rows:
    numbers, filled, blank = [], [], 0
    for number, cells in numbered:
        if _is_filled(cells):
            numbers.append(number)
            filled.append(cells)
        else:
            blank += 1
    if not filled:
        raise InputError(
            f"{where} must have a header and at least one row, got only a header; check that it was written whole"
        )
    return _Rows(numbers, filled, blank)


# ---- Excel


def _read_workbook(path: Path, wanted: _Wanted) -> SourceTable:
    from openpyxl.utils import get_column_letter

    with _workbook(path, stored_values=True) as book:
        sheet, header = _choose_sheet(shown(path), book, wanted)
        where = f"{shown(path)} (sheet {sheet!r})"
        _log_header(where, header)
        rows = _rows_below(where, book[sheet], header)
    columns = {name: [cells[i] for cells in rows.cells] for name, i in header.places.items()}
    # A formula that was never computed reads as an empty cell: a second look tells them apart.
    formulas = _formulas(path, sheet) if any(None in column for column in columns.values()) else set()
    problems = [
        f"{where} cell {cell}: {problem}"
        for row, values in zip(rows.numbers, zip(*columns.values(), strict=True), strict=True)
        for i, value in zip(header.places.values(), values, strict=True)
        if (problem := _cell_problem(value, (cell := f"{get_column_letter(i + 1)}{row}") in formulas))
    ]
    if problems:
        raise listed(shown(path), problems)
    return _source_table(path, rows, {name: [_text(value) for value in column] for name, column in columns.items()})


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


def _numbered(sheet: Any) -> Iterator[_NumberedRow]:
    # Some programs store a wrong size of the sheet, and openpyxl would stop there.
    sheet.reset_dimensions()
    return enumerate(sheet.iter_rows(values_only=True), start=1)


def _choose_sheet(name: str, book: Any, wanted: _Wanted) -> tuple[str, _Header]:
    """The only sheet that has the wanted columns, and its header."""
    heads = {sheet.title: rows for sheet in book.worksheets if (rows := _upper(_numbered(sheet)))}
    if not heads:
        raise InputError(f"{name} must have a header and at least one row, got empty sheets only")
    names = {title: f"{name} (sheet {title!r})" for title in heads}
    found: dict[str, _Header] = {}
    for find in (_find_header, _header_of_first_row):
        found = found or {
            title: header for title, rows in heads.items() if (header := find(names[title], rows, wanted)) is not None
        }
    if len(found) == 1:
        return next(iter(found.items()))
    if len(heads) == 1:
        ((title, rows),) = heads.items()
        raise _without_header(names[title], rows[0][1], wanted)
    which = f"with the columns {', '.join(wanted.required)}" if wanted.required else "with cells"
    raise InputError(
        f"{name} must have exactly one sheet {which}, got {len(found)} among the sheets "
        f"{', '.join(map(repr, heads))}; keep one, or save it as CSV"
    )


def _rows_below(where: str, sheet: Any, header: _Header) -> _Rows:
    """The rows below the header, all of its width."""
    from openpyxl.utils import get_column_letter

    rows = _filled_rows(where, islice(_numbered(sheet), header.row, None))
    width = max(i for i, cell in enumerate(header.cells, start=1) if cell)
    wide = [
        f"{where} cell {get_column_letter(i)}{number}: must stand below a header, got {_text(cell)!r}; remove it"
        for number, cells in zip(rows.numbers, rows.cells, strict=True)
        for i, cell in enumerate(cells[width:], start=width + 1)
        if cell is not None
    ]
    if wide:
        raise listed(where, wide)
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


def _text(value: object) -> str:
    """An Excel cell as its reader sees it: no `.0` after whole numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
