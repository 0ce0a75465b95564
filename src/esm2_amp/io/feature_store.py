"""The store of protein features: shards named by their content, and an index that is written when a run is complete."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from kedro.io import AbstractDataset, DatasetError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from typing_extensions import override

from esm2_amp.checked_tensors import check_file, checked_content
from esm2_amp.errors import InputError
from esm2_amp.features import FEATURE, ProteinFeatures
from esm2_amp.files import reading, replacing_file, write_atomically
from esm2_amp.io.checked_parquet import add_checksum, check_parquet
from esm2_amp.io.local import LocalDataset

_METADATA = b"esm2_amp"


class FeatureShard(NamedTuple):
    """Vectors of a part of the sequences, written as one file.

    Attributes
    ----------
    group : str
        Key of the encoder and options; the sub-folder of the store.
    table : DataFrame
        Columns `key`, `length`, `windows`, one row per sequence.
    feature : Tensor, shape (rows, T, D), float32 or float16
        All 13 vectors of each sequence; of imported features those of their tokens.
    """

    group: str
    table: pd.DataFrame
    feature: Tensor

    @property
    def name(self) -> str:
        """File name, a hash of the keys: the same sequences always have the same file."""
        return f"{hashlib.sha256(' '.join(self.table['key']).encode()).hexdigest()[:16]}.safetensors"


class FeatureIndex(NamedTuple):
    """Where the vectors of a finished extraction lie.

    Attributes
    ----------
    group : str
        Sub-folder of the store.
    table : DataFrame
        The index of `ProteinFeatures`.
    width : int
        D.
    provenance : dict
        That of `ProteinFeatures`.
    """

    group: str
    table: pd.DataFrame
    width: int
    provenance: dict[str, Any]


class StoreContents:
    """The sequences whose vectors a store holds, group by group.

    Parameters
    ----------
    folder : Path
        The store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, group: str) -> pd.DataFrame:
        """Sequences of a group: columns `key`, `length`, `windows`, `shard`, `row`, unique by `key`."""
        tables = [_read_header(shard) for shard in sorted((self._folder / group).glob("*.safetensors"))]
        columns = ["key", "length", "windows", "shard", "row"]
        empty = pd.DataFrame(
            {name: pd.Series(dtype="str" if name in ("key", "shard") else "int64") for name in columns}
        )
        return pd.concat([empty, *tables]).drop_duplicates("key", ignore_index=True)


def _read_header(shard: Path) -> pd.DataFrame:
    try:
        with safe_open(shard, framework="pt") as stored:
            header = json.loads(stored.metadata()["index"])
        check_file(shard)
    except (SafetensorError, TypeError, KeyError, ValueError, OSError) as error:
        raise InputError(
            f"{shard} is damaged ({error}); delete this file and run again: only its proteins are embedded anew"
        ) from error
    return pd.DataFrame(header).assign(shard=shard.name, row=range(len(header["key"])))


class StoreContentsDataset(AbstractDataset[None, StoreContents]):
    """The contents of a feature store, by which an extraction finds what is left to embed.

    Parameters
    ----------
    path : str
        Folder of the store.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; the dataset doesn't use it.
    """

    def __init__(self, *, path: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._folder = Path(path)

    @override
    def load(self) -> StoreContents:
        return StoreContents(self._folder)

    @override
    def save(self, data: None) -> None:
        raise DatasetError("The contents of a feature store are read-only; save shards through FeatureStoreDataset")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"folder": str(self._folder)}


class FeatureStoreDataset(LocalDataset[FeatureShard | FeatureIndex, ProteinFeatures]):
    """Protein features: shards under `path`, and one index file that is written last.

    Saving a `FeatureShard` adds a file to the store; saving a `FeatureIndex` completes a run. Loading gives the
    `ProteinFeatures` of the last complete run, and the dataset exists only when that run's files are all there.

    Parameters
    ----------
    path : str
        Folder of the store, shared by all runs and encoders.
    filepath : str
        The index of this dataset, a Parquet file whose metadata hold width and provenance.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; the dataset doesn't use it.
    """

    def __init__(self, *, path: str, filepath: str, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._folder = Path(path)

    @override
    def save(self, data: FeatureShard | FeatureIndex) -> None:
        if isinstance(data, FeatureShard):
            header = {"index": json.dumps(data.table.to_dict("list"))}
            content = checked_content({FEATURE: data.feature.contiguous()}, header)
            write_atomically(self._folder / data.group / data.name, content)
            return
        about = {"group": data.group, "width": data.width, "provenance": data.provenance}
        table = pa.Table.from_pandas(data.table, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA: json.dumps(about)})
        with replacing_file(self._filepath) as part:
            pq.write_table(table, part, write_page_checksum=True)
            add_checksum(part)

    @override
    def load(self) -> ProteinFeatures:
        if not self._filepath.exists():
            raise InputError(
                f"There are no complete protein features at {self._filepath}; "
                "run `kedro run --pipeline=feature_extraction` first"
            )
        with reading(self._filepath):
            check_parquet(self._filepath)
            table = pq.read_table(self._filepath, page_checksum_verification=True)
            about = json.loads(table.schema.metadata[_METADATA])
        return ProteinFeatures(table.to_pandas(), self._folder / about["group"], about["width"], about["provenance"])

    def _exists(self) -> bool:
        if not self._filepath.exists():
            return False
        features = self.load()
        return all((features.folder / shard).exists() for shard in features.index["shard"].unique())

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "folder": str(self._folder)}
