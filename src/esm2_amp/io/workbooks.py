"""Excel workbooks that read well: one table a sheet, headers in place, numbers rounded for the eye only."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import pandas as pd
from kedro.io import DatasetError
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from esm2_amp.files import replacing_file
from esm2_amp.io.local import LocalDataset

_HEADER: Final = {
    "font": Font(bold=True),
    "fill": PatternFill("solid", fgColor="DDE6EE"),
    "alignment": Alignment(wrap_text=True, vertical="center", horizontal="center"),
}
_WIDEST = 60
_SHEET_NAME = 31


class WorkbookDataset(LocalDataset[dict[str, pd.DataFrame], NoReturn]):
    """Tables by the name of their sheet.

    Parameters
    ----------
    filepath : str
        Where it lies.
    number_format : str
        How Excel shows fractions; the cells keep all digits.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self, *, filepath: str, number_format: str = "0.00", metadata: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._number_format = number_format

    def save(self, data: dict[str, pd.DataFrame]) -> None:
        """Write the workbook."""
        with (
            replacing_file(self._filepath) as part,
            part.open("wb") as file,
            pd.ExcelWriter(file, "openpyxl") as writer,
        ):
            for name, table in data.items():
                table.to_excel(writer, sheet_name=name[:_SHEET_NAME], index=False)
                self._lay_out(writer.sheets[name[:_SHEET_NAME]], table)

    def _lay_out(self, sheet: Any, table: pd.DataFrame) -> None:
        for column, name in enumerate(table.columns, start=1):
            cells = table[name].map(lambda value: f"{value:.2f}" if isinstance(value, float) else str(value))
            width = max(cells.str.len().max() if len(cells) else 0, *(len(word) for word in str(name).split()))
            sheet.column_dimensions[get_column_letter(column)].width = min(width + 3, _WIDEST)
            is_fraction = pd.api.types.is_float_dtype(table[name])
            for row, cell in enumerate(sheet[get_column_letter(column)]):
                if row == 0:
                    for what, style in _HEADER.items():
                        setattr(cell, what, style)
                elif is_fraction:
                    cell.number_format = self._number_format
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = sheet.dimensions

    def load(self) -> NoReturn:
        """Raise DatasetError: workbooks are written only."""
        raise DatasetError("WorkbookDataset is written only")
