"""Files of annotated regions and of ranked segments, as users bring them."""

import csv
import gzip
import io
import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pandas as pd
from typing_extensions import override

from esm2_amp.errors import InputError
from esm2_amp.files import BYTE_ORDER_MARK, SourceTable, read_text, shown
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.tables import read_table
from esm2_amp.io.whole_files import ParquetDataset
from esm2_amp.parameters.functional_regions import MOST_RANKS
from esm2_amp.progress import Progress
from esm2_amp.regions import gff, interpro, uniprot
from esm2_amp.regions.annotations import Annotations

logger = logging.getLogger(__name__)

ENDINGS: Final = {
    uniprot.EXPORTED: (".tsv", ".csv", ".xlsx"),
    uniprot.PUBLISHED: (".tsv", ".csv", ".xlsx"),
    uniprot.JSON: (".json",),
    interpro.INTERPROSCAN: (".tsv", ".txt"),
    interpro.PROTEIN2IPR: (".dat", ".tsv", ".txt"),
    gff.GFF3: (".gff", ".gff3", ".txt"),
}
"""Endings that a file of each layout may have, `.gz` apart."""

ENTRY_LIST: Final = "entry.list"

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_PEEKED = 1 << 16
_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_IPR = re.compile(r"IPR\d{6}")


class RegionFile(NamedTuple):
    """A file of annotations, to be read for chosen proteins.

    Attributes
    ----------
    path : Path
        The file.
    entry_list : Path, optional
        InterPro's list of entries and their types; by default `ENTRY_LIST` beside the file, where there is one.
    """

    path: Path
    entry_list: Path | None = None

    def read(self, entries: Collection[str]) -> Annotations:
        """Annotated regions of proteins. The content decides which layout the file has.

        Parameters
        ----------
        entries : collection of str
            Names of the proteins.

        Returns
        -------
        annotations : Annotations
            Regions by the names in `entries`.

        Raises
        ------
        InputError
            The content is none of `ENDINGS`, or another than the file's name says; or types of InterPro entries are
            needed and there is no list of them.
        """
        layout, name, types = recognised_layout(self.path), shown(self.path), self._entry_types()
        if layout in (uniprot.EXPORTED, uniprot.PUBLISHED):
            return uniprot.parse_table(read_table(self.path), layout, entries)
        if layout == uniprot.JSON:
            return uniprot.parse_json(read_text(self.path), name, entries)
        if layout == gff.GFF3:
            return gff.parse_gff(read_text(self.path), name, types, entries)
        if layout == interpro.INTERPROSCAN:
            return interpro.parse_interproscan(read_text(self.path), name, types, entries)
        if types is None:
            raise interpro.no_entry_list(name, layout)
        progress = Progress(logger, f"reading {name}, bytes", self.path.stat().st_size)
        with _opened(self.path, progress) as stream:
            return interpro.parse_protein2ipr(stream, self.path, types, entries)

    def _entry_types(self) -> dict[str, str] | None:
        path = self.entry_list or self.path.with_name(ENTRY_LIST)
        if self.entry_list is None and not path.is_file():
            return None
        return interpro.parse_entry_list(read_text(path), shown(path))


class RegionsDataset(InputFileDataset[RegionFile]):
    """Annotations of proteins: UniProt's table or JSON, InterProScan's TSV, protein2ipr, GFF3, or the published table.

    Loads as a `RegionFile`.

    Parameters
    ----------
    filepath : str
        The file of annotations.
    entry_list : str, optional
        InterPro's list of entries and their types.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.

    Raises
    ------
    InputError
        On loading, where one of the files is missing.
    """

    def __init__(
        self, filepath: str, *, entry_list: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata=metadata)
        self._entry_list = None if entry_list is None else Path(entry_list)

    def _read(self, path: Path) -> RegionFile:
        for file, what in ((path, "file of regions"), (self._entry_list or path, "InterPro entry list")):
            if not file.is_file():
                raise InputError(f"{shown(file)}: there is no such {what}; check the path")
        return RegionFile(path, self._entry_list)


class SegmentsDataset(InputFileDataset[SourceTable]):
    """Ranked segments of pairs in the published layout: `ProteinA`, `ProteinB`, and `TOP1` … or `Low1` ….

    Loads as a SourceTable, with `Label` and `Prediction` where the file has them; index `row`. Without a `filepath` it
    loads as None.

    Parameters
    ----------
    filepath : str, optional
        The table.
    selection : {"Top", "Low"}
        Which segments the table ranks: the most or the least important.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self, filepath: str | None = None, *, selection: str, metadata: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata=metadata)
        self._selection = selection

    def _read(self, path: Path) -> SourceTable:
        ranked = [f"{self._selection}{rank}" for rank in range(1, MOST_RANKS + 1)]
        return read_table(
            path, required=("ProteinA", "ProteinB", ranked[0]), optional=(*ranked[1:], "Label", "Prediction")
        )


class ReplaceableParquetDataset(InputFileDataset[pd.DataFrame]):
    """A table that an earlier pipeline wrote; loads as None where a user's file takes its place.

    Parameters
    ----------
    filepath : str
        The table.
    made_by : str
        The pipeline that writes the table.
    replaced_by : str, optional
        The user's file.
    optional : bool
        Whether the table may be missing: then it loads as None.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self,
        filepath: str,
        *,
        made_by: str,
        replaced_by: str | None = None,
        optional: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(None if replaced_by else filepath, optional=optional, metadata=metadata)
        self._made_by = made_by

    def _read(self, path: Path) -> pd.DataFrame:
        if not path.is_file():
            raise InputError(f"{shown(path)} doesn't exist yet; run `kedro run --pipeline={self._made_by}` first")
        return cast("pd.DataFrame", ParquetDataset(filepath=path).load())


def recognised_layout(path: Path) -> str:
    """The layout of a file of annotations, by its content.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    layout : str
        One of `ENDINGS`.

    Raises
    ------
    InputError
        The content has no layout that can be read, or another than the file's name says.
    """
    name, ending = shown(path), path.name.lower().removesuffix(".gz")
    start = _peek(path)
    if _is_packed(path) != path.name.lower().endswith(".gz"):
        is_packed, rename = ("is", "end in .gz") if _is_packed(path) else ("isn't", "end without .gz")
        raise InputError(f"{name} {is_packed} gzip-compressed, against what its name says; rename it to {rename}")
    if is_workbook := start.startswith(_ZIP):
        table = read_table(path).frame
        layout = _layout_of_table(table.columns.tolist(), table.itertuples(index=False))
    else:
        layout = _layout_of_text(start.decode("utf-8", "replace"))
    if layout is None:
        raise InputError(
            f"{name} must hold annotations as one of {', '.join(ENDINGS)}, got other content; download them again in "
            "one of these (UniProt: format TSV with the feature columns, or JSON)"
        )
    fitting = tuple(end for end in ENDINGS[layout] if (end == ".xlsx") == is_workbook)
    if not ending.endswith(fitting):
        raise InputError(
            f"{name} must be named after its content, which has the format {layout}; rename it to end in "
            f"{' or '.join(fitting)}"
        )
    return layout


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP


@contextmanager
def _opened(path: Path, progress: Progress | None = None) -> Iterator[Any]:
    """The content of a file, unpacked; how far it is read is shown."""
    with io.BufferedReader(_ShownFile(path, progress)) as file:
        if not _is_packed(path):
            yield file
        else:
            with gzip.open(file) as stream:
                yield stream


class _ShownFile(io.FileIO):
    """A file that counts what is read of it as done."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        super().__init__(path)
        self._progress = progress

    @override
    def readinto(self, buffer: Any) -> int | None:
        size = super().readinto(buffer)
        if self._progress and size:
            self._progress.add(size)
        return size


def _peek(path: Path) -> bytes:
    """The beginning of a file's content, unpacked."""
    try:
        with _opened(path) as stream:
            start: bytes = stream.read(_PEEKED)
    except (EOFError, OSError) as error:
        raise InputError(f"{shown(path)} must be a whole gzip file, got one cut short or damaged") from error
    return start.removeprefix(BYTE_ORDER_MARK)


def _layout_of_text(start: str) -> str | None:
    if start.lstrip().startswith(("{", "[")):
        return uniprot.JSON
    if start.startswith("##gff-version"):
        return gff.GFF3
    first, *others = start.splitlines() or [""]
    delimiter = "\t" if "\t" in first else ","
    header = [name.strip().strip('"') for name in first.split(delimiter)]
    rows = csv.reader(others, delimiter=delimiter)  # the cells of a beginning stay below csv's limit
    by_line = (_layout_of_line(line.split("\t")) for line in (first, *others))
    return _layout_of_table(header, rows) or next(filter(None, by_line), None)


def _layout_of_line(cells: list[str]) -> str | None:
    """The layout of a file without a header, by one of its lines."""
    if len(cells) >= interpro.INTERPROSCAN_CELLS and _MD5.fullmatch(cells[1]):
        return interpro.INTERPROSCAN
    if len(cells) == interpro.PROTEIN2IPR_CELLS and _IPR.fullmatch(cells[1]):
        return interpro.PROTEIN2IPR
    if len(cells) >= gff.CELLS and cells[3].isdecimal() and cells[4].isdecimal() and cells[6] in gff.STRANDS:
        return gff.GFF3
    return None


def _layout_of_table(header: list[str], rows: Iterable[Sequence[str]]) -> str | None:
    """The layout of a table with a header, by its feature columns: names of proteins may hold brackets, too."""
    at = [header.index(name) for name in uniprot.feature_columns(header)]
    if "Entry" not in header or not at:
        return None
    return uniprot.layout_of_cells(row[i] for row in rows for i in at if i < len(row)) or uniprot.EXPORTED
