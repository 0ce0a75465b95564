"""Planted sites: the segments and residues that make synthetic proteins interact."""

from pathlib import Path

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import write_atomically
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_table
from esm2_amp.protein import N_SEGMENTS

_PLACES = ("Start", "End")


class SitesDataset(InputFileDataset[pd.DataFrame]):
    """Sites of synthetic proteins, as `synthetic.planted` makes them; saved as CSV.

    Loads as a DataFrame: `Entry`, str; `Segment`, int64, 0-based; where the file has them `Start` and `End`, int64,
    1-based and inclusive. Parameters are those of `InputFileDataset`.
    """

    def _read(self, path: Path) -> pd.DataFrame:
        table = read_table(path, required=("Entry", "Segment"), optional=_PLACES)
        known = [str(segment) for segment in range(N_SEGMENTS)]
        for row, segment in table.frame["Segment"].items():
            if segment not in known:
                raise InputError(
                    f"{table.file} row {row}: Segment must be one of {', '.join(known)}, got {segment!r}; correct it"
                )
        return _with_places(table.frame.astype({"Segment": "int64"}), table.file)

    def save(self, data: pd.DataFrame) -> None:
        """Write a table as CSV.

        Parameters
        ----------
        data : DataFrame
            `Entry`, `Segment` and any other columns.
        """
        assert self._filepath is not None
        write_atomically(self._filepath, data.to_csv(index=False).encode())


def _with_places(sites: pd.DataFrame, file: str) -> pd.DataFrame:
    """The sites with the numbers of their residues, where they have any."""
    places = [name for name in _PLACES if name in sites]
    for name in places:
        for row, place in sites[name].items():
            if not (place.isascii() and place.isdigit() and int(place)):
                raise InputError(
                    f"{file} row {row}: {name} must be the number of a residue, from 1, got {place!r}; correct it"
                )
    sites = sites.astype(dict.fromkeys(places, "int64"))
    if len(places) == len(_PLACES):
        for row, start, end in sites[places].itertuples():
            if end < start:
                raise InputError(f"{file} row {row}: End must be at least Start, got {end} and {start}; correct it")
    return sites
