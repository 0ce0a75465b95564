"""Tables by name as one catalog entry: a folder of CSV files."""

from collections.abc import Mapping

import pandas as pd
from typing_extensions import override

from esm2_amp.files import as_file_name, replacing
from esm2_amp.io.local import LocalDataset
from esm2_amp.io.whole_files import CSVDataset


class TableFolderDataset(LocalDataset[Mapping[str, pd.DataFrame], dict[str, pd.DataFrame]]):
    """Tables by name in a folder of their own, `<name>.csv` each, which a later run's take the place of.

    Loads as the tables by the names of their files.
    """

    @override
    def load(self) -> dict[str, pd.DataFrame]:
        return {file.stem: CSVDataset(filepath=file).load() for file in sorted(self._filepath.glob("*.csv"))}

    @override
    def save(self, data: Mapping[str, pd.DataFrame]) -> None:
        with replacing(self._filepath) as folder:
            for name, table in data.items():
                table.to_csv(folder / f"{as_file_name(name)}.csv", index=False, float_format="%.6g")
