"""Files of predicted pairs: the same rows in every format, and never half a file."""

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.io.predictions import PredictionsDataset, PredictionsFile

ENDINGS = [".csv", ".csv.gz", ".CSV", ".parquet"]


class Parts:
    """A table in parts; of its iterations the last may fail."""

    def __init__(self, table: pd.DataFrame, rows: int, *, fails: bool = False) -> None:
        self.table, self.rows, self.fails = table, rows, fails

    def __len__(self):
        return len(self.table)

    def __iter__(self):
        for at in range(0, len(self.table), self.rows):
            yield self.table[at : at + self.rows].reset_index(drop=True)
        if self.fails:
            raise InputError("the last part is missing")


def table_of(rows: int = 1000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    probability = rng.random(rows).round(2)  # many are equal
    probability[rng.random(rows) < 0.2] = np.nan
    known = ~np.isnan(probability)
    names = np.array(["NA", "007", 'a"b', "x,y", "β", "1e5", "nan", "P1"])
    return pd.DataFrame({
        "Protein1": pd.array(names[rng.integers(8, size=rows)], dtype="str"),
        "Protein2": pd.array(names[rng.integers(8, size=rows)], dtype="str"),
        "Label": pd.array(rng.choice([0, 1, None], rows), dtype="Int8"),
        "Probability": probability / 3,
        "Prediction": pd.array(np.where(known, probability > 0.5, None), dtype="Int8"),
        "Status": pd.array(np.where(known, "scored", "not scored: no sequence or features for X, Y"), dtype="str"),
    })  # fmt: skip


def saved(file: Path, parts: Parts) -> PredictionsFile:
    dataset = PredictionsDataset(filepath=str(file))
    dataset.save(parts)
    return dataset.load()


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_come_back_as_they_were(tmp_path, ending):
    table = table_of()
    found = saved(tmp_path / f"p{ending}", Parts(table, 300)).frame()
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert found["Probability"].dtype == np.float64
    assert [file.name for file in tmp_path.iterdir()] == [f"p{ending}"]


def test_csv_is_that_of_the_whole_table_by_pandas(tmp_path):
    table = table_of()
    plain = table[
        ~table[["Protein1", "Protein2", "Status"]].apply(lambda texts: texts.str.contains('[",]')).any(axis=1)
    ]
    plain = plain[plain["Probability"] > 1e-3].reset_index(drop=True)  # where both write no exponent
    plain.to_csv(tmp_path / "whole.csv", index=False)
    saved(tmp_path / "p.csv", Parts(plain, 7))
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    saved(tmp_path / "p.csv.gz", Parts(plain, 7))
    assert gzip.decompress((tmp_path / "p.csv.gz").read_bytes()) == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("value", [1e-3, 1.5e-5, 7.430561e-05, 3.8e-9, 1e-30, 0.0, 1.0])
def test_small_numbers_come_back_in_every_digit(tmp_path, value):
    table = table_of(3).assign(Probability=np.float32(value))
    found = saved(tmp_path / "p.csv", Parts(table, 3)).frame()
    assert (found["Probability"].astype(np.float32) == np.float32(value)).all()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("block", [30, 100_000])
def test_best_pairs_are_those_of_the_whole_table(tmp_path, ending, block, monkeypatch):
    monkeypatch.setattr("esm2_amp.io.predictions._ROWS_AT_ONCE", block)
    table = table_of()
    found = saved(tmp_path / f"p{ending}", Parts(table, 300)).best(25)
    scored = table[table["Status"] == "scored"]
    expected = scored.sort_values("Probability", ascending=False, kind="stable")[:25].reset_index(drop=True)
    pd.testing.assert_frame_equal(found.pairs, expected, check_dtype=False)
    assert found.scored == len(scored)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_that_breaks_off_leaves_the_file_as_it_was(tmp_path, ending):
    file = tmp_path / f"p{ending}"
    saved(file, Parts(table_of(10), 5))
    before = file.read_bytes()
    with pytest.raises(DatasetError, match="the last part is missing"):
        PredictionsDataset(filepath=str(file)).save(Parts(table_of(), 300, fails=True))
    assert file.read_bytes() == before
    assert [part.name for part in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_is_foreseen_by_the_first_rows(tmp_path, ending, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 10))
    with pytest.raises(DatasetError, match=r"needs about 0 MB more, where 0 MB are free; .*the scores are kept"):
        PredictionsDataset(filepath=str(tmp_path / f"p{ending}")).save(Parts(table_of(), 300))
    assert not list(tmp_path.iterdir())
    PredictionsDataset(filepath=str(tmp_path / f"p{ending}")).save(Parts(table_of(), 1000))  # nothing more is needed


@pytest.mark.parametrize("name", ["p.xlsx", "p", "p.txt.gz"])
def test_other_endings_are_refused(tmp_path, name):
    words = re.escape(f"whose name ends in one of .csv, .csv.gz, .parquet, got '{name}'; give --params=predicted_pairs")
    with pytest.raises(InputError, match=words):
        PredictionsDataset(filepath=str(tmp_path / name))


@pytest.mark.parametrize("ending", [".csv.gz", ".parquet"])
def test_a_damaged_file_is_told(tmp_path, ending):
    file = tmp_path / f"p{ending}"
    found = saved(file, Parts(table_of(), 300))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"can't be read \(.*run `kedro run --pipeline=prediction` again"):
        found.best(3)
