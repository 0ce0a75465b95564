"""Kedro's datasets as files that are whole."""

import errno
import os
from io import BytesIO

import joblib
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.files import reading
from esm2_amp.io.plotly_files import PlotlyDataset
from esm2_amp.io.whole_files import CSVDataset, JSONDataset, ParquetDataset, PickleDataset, TextDataset

TABLE = pd.DataFrame({"Protein": ["P1", "P2", "P3"], "Score": [0.25, 0.5, 1.0]})
CASES = [
    (CSVDataset, {"save_args": {"index": False}}, TABLE, TABLE.iloc[::-1]),
    (ParquetDataset, {}, TABLE, TABLE.iloc[::-1]),
    (JSONDataset, {}, {"a": [1, 2]}, {"b": 1}),
    (TextDataset, {}, "old", "new"),
    (PickleDataset, {"backend": "joblib"}, {"a": 1}, {"b": 1}),
    (PlotlyDataset, {}, go.Figure(), go.Figure(go.Scatter(x=[1], y=[2]))),
]


@pytest.mark.parametrize(("kind", "options", "old", "new"), CASES)
def test_a_file_is_replaced_by_a_whole_one(tmp_path, monkeypatch, kind, options, old, new):
    path = tmp_path / "folder/file"
    dataset = kind(filepath=str(path), **options)
    dataset.save(old)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DatasetError) as caught:
            dataset.save(new)
    assert isinstance(caught.value.__cause__, InputError)
    assert str(caught.value.__cause__).startswith(f"{path} could not be written: No space left on device; free some")
    assert [file.name for file in path.parent.iterdir()] == ["file"]
    assert path.read_bytes() == before
    dataset.save(new)
    assert path.read_bytes() != before
    if isinstance(new, pd.DataFrame):
        assert np.array_equal(dataset.load(), new)


@pytest.mark.parametrize(("kind", "options", "old", "new"), [case for case in CASES if case[0] is not TextDataset])
@pytest.mark.parametrize("cut", ["to nothing", "to half", "by a byte"])
def test_a_file_cut_short_is_named(tmp_path, kind, options, old, new, cut):
    path = tmp_path / "file"
    dataset = kind(filepath=str(path), **options)
    dataset.save(new)
    content = path.read_bytes()
    path.write_bytes({"to nothing": b"", "to half": content[: len(content) // 2], "by a byte": content[:-1]}[cut])
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    assert isinstance(caught.value.__cause__, InputError)
    words = str(caught.value.__cause__)
    assert words.startswith(f"{path} can't be read (")
    assert words.endswith("delete it, and run the pipeline that wrote it again")


def test_every_bit_of_a_page_of_a_table_counts(tmp_path):
    path = tmp_path / "file"
    dataset = ParquetDataset(filepath=str(path), save_args={"compression": None})
    dataset.save(pd.DataFrame({"Score": np.arange(2000.0)}))
    content = path.read_bytes()
    start = content.index(np.arange(1000.0, 1010.0).tobytes())
    path.write_bytes(content[:start] + bytes([content[start] ^ 1]) + content[start + 1 :])
    with pytest.raises(DatasetError, match="can't be read"):
        dataset.load()


def test_no_changed_bit_reaches_an_object(tmp_path):
    path, content = tmp_path / "file", {"trees": list(range(50)), "names": ["P1", "P2"]}
    dataset = PickleDataset(filepath=str(path), backend="joblib", save_args={"compress": 3})
    dataset.save(content)
    whole, noticed = path.read_bytes(), 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        try:
            found = dataset.load()
        except DatasetError as error:
            noticed += 1
            assert str(error.__cause__).startswith(f"{path} can't be read (")
        else:
            assert found == content
    assert noticed > 0.9 * len(whole)
    assert joblib.load(BytesIO(whole)) == content


def test_an_altered_digit_is_named(tmp_path):
    path = tmp_path / "metrics.json"
    dataset = JSONDataset(filepath=str(path))
    dataset.save({"threshold": 0.48})
    assert dataset.load() == {"threshold": 0.48}
    path.write_text(path.read_text().replace("0.48", "0.49"))
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    words = (
        f"{path} can't be read (it doesn't agree with its crc32, a line to take out where it was changed on purpose)"
    )
    assert str(caught.value.__cause__).startswith(words)


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_too_little_memory_is_no_damage(tmp_path, error):
    (tmp_path / "file").touch()
    with pytest.raises(type(error)), reading(tmp_path / "file"):
        raise error


def test_a_place_before_the_start_of_a_file_is_damage(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file can't be read .*Invalid argument"), reading(tmp_path / "file"):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def test_a_file_that_is_missing_is_not_damaged(tmp_path):
    with pytest.raises(KeyError), reading(tmp_path / "file"):
        raise KeyError
