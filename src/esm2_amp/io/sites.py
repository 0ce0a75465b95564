"""Planted sites: the segments that make synthetic proteins interact."""

from pathlib import Path

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import write_atomically
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_table
from esm2_amp.protein import N_SEGMENTS


class SitesDataset(InputFileDataset[pd.DataFrame]):
    """Sites of synthetic proteins, as `synthetic.planted` makes them; saved as CSV.

    Loads as a DataFrame: `Entry`, str; `Segment`, int64, 0-based. Parameters are those of `InputFileDataset`.
    """

    def _read(self, path: Path) -> pd.DataFrame:
        table = read_table(path, required=("Entry", "Segment"))
        known = [str(segment) for segment in range(N_SEGMENTS)]
        for row, segment in table.frame["Segment"].items():
            if segment not in known:
                raise InputError(
                    f"{table.file} row {row}: Segment must be one of {', '.join(known)}, got {segment!r}; correct it"
                )
        return table.frame.astype({"Segment": "int64"})

    def save(self, data: pd.DataFrame) -> None:
        """Write a table as CSV.

        Parameters
        ----------
        data : DataFrame
            `Entry`, `Segment` and any other columns.
        """
        assert self._filepath is not None
        write_atomically(self._filepath, data.to_csv(index=False).encode())
