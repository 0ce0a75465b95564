"""Residues of explained pairs as catalog entries: one long table, and files for browsers and molecular graphics."""

from collections.abc import Mapping
from typing import Final, cast

import pandas as pd
from typing_extensions import override

from esm2_amp.files import as_file_name, reading, replacing
from esm2_amp.io.local import LocalDataset
from esm2_amp.io.whole_files import CSVDataset, ParquetDataset

MOST_CSV_ROWS: Final = 1_000_000
"""Rows up to which a long table is written as CSV."""


class LongTableDataset(LocalDataset[pd.DataFrame, pd.DataFrame]):
    """A table as CSV, or from a million rows on as Parquet beside it, `.parquet` in place of `.csv`.

    Names of proteins are read as text, whatever they look like.
    """

    @override
    def load(self) -> pd.DataFrame:
        if (parquet := self._filepath.with_suffix(".parquet")).exists():
            return cast("pd.DataFrame", ParquetDataset(filepath=parquet).load())
        names = dict.fromkeys(("Protein1", "Protein2", "AminoAcid"), "str")
        numbers = {name: [""] for name in ("Attribution", "ScanEffect")}
        options = {"dtype": names, "keep_default_na": False, "na_values": numbers}
        return cast("pd.DataFrame", CSVDataset(filepath=self._filepath, load_args=options).load())

    @override
    def save(self, data: pd.DataFrame) -> None:
        parquet = self._filepath.with_suffix(".parquet")
        if len(data) < MOST_CSV_ROWS:
            options = {"index": False, "float_format": "%.6g"}
            CSVDataset(filepath=self._filepath, save_args=options).save(data)
            parquet.unlink(missing_ok=True)
        else:
            ParquetDataset(filepath=parquet).save(data)
            self._filepath.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._filepath.exists() or self._filepath.with_suffix(".parquet").exists()


class TextFolderDataset(LocalDataset[Mapping[str, str], dict[str, str]]):
    """Texts by the names of their files, in a folder of their own, which a later run's take the place of."""

    @override
    def load(self) -> dict[str, str]:
        with reading(self._filepath):
            return {file.name: file.read_text(encoding="utf-8") for file in sorted(self._filepath.iterdir())}

    @override
    def save(self, data: Mapping[str, str]) -> None:
        with replacing(self._filepath) as folder:
            for name, text in data.items():
                (folder / as_file_name(name)).write_text(text, encoding="utf-8")
