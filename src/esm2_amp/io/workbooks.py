"""Excel workbooks that read well: one table a sheet, headers in place, numbers rounded for the eye only."""

import math
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd
from kedro.io import DatasetError
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from esm2_amp.files import write_atomically
from esm2_amp.io.local import LocalDataset

_HEADER: Final = {
    "font": Font(bold=True),
    "fill": PatternFill("solid", fgColor="DDE6EE"),
    "alignment": Alignment(wrap_text=True, vertical="center", horizontal="center"),
}
_PROBABILITY: Final = re.compile("(^|[a-z])[PQ]$")
_SMALL = 0.001
_WIDEST = 60
_SHEET_NAME = 31


class WorkbookDataset(LocalDataset[pd.DataFrame | dict[str, pd.DataFrame], NoReturn]):
    """A table, or tables by the name of their sheet, with widths, headers that stay in place, and formats of numbers.

    Parameters
    ----------
    filepath : str
        Where it lies.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, filepath: str, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)

    def save(self, data: pd.DataFrame | dict[str, pd.DataFrame]) -> None:
        """Write the workbook."""
        sheets = {"Table": data} if isinstance(data, pd.DataFrame) else data
        content = BytesIO()  # what openpyxl can't write to the end it closes late, with a traceback of its own
        with pd.ExcelWriter(content, "openpyxl") as writer:
            for name, table in sheets.items():
                table.to_excel(writer, sheet_name=name[:_SHEET_NAME], index=False)
                _lay_out(writer.sheets[name[:_SHEET_NAME]], table)
        write_atomically(self._filepath, content.getvalue())

    def load(self) -> NoReturn:
        """Raise DatasetError: workbooks are written only."""
        raise DatasetError("WorkbookDataset is written only")


def number_format(name: str, values: pd.Series) -> str:
    """How Excel shows the fractions of a column; the cells keep all digits.

    Parameters
    ----------
    name : str
        Of the column: `P`, `Q`, and such as `SegmentsP`, are p-values and q-values.
    values : Series of float

    Returns
    -------
    style : str
        Scientific for p-values, q-values and very small numbers; else so many decimals that the largest has three
        digits, and two at least.
    """
    largest = values[np.isfinite(values)].abs().max()
    if _PROBABILITY.search(name) or 0 < largest < _SMALL:
        return "0.0E+00"
    decimals = 2 if pd.isna(largest) or largest == 0 else max(2, 2 - math.floor(math.log10(largest)))
    return f"0.{decimals * '0'}"


def _lay_out(sheet: Any, table: pd.DataFrame) -> None:
    for column, name in enumerate(table.columns, start=1):
        cells = table[name].map(lambda value: f"{value:.2f}" if isinstance(value, float) else str(value))
        width = max(cells.str.len().max() if len(cells) else 0, *(len(word) for word in str(name).split()))
        sheet.column_dimensions[get_column_letter(column)].width = min(width + 3, _WIDEST)
        style = number_format(str(name), table[name]) if pd.api.types.is_float_dtype(table[name]) else None
        for row, cell in enumerate(sheet[get_column_letter(column)]):
            if row == 0:
                for what, look in _HEADER.items():
                    setattr(cell, what, look)
            elif style:
                cell.number_format = style
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = sheet.dimensions
