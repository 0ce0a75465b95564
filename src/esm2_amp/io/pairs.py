"""Pairs of proteins as users bring them."""

from pathlib import Path

from esm2_amp.files import SourceTable
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_table


class PairsDataset(InputFileDataset[SourceTable]):
    """Pairs of proteins from a CSV, TSV or Excel table, with or without labels.

    Loads as a SourceTable with the columns `Protein1`, `Protein2` and, where the file has it, `Label`; index `row`. It
    is not validated: `esm2_amp.validation.clean_pairs` does that.
    """

    def _read(self, path: Path) -> SourceTable:
        return read_table(path, required=("Protein1", "Protein2"), optional=("Label",))
