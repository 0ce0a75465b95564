"""Rows of tables, whatever file they come from: which is the header, where the columns are, which rows are blank."""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from esm2_amp.errors import InputError

logger = logging.getLogger(__name__)

_HEADER_WITHIN: Final = 20
"""Rows among which the header is looked for."""

_PSI_MI_TAB: Final = {
    "#id(s) interactor a": "protein1",
    "id(s) interactor a": "protein1",
    "id(s) interactor b": "protein2",
}
"""What the columns of both partners are called in the format of IntAct, MINT and BioGRID."""

NumberedRow = tuple[int, Sequence[Any]]
"""The number of a row in the file, of a row of several lines that of the last one; and its cells."""


class WantedColumns(NamedTuple):
    """The columns to read.

    Attributes
    ----------
    required, optional : sequence of str
        Their names; without any, all columns are wanted.
    of_first_row : callable
        For a table in which no header is found: takes the cells of its first row, and gives the names of its first
        columns where that row already holds data, or else none.
    """

    required: Sequence[str]
    optional: Sequence[str]
    of_first_row: Callable[[list[str]], Sequence[str]]


class Header(NamedTuple):
    """Where the rows of a table begin, and where its columns are.

    Attributes
    ----------
    row : int
        Number of the header in the file, whose rows are below it; 0 where there is no header.
    cells : list of str
        The cells of the header, or else of the first row.
    places : dict of int
        0-based places of the wanted columns by their names.
    """

    row: int
    cells: list[str]
    places: dict[str, int]

    def log(self, name: str) -> None:
        """Log where the header is, unless it is the first row."""
        if self.row == 0:
            logger.info("%s has no header: its first columns are taken for %s", name, ", ".join(self.places))
        elif self.row > 1:
            logger.info("%s has its header in row %s, and is read from there", name, self.row)


class Rows(NamedTuple):
    """The rows of a table that aren't blank, their numbers in the file, and how many are blank."""

    numbers: list[int]
    cells: list[Sequence[Any]]
    blank: int


def upper_rows(rows: Iterable[NumberedRow]) -> list[NumberedRow]:
    """The upper rows that aren't blank, among which the header is."""
    return list(islice((row for row in rows if is_filled(row[1])), _HEADER_WITHIN))


def filled_rows(name: str, rows: Iterable[NumberedRow]) -> Rows:
    """The rows below a header.

    Raises
    ------
    InputError
        There are none; `name` is the table's for the message.
    """
    numbers, filled, blank = [], [], 0
    for number, cells in rows:
        if is_filled(cells):
            numbers.append(number)
            filled.append(cells)
        else:
            blank += 1
    if not filled:
        raise no_rows(name)
    return Rows(numbers, filled, blank)


def no_rows(name: str) -> InputError:
    """The error for a table without rows below its header."""
    return InputError(
        f"{name} must have a header and at least one row, got only a header; check that it was written whole"
    )


def is_filled(cells: Iterable[Any]) -> bool:
    """Whether a cell is more than blanks."""
    return any(cell is not None and str(cell).strip() for cell in cells)


def find_header(name: str, rows: Sequence[NumberedRow], wanted: WantedColumns) -> Header | None:
    """The first of the rows that has all required columns; without any, the first row.

    Raises
    ------
    InputError
        It has a wanted column twice; `name` is the table's for the message.
    """
    for number, cells in rows:
        if set(map(_normalised, wanted.required)) <= set(map(_normalised, cells)):
            return Header(number, [text_of(cell).strip() for cell in cells], _places(name, cells, wanted))
    return None


def header_of_first_row(name: str, rows: Sequence[NumberedRow], wanted: WantedColumns) -> Header | None:
    """The columns of a table without a header, if its first row tells them; takes what `find_header` takes."""
    cells = [text_of(cell).strip() for cell in rows[0][1]] if rows else []
    columns = wanted.of_first_row(cells)
    return Header(0, cells, {column: place for place, column in enumerate(columns)}) if columns else None


def missing_columns(name: str, first_row: Sequence[Any], wanted: WantedColumns) -> InputError:
    """The error for a table that has neither a header nor a first row to read it by."""
    there = set(map(_normalised, first_row))
    missing = [column for column in wanted.required if _normalised(column) not in there]
    return InputError(
        f"{name} must have the columns {', '.join(wanted.required)}, lacks {', '.join(missing)}, got "
        f"{_quoted(first_row)}; add or rename columns, or put a header above the first row if that is none"
    )


def text_of(value: object) -> str:
    """A cell as Excel shows it: no `.0` after whole numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _places(name: str, header: Sequence[Any], wanted: WantedColumns) -> dict[str, int]:
    places: dict[str, list[int]] = {}
    for i, cell in enumerate(header):
        places.setdefault(_normalised(cell), []).append(i)
    columns = [column for column in (*wanted.required, *wanted.optional) if _normalised(column) in places]
    if not (wanted.required or wanted.optional):
        columns = [column for column in dict.fromkeys(text_of(cell).strip() for cell in header) if column]
    twice = [column for column in columns if len(places[_normalised(column)]) > 1]
    if twice:
        raise InputError(
            f"{name} must name each column once, has {', '.join(twice)} twice, got {_quoted(header)}; rename one"
        )
    return {column: places[_normalised(column)][0] for column in columns}


def _quoted(cells: Iterable[Any]) -> str:
    return ", ".join(repr(text_of(cell).strip()) for cell in cells)


def _normalised(cell: object) -> str:
    name = text_of(cell).strip().casefold()
    return _PSI_MI_TAB.get(name, name)
