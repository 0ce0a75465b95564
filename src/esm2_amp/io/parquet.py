"""Parquet files as tables of text, as `esm2_amp.io.tables` reads others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from esm2_amp.errors import InputError
from esm2_amp.files import SourceBlocks, SourceTable, shown
from esm2_amp.io.checked_parquet import check_parquet
from esm2_amp.io.table_rows import Header, WantedColumns, find_header, missing_columns, no_rows, text_of

_ROWS_AT_ONCE: Final = 1 << 17


def read_parquet(path: Path, wanted: WantedColumns) -> SourceBlocks:
    """The wanted columns as text, block by block, rows counted from 1.

    Parameters
    ----------
    path : Path
        An existing file.
    wanted : WantedColumns
        Found by their names, which are the header. Columns must hold text or numbers; what is missing is `""`.

    Raises
    ------
    InputError
        The file is damaged or no Parquet, has no rows, lacks a column or holds other values in one.
    """
    name = shown(path)
    try:
        check_parquet(path)
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from error
    header = find_header(name, [(0, schema.names)], wanted)
    if header is None:
        raise missing_columns(name, schema.names, wanted)
    if not rows:
        raise no_rows(name)
    for column, place in header.places.items():
        if not _is_text_or_number(kind := schema.types[place]):
            raise InputError(f"{name}: {column} must hold text or numbers, got {kind}; write it as text")
    return SourceBlocks(name, tuple(header.places), lambda: _blocks(path, name, schema, header))


def _blocks(path: Path, name: str, schema: pa.Schema, header: Header) -> Iterator[SourceTable]:
    columns, first = [schema.names[place] for place in header.places.values()], 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                frame = pd.DataFrame({
                    column: _as_text(batch.column(own)) for column, own in zip(header.places, columns, strict=True)
                })  # fmt: skip
                yield SourceTable(frame.set_axis(pd.RangeIndex(first, first + len(frame), name="row")), name)
                first += len(frame)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(name, error) from error


def _is_text_or_number(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        fits(kind)
        for fits in (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating,
                     pa.types.is_boolean)
    )  # fmt: skip


def _as_text(cells: pa.Array) -> pd.Series:
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_floating(cells.type) or pa.types.is_boolean(cells.type):
        return pd.Series([text_of(value) for value in cells.to_pylist()], dtype="str")
    text = pc.fill_null(pc.cast(cells, pa.large_string()), "")
    return pd.Series(pd.array(text, dtype=pd.StringDtype(na_value=float("nan"))))


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(f"{name} must be a whole Parquet file as its ending says ({error}); write or fetch it again")
