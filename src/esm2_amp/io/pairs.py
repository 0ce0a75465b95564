"""Pairs of proteins as users bring them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from esm2_amp.files import SourceBlocks, SourceTable
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_blocks

_COLUMNS: Final = ("Protein1", "Protein2", "Label")
_ID = re.compile(r"[^\s,;\"]+")
_NUMBER = re.compile(r"[+-]?\d*\.?\d+(?:e[+-]?\d+)?", re.IGNORECASE)
_OF_A_HEADER = re.compile(
    r"prot|gene|uniprot|accession|entry|name|interact|label|node|seq|source|target|partner|score|\bid|id\b|^id.?$"
    r"|^[a-z]{1,2}_?[012]$",
    re.IGNORECASE,
)


_Rows = TypeVar("_Rows")


class _PairsDataset(InputFileDataset[_Rows]):
    """A table of pairs, which may be left out.

    Parameters
    ----------
    filepath : str, optional
        The file. Without it, and without `examples` to take, the pairs load as None.
    examples : str, optional
        The file to read where there is no `filepath`.
    not_for : sequence of str or None
        A user's files of proteins or features; where one is given, the `examples` are of other proteins, and not read.
    optional : bool
        Whether the file may be missing: then it loads as None.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self,
        filepath: str | None = None,
        *,
        examples: str | None = None,
        not_for: Sequence[str | None] = (),
        optional: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath or (None if any(not_for) else examples), optional=optional, metadata=metadata)


class PairsDataset(_PairsDataset[SourceTable]):
    """Pairs of proteins from a CSV, TSV, text, Excel or Parquet table, with or without labels or a header.

    Loads as a SourceTable with the columns `Protein1`, `Protein2` and, where the file has it, `Label`; index `row`. It
    is not validated: `esm2_amp.validation.pairs.clean_pairs` does that. It takes the arguments of its base class.
    """

    def _read(self, path: Path) -> SourceTable:
        return _blocks(path).whole()


class PairBlocksDataset(_PairsDataset[SourceBlocks]):
    """The same tables as SourceBlocks, which are read some rows at a time when they are asked for."""

    def _read(self, path: Path) -> SourceBlocks:
        return _blocks(path)


def _blocks(path: Path) -> SourceBlocks:
    return read_blocks(path, _COLUMNS[:2], _COLUMNS[2:], columns_of_first_row)


def columns_of_first_row(cells: Sequence[str]) -> Sequence[str]:
    """Names of the first columns of a table whose first row already is a pair; none where that may be a header.

    Parameters
    ----------
    cells : sequence of str
        Of the first row, in which no header was recognised.

    Examples
    --------
    >>> columns_of_first_row(["362663.ECP_3406", "362663.ECP_4448", "1.0"])
    ('Protein1', 'Protein2', 'Label')
    >>> columns_of_first_row(["Protein A", "Protein B"]), columns_of_first_row(["p1", "p2"])
    ((), ())
    """
    from esm2_amp.validation.pairs import LABELS

    partners, others = cells[:2], cells[2:]
    numbered_by_a_program = list(cells) == [str(i) for i in range(len(cells))]
    if len(partners) < 2 or numbered_by_a_program or not all(map(_ID.fullmatch, partners)):  # noqa: PLR2004
        return ()
    has_number = any(map(_NUMBER.fullmatch, others))
    if not has_number and not all(re.search(r"\d", cell) and not _OF_A_HEADER.search(cell) for cell in partners):
        return ()
    return _COLUMNS if others and others[0] in LABELS else _COLUMNS[:2]
