"""Tables of text, from CSV, TSV and Excel files, exactly as written: no guessing of numbers or missing values."""

import csv
import io
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, ending_of, listed, read_utf8, shown
from esm2_amp.io.plain_csv import read_plain
from esm2_amp.io.table_rows import (
    Header,
    NumberedRow,
    Rows,
    WantedColumns,
    filled_rows,
    find_header,
    header_of_first_row,
    is_filled,
    missing_columns,
    upper_rows,
)

logger = logging.getLogger(__name__)

TABLE_ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".xlsx")
"""Endings of the tables that can be read."""

_SEPARATORS: Final = {",": "commas", "\t": "tabs", ";": "semicolons", " ": "blanks"}
_HEAD: Final = 1 << 20
"""Bytes at the beginning of a text among which its header is looked for."""


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
        As `of_first_row` of `esm2_amp.io.table_rows.WantedColumns`; by default a table must have a header.

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
    ending, wanted = ending_of(path, TABLE_ENDINGS), WantedColumns(required, optional, columns_of_first_row)
    if ending == ".xlsx":
        from esm2_amp.io.sheets import read_sheet

        header, rows = read_sheet(path, wanted)
    else:
        text = read_utf8(path)
        separator, header = _layout(shown(path), text, "," if ending.startswith(".csv") else "\t", wanted)
        header.log(shown(path))
        plain = read_plain(text, separator, header.row, len(header.cells), header.places)
        if plain is not None:
            return SourceTable(plain, shown(path))
        rows = _split_rows(shown(path), text.decode(), separator, header)
    columns = {name: [cells[place] for cells in rows.cells] for name, place in header.places.items()}
    frame = pd.DataFrame(columns, index=pd.Index(rows.numbers, name="row"), dtype="str")
    return SourceTable(frame, shown(path), rows.blank)


def _layout(name: str, text: bytes, usual: str, wanted: WantedColumns) -> tuple[str, Header]:
    """What separates the cells of a text, and its header: by the usual separator if that gives one, or another."""
    separators = dict.fromkeys([usual, *_SEPARATORS]) if wanted.required else [usual]
    heads = {separator: rows for separator in separators if (rows := _head(text, separator))}
    for find in (find_header, header_of_first_row):
        for separator, rows in heads.items():
            if (header := find(name, rows, wanted)) is not None:
                if separator != usual:
                    logger.info("%s is separated by %s", name, _SEPARATORS[separator])
                return separator, header
    if not heads:
        raise InputError(
            f"{name} must have a header and at least one row, got nothing; check that it was written whole"
        )
    raise missing_columns(name, max((rows[0][1] for rows in heads.values()), key=len), wanted)


def _head(text: bytes, separator: str) -> list[NumberedRow]:
    lines = io.StringIO(text[:_HEAD].decode(errors="replace"), newline="")
    with _long_cells():
        return upper_rows(_separated(lines, separator, strict=False))


def _separated(lines: Iterable[str], separator: str, *, strict: bool) -> Iterator[NumberedRow]:
    """Rows, numbered by their last lines."""
    if separator == " ":
        yield from enumerate(map(str.split, lines), start=1)
        return
    reader = csv.reader(lines, delimiter=separator, strict=strict)
    for cells in reader:
        yield reader.line_num, cells


def _split_rows(name: str, text: str, separator: str, header: Header) -> Rows:
    """Any table of text, row by row: slower and larger in memory than `read_plain`, but it finds each mistake."""
    lines = io.StringIO(text, newline="")
    for _ in range(header.row):
        next(lines)
    last = header.row

    def numbered() -> Iterator[NumberedRow]:
        nonlocal last
        for line, cells in _separated(lines, separator, strict=True):
            yield last + 1, cells
            last = header.row + line

    try:
        with _long_cells():
            rows = filled_rows(name, numbered())
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
        if len(cells) < width or is_filled(cells[width:])
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
