"""Queries of a screen as users bring them: FASTA, a table with sequences, or a list of ids."""

from pathlib import Path

import pandas as pd

from esm2_amp.files import SourceTable, ending_of, read_text, shown
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.proteins import FASTA_ENDINGS, read_fasta
from esm2_amp.io.tables import TABLE_ENDINGS, read_table
from esm2_amp.names import protein_name


class QueriesDataset(InputFileDataset[SourceTable]):
    """Queries, the reader picked by the file's ending and content.

    Loads as a SourceTable with the columns `Entry` and `Sequence`; `Sequence` is `""` where the file gives ids alone.
    These stand one a line, or in the column `Entry` of a table, or in its first one.

    Parameters
    ----------
    filepath : str, optional
        The file; without it the queries load as None.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def _read(self, path: Path) -> SourceTable:
        ending = ending_of(path, (*FASTA_ENDINGS, *TABLE_ENDINGS))
        if ending in FASTA_ENDINGS or (".txt" in ending and read_text(path).lstrip().startswith(">")):
            return read_fasta(path)
        if ".txt" in ending:
            return _ids_of_lines(path)
        table = read_table(path, ("Entry",), ("Sequence",), columns_of_first_row=lambda cells: ("Entry",))
        if "Sequence" not in table.frame:
            return SourceTable(table.frame.assign(Sequence=""), table.file, table.blank_rows)
        return table


def _ids_of_lines(path: Path) -> SourceTable:
    """The first words of the lines of a text, numbered from 1."""
    lines = read_text(path).splitlines()
    words = {number: line.split()[0] for number, line in enumerate(lines, start=1) if line.strip()}
    frame = pd.DataFrame({"Entry": list(map(protein_name, words.values())), "Sequence": ""}, dtype="str")
    return SourceTable(frame.set_axis(pd.Index(list(words), name="line")), shown(path), len(lines) - len(words))
