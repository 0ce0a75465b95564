"""Planted sites: the segments and residues that make synthetic proteins interact."""

from pathlib import Path

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import write_atomically
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_table
from esm2_amp.protein import N_SEGMENTS


class SitesDataset(InputFileDataset[pd.DataFrame]):
    """Sites of synthetic proteins, as `synthetic.planted` makes them; saved as CSV.

    Loads as a DataFrame: `Entry`, str; `Segment`, int64, 0-based; where the file has them `Start` and `End`, int64,
    1-based and inclusive. Parameters are those of `InputFileDataset`.
    """

    def _read(self, path: Path) -> pd.DataFrame:
        table = read_table(path, required=("Entry", "Segment"))
        known = [str(segment) for segment in range(N_SEGMENTS)]
        for row, segment in table.frame["Segment"].items():
            if segment not in known:
                raise InputError(
                    f"{table.file} row {row}: Segment must be one of {', '.join(known)}, got {segment!r}; correct it"
                )
        places = [name for name in ("Start", "End") if name in table.frame]
        for name in places:
            for row, place in table.frame[name].items():
                if not (place.isascii() and place.isdigit() and int(place)):
                    raise InputError(
                        f"{table.file} row {row}: {name} must be the number of a residue, from 1, got {place!r}; "
                        "correct it"
                    )
        sites = table.frame.astype(dict.fromkeys(("Segment", *places), "int64"))
        if len(places) > 1 and (turned := sites["End"] < sites["Start"]).any():
            row = sites.index[turned][0]
            raise InputError(
                f"{table.file} row {row}: End must be at least Start, got {sites.loc[row, 'End']} and "
                f"{sites.loc[row, 'Start']}; correct it"
            )
        return sites

    def save(self, data: pd.DataFrame) -> None:
        """Write a table as CSV.

        Parameters
        ----------
        data : DataFrame
            `Entry`, `Segment` and any other columns.
        """
        assert self._filepath is not None
        write_atomically(self._filepath, data.to_csv(index=False).encode())
