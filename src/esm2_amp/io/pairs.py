"""Pairs of proteins as users bring them."""

from pathlib import Path

import pandas as pd

from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_table


class PairsDataset(InputFileDataset[pd.DataFrame]):
    """Pairs of proteins from a CSV, TSV or Excel table, with or without labels.

    Loads as a DataFrame of str as found in the file: `Protein1`, `Protein2` and, where the file has it, `Label`; index
    `row` (1-based row in the file); `attrs` with the `file`'s name for messages and the `blank_rows` skipped. It is not
    validated: `esm2_amp.validation.clean_pairs` does that.
    """

    def _read(self, path: Path) -> pd.DataFrame:
        return read_table(path, required=("Protein1", "Protein2"), optional=("Label",))
