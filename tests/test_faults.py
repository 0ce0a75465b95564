"""The short form of the campaign of faults, and that it sees what is wrong."""

import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import ROOT, Demonstration
from fault_campaign import DAMAGES, Undisturbed, damaged, differences, half_written


def test_a_short_campaign_ends_in_the_bytes_of_undisturbed_runs(demonstration_run: Demonstration, tmp_path):
    (tmp_path / "finished").symlink_to(demonstration_run.folder)
    command = [sys.executable, "tests/fault_campaign.py", tmp_path, "--runs=4", "--seed=3"]
    done = subprocess.run(
        [*command, "--pipelines", "pair_building", "prediction"], cwd=ROOT, text=True, capture_output=True, check=False,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    *_, total = done.stdout.splitlines()
    assert total.split() == ["all", "4", total.split()[2], "0"]


@pytest.fixture
def undisturbed(tmp_path) -> Undisturbed:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, content in ((before, b"old"), (after, b"new")):
        folder.mkdir()
        (folder / "table.csv").write_bytes(content)
    return Undisturbed(before, after, [], 1.0, 1)


@pytest.mark.parametrize(
    ("file", "content", "wrong"),
    [
        ("table.csv", b"old", []),
        ("table.csv", b"new", []),
        ("table.csv", b"ne", ["half-written table.csv"]),
        ("other.csv", b"new", ["unknown other.csv"]),
        (".table.csv.7.part", b"ne", []),
        ("checkpoints/last.ckpt", b"ne", []),
    ],
)
def test_a_half_written_file_is_seen(undisturbed, tmp_path, file, content, wrong):
    path = tmp_path / "data" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert half_written(tmp_path / "data", undisturbed) == wrong


def test_missing_other_and_left_files_are_seen(undisturbed):
    (undisturbed.before / ".table.csv.7.part").write_bytes(b"")
    (undisturbed.after / "plot.png").write_bytes(b"")
    assert differences(undisturbed.before, undisturbed.after) == [
        "left over .table.csv.7.part", "missing plot.png", "other table.csv",
    ]  # fmt: skip


def test_a_changed_weight_is_seen_where_only_headers_may_differ(tmp_path):
    for folder, value in (("one", 1.0), ("other", 1.5), ("same", 1.0)):
        (tmp_path / folder).mkdir()
        save_file({"b": np.array([value]), "a": np.zeros(2)}, tmp_path / folder / "model.safetensors")
    assert differences(tmp_path / "one", tmp_path / "other") == ["other model.safetensors"]
    assert not differences(tmp_path / "one", tmp_path / "same")


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", bytes(range(256))])
def test_damage_changes_one_bit_or_the_end(content):
    nothing, half, all_but_one, flipped = (damaged(content, fault) for fault in DAMAGES)
    assert (nothing, half, all_but_one) == (b"", content[: len(content) // 2], content[:-1])
    (place,) = [at for at, (one, other) in enumerate(zip(content, flipped, strict=True)) if one != other]
    assert (content[place] ^ flipped[place]).bit_count() == 1
    assert not content.isascii() or not flipped.isascii()
