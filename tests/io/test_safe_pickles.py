"""Pickles that name what isn't allowed."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import tables

from esm2_amp.io.safe_pickles import only_in_pickles

ARRAY = {("numpy._core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")}


class RunsCode:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("load", [pickle.loads, pickle._loads], ids=["C", "Python"])
def test_code_does_not_run_whatever_the_protocol(tmp_path, protocol, load):
    data = pickle.dumps([1, RunsCode(tmp_path / "made")], protocol)
    with only_in_pickles(ARRAY) as refused, pytest.raises(pickle.UnpicklingError, match=r"mkdir is not allowed"):
        load(data)
    assert refused == [f"{os.mkdir.__module__}.mkdir"]
    assert not (tmp_path / "made").exists()
    load(data)
    assert (tmp_path / "made").exists(), "it should run where nothing keeps it from it"


def test_pickle_within_a_pickle_is_checked_too(tmp_path):
    class Nested:
        def __reduce__(self):
            return pickle.loads, (pickle.dumps(RunsCode(tmp_path / "made")),)

    data, allowed = pickle.dumps(Nested()), {("_pickle", "loads")}
    with only_in_pickles(allowed), pytest.raises(pickle.UnpicklingError, match="mkdir is not allowed"):
        pickle.loads(data)
    assert not (tmp_path / "made").exists()


def test_what_is_allowed_comes_back():
    array = np.arange(6).reshape(2, 3)
    with only_in_pickles(ARRAY) as refused:
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)), array)
    assert refused == []


def test_other_threads_and_libraries_are_left_alone():
    data = pickle.dumps(pd.Timestamp(0))
    with ThreadPoolExecutor(1) as other, only_in_pickles(ARRAY) as refused:
        assert other.submit(pickle.loads, data).result() == pd.Timestamp(0)
        assert tables.atom.pickle is tables.attributeset.pickle is pickle
    assert refused == []


def test_guards_within_guards_end_in_turn():
    data = pickle.dumps(len)
    with only_in_pickles(ARRAY):
        with only_in_pickles({("builtins", "len"), ("builtins", "abs")}) as refused:
            assert refused == []
        with pytest.raises(pickle.UnpicklingError):
            pickle.loads(data)
    assert pickle.loads(data) is len


def test_nothing_is_read_where_hooks_are_forbidden():
    code = """
import sys
def forbid(event, arguments):
    if event == "sys.addaudithook":
        raise RuntimeError
sys.addaudithook(forbid)
from esm2_amp.io.safe_pickles import only_in_pickles
with only_in_pickles(set()):
    print("read")
"""
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.stdout == ""
    assert "RuntimeError: Pickles must be checked by an auditing hook" in outcome.stderr
