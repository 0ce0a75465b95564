"""Tables of text, from CSV, TSV, Excel and Parquet files, exactly as written: no guessing of numbers or gaps."""

import csv
import io
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import Problems, SourceBlocks, SourceTable, ending_of, shown, utf8_chunks
from esm2_amp.io.plain_csv import read_plain
from esm2_amp.io.table_rows import (
    Header,
    NumberedRow,
    WantedColumns,
    find_header,
    header_of_first_row,
    is_filled,
    missing_columns,
    no_rows,
    upper_rows,
)

logger = logging.getLogger(__name__)

TABLE_ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".xlsx", ".parquet")
"""Endings of the tables that can be read."""

_SEPARATORS: Final = {",": "commas", "\t": "tabs", ";": "semicolons", " ": "blanks"}
_HEAD: Final = 1 << 20
"""Bytes at the beginning of a text among which its header is looked for."""

_ROWS_AT_ONCE: Final = 1 << 17
"""Rows of a block where a table is read row by row."""


def read_table(
    path: Path,
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
    columns_of_first_row: Callable[[list[str]], Sequence[str]] = lambda cells: (),
) -> SourceTable:
    """A table as text: the whole of `read_blocks`, which takes the same.

    Returns
    -------
    table : SourceTable
    """
    return read_blocks(path, required, optional, columns_of_first_row).whole()


def read_blocks(
    path: Path,
    required: Sequence[str] = (),
    optional: Sequence[str] = (),
    columns_of_first_row: Callable[[list[str]], Sequence[str]] = lambda cells: (),
) -> SourceBlocks:
    """A table as text, of which so many rows are in memory at a time as fill some megabytes; of Excel, all.

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
    blocks : SourceBlocks
        The columns asked for, named as asked for, in that order; index `row`, for Parquet counted from 1. An empty cell
        is `""`; whole numbers of Excel and Parquet are written without `.0`.

    Raises
    ------
    InputError
        The file can't be read as a table, has no rows, or lacks a required column. What is wrong below the header of
        a text is found when the blocks are read.
    """
    ending, wanted = ending_of(path, TABLE_ENDINGS), WantedColumns(required, optional, columns_of_first_row)
    if ending == ".xlsx":
        from esm2_amp.io.sheets import read_sheet

        header, rows = read_sheet(path, wanted)
        table = _as_table(shown(path), header, rows.numbers, rows.cells, rows.blank)
        return SourceBlocks(shown(path), tuple(header.places), lambda: iter([table]))
    if ending == ".parquet":
        from esm2_amp.io.parquet import read_parquet

        return read_parquet(path, wanted)
    start = next(utf8_chunks(path))
    separator, header = _layout(shown(path), start, "," if ending.startswith(".csv") else "\t", wanted)
    header.log(shown(path))
    return SourceBlocks(shown(path), tuple(header.places), lambda: _text_blocks(path, separator, header))


def _text_blocks(path: Path, separator: str, header: Header) -> Iterator[SourceTable]:
    """The rows of a text: parts in which every line is a row at once, from the first other part on row by row."""
    above, chunks = 0, utf8_chunks(path)
    for chunk in chunks:
        skip = 0 if above else header.row
        plain = read_plain(chunk, separator, skip, len(header.cells), header.places, above)
        if plain is None:
            yield from _split_rows(path, chain([chunk], chunks), separator, header, above)
            return
        yield SourceTable(plain, shown(path))
        above += skip + len(plain)


def _as_table(
    name: str, header: Header, numbers: Sequence[int], cells: Sequence[Sequence[str]], blank: int
) -> SourceTable:
    columns = {column: [row[place] for row in cells] for column, place in header.places.items()}
    return SourceTable(pd.DataFrame(columns, index=pd.Index(numbers, name="row"), dtype="str"), name, blank)


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
    # a header may have blanks within its cells
    first_rows = [rows[0][1] for separator, rows in heads.items() if separator != " "] or [heads[" "][0][1]]
    raise missing_columns(name, max(first_rows, key=len), wanted)


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


def _split_rows(
    path: Path, chunks: Iterable[bytes], separator: str, header: Header, above: int
) -> Iterator[SourceTable]:
    """Any table of text, row by row: slower and larger in memory than `read_plain`, but it finds each mistake.

    Parameters
    ----------
    path : Path
        The file, for messages.
    chunks : iterable of bytes
        The text from the beginning or from a row of it on; each ends with a whole line.
    separator : str
        What separates its cells.
    header : Header
        Of the table.
    above : int
        Lines above the first chunk; 0 where the header is in it.
    """
    name, width, ragged, found = shown(path), len(header.cells), Problems(shown(path)), above > 0
    lines = (line for chunk in chunks for line in io.StringIO(chunk.decode(), newline=""))
    skipped = 0 if above else header.row
    for _ in range(skipped):
        next(lines)
    rows = _numbered(name, lines, separator, above + skipped)
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        filled = [(number, cells) for number, cells in batch if is_filled(cells)]
        whole = [row for row in filled if len(row[1]) >= width and not is_filled(row[1][width:])]
        found = found or bool(filled)
        ragged.add(
            f"{name} row {number}: must have {width} cells as the {'header' if header.row else 'first row'} has, got "
            f"{len(cells)}; correct the row"
            for number, cells in filled
            if len(cells) < width or is_filled(cells[width:])
        )
        numbers, cells = zip(*whole, strict=True) if whole else ((), ())
        yield _as_table(name, header, numbers, cells, len(batch) - len(filled))
    ragged.raise_any()
    if not found:
        raise no_rows(name)


def _numbered(name: str, lines: Iterable[str], separator: str, above: int) -> Iterator[NumberedRow]:
    """Rows, numbered by their first lines."""
    last = above
    try:
        with _long_cells():
            for line, cells in _separated(lines, separator, strict=True):
                yield last + 1, cells
                last = above + line
    except csv.Error as error:
        raise InputError(
            f"{name} row {last + 1}: a quotation mark must enclose a whole cell and be closed, got {error}; "
            "correct the row"
        ) from error


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be long: the variants of one protein fill more than csv's usual limit."""
    usual = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(usual)
