"""Plain CSV and TSV, read at once by pyarrow: the common case, in which every line is a row.

Other tables are left to `esm2_amp.io.tables`, which reads them row by row and can say which one is wrong. Quotation
marks are not left to pyarrow: it reads `"a"b` as `ab`, which is a mistake that must be reported.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from esm2_amp.files import BYTE_ORDER_MARK

_PLAIN_CELL: Final = '(?:[^"]*|"[^"]*")'
"""No quotation mark, or one at each end."""

_VISIBLE: Final = "[!-~]"


class _NotPlainError(Exception):
    """The text is not a plain table."""


def read_plain(
    text: bytes, delimiter: str, skip: int, width: int, places: Mapping[str, int], above: int = 0
) -> pd.DataFrame | None:
    r"""The wanted columns of a table in which every line is a row, and all have the same number of cells.

    Parameters
    ----------
    text : bytes
        Checked UTF-8 without a byte order mark; a whole table, or a part of one that begins and ends with whole lines.
    delimiter : str
        One character.
    skip : int
        Lines before the first row, the header among them.
    width : int
        Cells of a row.
    places : mapping of int
        The wanted columns by name with their 0-based places.
    above : int
        Lines of the file above the text.

    Returns
    -------
    frame : DataFrame of str, or None
        The cells; index `row`, the 1-based line. None for any other text: with rows that are blank or of other widths,
        with line ends, delimiters or quotation marks in quoted cells, with `\r` alone as line end, or without rows.
    """
    try:
        table = _parsed(text, delimiter, skip, width, list(places.values()))
    except (_NotPlainError, pa.ArrowException):
        return None
    as_text = {pa.large_string(): pd.StringDtype(na_value=np.nan)}
    frame: pd.DataFrame = table.rename_columns(list(places)).to_pandas(types_mapper=as_text.get)
    first = above + skip + 1
    return frame.set_axis(pd.RangeIndex(first, first + len(frame), name="row"))


def _parsed(text: bytes, delimiter: str, skip: int, width: int, wanted: Sequence[int]) -> pa.Table:
    """The wanted columns in their order, named by their places."""
    # pyarrow would drop a second byte order mark, which is part of the first cell.
    if text.startswith(BYTE_ORDER_MARK) or text.count(b"\r") != text.count(b"\r\n"):
        raise _NotPlainError
    # A quoted cell of a column that isn't wanted could hold delimiters, too.
    read = range(width) if b'"' in text else wanted
    names = [str(place) for place in range(width)]
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(column_names=names, skip_rows=skip),
        csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()),
            include_columns=[names[place] for place in read],
            check_utf8=False,
        ),
    )
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    if not table.num_rows or table.num_rows != lines - skip:
        raise _NotPlainError
    unquoted = {name: _without_quotes(table[name]) for name in table.column_names}
    chosen = pa.table({names[place]: unquoted[names[place]] for place in wanted})
    if _may_have_blank_rows(chosen):
        raise _NotPlainError
    return chosen


def _without_quotes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pc.any(pc.match_substring(column, '"')).as_py():
        return column
    if not pc.all(pc.match_substring_regex(column, rf"\A{_PLAIN_CELL}\z")).as_py():
        raise _NotPlainError
    return pc.utf8_trim(column, '"')


def _may_have_blank_rows(table: pa.Table) -> bool:
    """Whether a row has no visible character in any column, as far as ASCII goes."""
    visible = pa.scalar(False)
    for column in table.columns:
        visible = pc.or_(visible, pc.match_substring_regex(column, _VISIBLE))
        if pc.all(visible).as_py():
            return False
    return True
