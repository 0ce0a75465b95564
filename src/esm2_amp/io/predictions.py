"""Predicted pairs as CSV or Parquet, written and read some rows at a time."""

import gzip
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv
from typing_extensions import override

from esm2_amp.errors import InputError
from esm2_amp.files import check_last_line, replacing_file, shown
from esm2_amp.io.checked_parquet import add_checksum, check_parquet
from esm2_amp.io.local import LocalDataset
from esm2_amp.models.scoring import SCORED
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

ENDINGS: Final = (".csv", ".csv.gz", ".parquet")
"""What the name of the file may end in."""

_ROWS_AT_ONCE: Final = 1 << 17
_COMPRESSION: Final = 5
_KINDS: Final = {pa.int8(): pd.Int8Dtype()}
_SCORES: Final = ("Label", "Probability", "CalibratedProbability", "Prediction", "Spread", "Unlikeness")
_READ: Final[dict[str, Any]] = {  # ids of proteins such as NA or 007 stay as they are
    "dtype": {"Protein1": "str", "Protein2": "str"},
    "keep_default_na": False,
    "na_values": {name: [""] for name in _SCORES},
}


class Tables(Protocol):
    """Tables that stand below one another, such as `esm2_amp.prediction.scoring.Predictions`."""

    def __len__(self) -> int:
        """Rows of all of them."""

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """One after another, all with the same columns."""


class BestPairs(NamedTuple):
    """The scored pairs of highest probability.

    Attributes
    ----------
    pairs : DataFrame
        The highest first; of equal ones the one that stands higher in the file.
    scored : int
        How many pairs are scored.
    reasons : DataFrame
        Why others aren't: `Status`, `Pairs`, how many, and `Protein1` and `Protein2` of the first of them.
    """

    pairs: pd.DataFrame
    scored: int
    reasons: pd.DataFrame


class PredictionsFile:
    """Predicted pairs in a file.

    Parameters
    ----------
    path : Path
        As `PredictionsDataset` writes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def blocks(self) -> Iterator[pd.DataFrame]:
        """The rows, some at a time."""
        try:
            if self._path.name.lower().endswith(".parquet"):
                check_parquet(self._path)
                with pq.ParquetFile(self._path, page_checksum_verification=True) as file:
                    for batch in file.iter_batches(_ROWS_AT_ONCE):
                        yield batch.to_pandas(types_mapper=_KINDS.get)
            else:
                if not self._path.name.lower().endswith(".gz"):
                    check_last_line(self._path)
                with pd.read_csv(self._path, chunksize=_ROWS_AT_ONCE, **_READ) as reader:
                    yield from reader
        except (pa.ArrowException, EOFError, OSError, ValueError) as error:
            raise InputError(
                f"{shown(self._path)} can't be read ({error}); run `kedro run --pipeline=prediction` again"
            ) from error

    def frame(self) -> pd.DataFrame:
        """All rows at once."""
        return pd.concat(self.blocks(), ignore_index=True)

    def best(self, count: int) -> BestPairs:
        """The scored pairs of highest probability, found without holding all rows in memory."""
        best, scored, without = pd.DataFrame(), 0, [pd.DataFrame(columns=["Status", "Pairs", "Protein1", "Protein2"])]
        for block in self.blocks():
            of_block, others = block[block["Status"] == SCORED], block[block["Status"] != SCORED]
            scored += len(of_block)
            if len(others):
                without.append(_reasons(others.assign(Pairs=1)))
            best = pd.concat([best, of_block]) if len(best) else of_block
            best = best.sort_values("Probability", ascending=False, kind="stable")[:count]
        return BestPairs(best.reset_index(drop=True), scored, _reasons(pd.concat(without[1:] or without)))


def _reasons(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of the same status together: how many they are, and the names of the first."""
    how = {"Pairs": "sum", "Protein1": "first", "Protein2": "first"}
    return pairs.groupby("Status", sort=False).agg(how).reset_index()


class PredictionsDataset(LocalDataset[Tables, PredictionsFile]):
    """Predicted pairs: a file that takes its name when it is whole.

    Parameters
    ----------
    filepath : str
        The file; its name ends in one of `ENDINGS`.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.

    Raises
    ------
    InputError
        The name ends otherwise.
    """

    def __init__(self, *, filepath: str, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        if not self._filepath.name.lower().endswith(ENDINGS):
            raise InputError(
                f"predicted_pairs must be a file whose name ends in one of {', '.join(ENDINGS)}, got "
                f"{self._filepath.name!r}; give --params=predicted_pairs=FILE with one of these endings"
            )

    @override
    def save(self, data: Tables) -> None:
        progress = Progress(logger, "writing pairs", len(data))
        ending = next(ending for ending in ENDINGS if self._filepath.name.lower().endswith(ending))
        with replacing_file(self._filepath) as part, _WRITERS[ending](part) as write:
            for number, table in enumerate(data):
                write(table)
                if not number:
                    _check_room(part, self._filepath, len(table), len(data))
                progress.add(len(table))

    @override
    def load(self) -> PredictionsFile:
        return PredictionsFile(self._filepath)


def _check_room(part: Path, path: Path, written: int, rows: int) -> None:
    """Raise InputError where the rest will need more space than there is, by what the first rows filled."""
    needed, free = part.stat().st_size / written * (rows - written), shutil.disk_usage(part.parent).free
    if needed > free:
        raise InputError(
            f"{path} needs about {needed / 1e6:,.0f} MB more, where {free / 1e6:,.0f} MB are free; free some space, "
            "or give another file by --params=predicted_pairs=FILE (.parquet and .csv.gz are smaller), and run again: "
            "the scores are kept"
        )


_Write = Callable[[pd.DataFrame], None]


@contextmanager
def _csv(part: Path) -> Iterator[_Write]:
    with part.open("wb") as file:
        yield _csv_to(file)


@contextmanager
def _csv_gz(part: Path) -> Iterator[_Write]:
    with (
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", _COMPRESSION, raw, mtime=0) as packed,  # the same bytes whenever it is written
    ):
        yield _csv_to(packed)  # type: ignore[arg-type]


def _csv_to(file: IO[bytes]) -> _Write:
    is_first = True

    def write(table: pd.DataFrame) -> None:
        nonlocal is_first
        rows = pa.Table.from_pandas(table, preserve_index=False)
        if is_first:
            file.write(f"{','.join(rows.column_names)}\n".encode())
        csv.write_csv(rows, file, csv.WriteOptions(include_header=False, quoting_style=_quoting(rows)))
        file.flush()
        is_first = False

    return write


def _quoting(rows: pa.Table) -> str:
    """Quotation marks around texts, if one of them needs some."""
    texts = (
        column for column in rows.columns if pa.types.is_large_string(column.type) or pa.types.is_string(column.type)
    )
    return "needed" if any(pc.any(pc.match_substring_regex(text, '[",\r\n]')).as_py() for text in texts) else "none"


@contextmanager
def _parquet(part: Path) -> Iterator[_Write]:
    writer: pq.ParquetWriter | None = None

    def write(table: pd.DataFrame) -> None:
        nonlocal writer
        rows = pa.Table.from_pandas(table, schema=None if writer is None else writer.schema, preserve_index=False)
        writer = writer or pq.ParquetWriter(part, rows.schema, write_page_checksum=True)
        writer.write_table(rows)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
    if writer is not None:
        add_checksum(part)


_WRITERS: Final = {".csv": _csv, ".csv.gz": _csv_gz, ".parquet": _parquet}
