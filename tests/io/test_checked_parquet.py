"""Checksums of whole Parquet files."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.io.checked_pairs import CheckedPairsDataset
from esm2_amp.io.checked_parquet import add_checksum, check_parquet
from esm2_amp.io.feature_store import FeatureIndex, FeatureStoreDataset
from esm2_amp.io.predictions import PredictionsDataset
from esm2_amp.io.tables import read_table
from esm2_amp.io.whole_files import ParquetDataset
from esm2_amp.prediction.checking import PairRows

TABLE = pd.DataFrame({"Protein1": ["P1", "P2"], "Protein2": ["P3", "P3"], "Score": [0.25, np.nan], "Label": [0, 1]})


def saved(file: Path) -> bytes:
    ParquetDataset(filepath=str(file)).save(TABLE)
    return file.read_bytes()


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_no_changed_bit_reaches_a_table(tmp_path):
    file, draw, noticed = tmp_path / "table.parquet", random.Random(0), 0
    table = pa.table({"Protein": ["P1", "P2", "P1"]})
    pq.write_table(table, file, store_schema=False)
    add_checksum(file)
    content = file.read_bytes()
    for at in range(len(content)):
        file.write_bytes(flipped(content, at, draw.randrange(8)))
        try:
            check_parquet(file)
            found = pq.read_table(file)
        except (pa.ArrowException, OSError):
            noticed += 1
        else:
            assert found.equals(table)
    assert noticed > 0.95 * len(content)


def test_other_readers_see_the_table_alone(tmp_path):
    file = tmp_path / "table.parquet"
    saved(file)
    assert pq.read_table(file, memory_map=True).to_pandas().equals(TABLE)
    TABLE.to_parquet(tmp_path / "plain.parquet", write_page_checksum=True)
    ours, plain = file.read_bytes(), (tmp_path / "plain.parquet").read_bytes()
    (at,) = {n for n in range(len(plain)) if ours[n : n + 8] == b"esm2_amp"}
    assert ours[:at] + ours[at + 16 :] == plain


def test_a_file_of_others_passes(tmp_path):
    TABLE.to_parquet(tmp_path / "x.parquet")
    check_parquet(tmp_path / "x.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\xff" * 50])
def test_what_is_no_parquet_is_left_to_its_reader(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    check_parquet(tmp_path / "x.parquet")


def test_a_file_that_has_changed_is_read_again(tmp_path):
    file = tmp_path / "table.parquet"
    content = saved(file)
    check_parquet(file)
    file.write_bytes(flipped(content, len(content) // 2, 0))
    with pytest.raises(pa.ArrowInvalid, match="doesn't agree with its checksum"):
        check_parquet(file)


class OnePair:
    """Checked pairs."""

    file, names, report = "pairs.csv", ("P1",), {"kept": 1}

    def parts(self):
        yield PairRows(np.zeros(1, np.int32), np.zeros(1, np.int32))


def _features(file: Path) -> FeatureStoreDataset:
    return FeatureStoreDataset(path="store", filepath=str(file))


WRITERS = {
    "table": lambda file: ParquetDataset(filepath=str(file)).save(TABLE),
    "pairs": lambda file: CheckedPairsDataset(filepath=str(file)).save(OnePair()),
    "predictions": lambda file: PredictionsDataset(filepath=str(file)).save([TABLE]),
    "features": lambda file: _features(file).save(FeatureIndex("group", TABLE, 3, {})),
}
READERS = {
    "table": lambda file: ParquetDataset(filepath=str(file)).load(),
    "pairs": lambda file: CheckedPairsDataset(filepath=str(file)).load(),
    "predictions": lambda file: PredictionsDataset(filepath=str(file)).load().frame(),
    "features": lambda file: _features(file).load(),
    "given pairs": lambda file: read_table(file, ("Protein1", "Protein2")),
}


@pytest.mark.parametrize(("written", "read"), [*zip(WRITERS, WRITERS, strict=True), ("table", "given pairs")])
def test_readers_go_by_the_checksum(tmp_path, written, read):
    file = tmp_path / "table.parquet"
    WRITERS[written](file)
    READERS[read](file)
    content = file.read_bytes()
    file.write_bytes(flipped(content, content.rindex(b"parquet-cpp"), 0))  # the writer's name, which nothing depends on
    pq.read_table(file)
    with pytest.raises((InputError, DatasetError), match=r"table\.parquet.*it doesn't agree with its checksum"):
        READERS[read](file)
