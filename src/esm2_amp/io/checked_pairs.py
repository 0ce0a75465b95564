"""Checked pairs as a Parquet file, written and read some rows at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from esm2_amp.errors import InputError
from esm2_amp.files import replacing_file
from esm2_amp.io.checked_parquet import add_checksum, check_parquet
from esm2_amp.io.local import LocalDataset
from esm2_amp.prediction.checking import CheckedPairs, PairRows

_METADATA: Final = "esm2_amp"


class CheckedPairsFile:
    """Checked pairs in a file, as `esm2_amp.prediction.checking.CheckedPairs`.

    Parameters
    ----------
    path : Path
        Written by `CheckedPairsDataset`.

    Raises
    ------
    InputError
        The file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            check_parquet(path)
            about = json.loads(pq.read_metadata(path).metadata[_METADATA.encode()])
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise _damaged(path, error) from error
        self.file: str = about["file"]
        self.names: list[str] = about["names"]
        self.report: dict[str, int] = about["report"]

    def parts(self) -> Iterator[PairRows]:
        """All pairs in their order, those that were written together at a time."""
        try:
            with pq.ParquetFile(self._path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    yield PairRows(*(column.to_numpy() for column in file.read_row_group(group).columns))
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self._path, error) from error


class CheckedPairsDataset(LocalDataset[CheckedPairs, CheckedPairsFile]):
    """Checked pairs: `a`, `b`, numbers of names, and perhaps `label`; the names and the report are in the metadata.

    Parameters
    ----------
    filepath : str
        The file.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    @override
    def save(self, data: CheckedPairs) -> None:
        with replacing_file(self._filepath) as part:
            writer: pq.ParquetWriter | None = None
            try:
                for rows in data.parts():
                    table = pa.table({name: column for name, column in rows._asdict().items() if column is not None})
                    writer = writer or pq.ParquetWriter(part, table.schema, write_page_checksum=True)
                    writer.write_table(table)
                if writer is not None:
                    about = {"file": data.file, "names": list(data.names), "report": data.report}
                    writer.add_key_value_metadata({_METADATA: json.dumps(about)})
            finally:
                if writer is not None:
                    writer.close()
            if writer is not None:
                add_checksum(part)

    @override
    def load(self) -> CheckedPairsFile:
        return CheckedPairsFile(self._filepath)


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is damaged ({error}); delete it, and run the same command again")
