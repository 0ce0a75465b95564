"""The short form of the campaign of faults, and that it sees what is wrong."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError
from safetensors.numpy import save_file

from conftest import ROOT, Demonstration, context_of
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.storage import TrainedModel
from fault_campaign import DAMAGES, Undisturbed, damaged, differences, half_written

PLACES = 30


def test_a_short_campaign_ends_in_the_bytes_of_undisturbed_runs(demonstration_run: Demonstration, tmp_path):
    (tmp_path / "finished").symlink_to(demonstration_run.folder)
    command = [sys.executable, "tests/fault_campaign.py", tmp_path, "--runs=4", "--seed=3"]
    done = subprocess.run(
        [*command, "--pipelines", "pair_building", "prediction"], cwd=ROOT, text=True, capture_output=True, check=False,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
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


@pytest.mark.parametrize("is_plain", [True, False])
@pytest.mark.parametrize("content", [b"a,b\n1,2\n", bytes(range(256))])
def test_damage_changes_one_bit_or_the_end(content, is_plain):
    places = set()
    for seed in range(50):
        nothing, half, all_but_one, flipped = (
            damaged(content, fault, random.Random(seed), is_plain=is_plain) for fault in DAMAGES
        )
        assert (nothing, half, all_but_one) == (b"", content[: len(content) // 2], content[:-1])
        (place,) = [at for at, (one, other) in enumerate(zip(content, flipped, strict=True)) if one != other]
        assert (content[place] ^ flipped[place]).bit_count() == 1
        assert not (is_plain and content.isascii()) or not flipped.isascii()
        places.add(place)
    assert len(places) > len(content) // 8


READ_BACK = {
    "proteins": "02_intermediate/proteins.parquet",
    "model_pairs": "05_model_input/model_pairs.parquet",
    "protein_features": "04_feature/**/*.*",
    "split_report": "05_model_input/split_report.json",
    "ESM2_AMPS.metrics": "08_reporting/ESM2_AMPS/metrics.json",
    "ESM2_DPM.training_plot": "08_reporting/ESM2_DPM/training.png",
    "comparison_plots": "08_reporting/*comparison*.[jp][sn][og]*",
    "ESM2_DPM.model": "06_models/ESM2_DPM/model/[!c]*",
}
"""Files of each kind that has a checksum, by the dataset that reads them."""


def content_of(loaded: Any) -> bytes:
    """All that was read, as bytes."""
    if isinstance(loaded, ProteinFeatures):
        return content_of(loaded.index) + loaded.select(slice(None)).numpy().tobytes()
    if isinstance(loaded, TrainedModel):
        weights = loaded.network.state_dict()
        return b"".join(weights[name].numpy().tobytes() for name in weights) + repr(loaded.training_proteins).encode()
    return repr(loaded.to_dict("list") if isinstance(loaded, pd.DataFrame) else loaded).encode()


@pytest.fixture(scope="module")
def read_back(demonstration_run: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DataCatalog]:
    """A copy of a finished run's data folder, and the catalog of what is in it."""
    data = Path(shutil.copytree(demonstration_run.folder, tmp_path_factory.mktemp("read_back") / "data"))
    return data, context_of("test", data)[1]


@pytest.mark.parametrize(("name", "pattern"), READ_BACK.items(), ids=READ_BACK)
def test_a_changed_bit_anywhere_is_told_by_name_or_changes_nothing(read_back, name, pattern):
    draw, (data, catalog) = random.Random(name), read_back
    whole, noticed, files = content_of(catalog.load(name)), 0, sorted(data.glob(pattern))
    for file in files:
        content = file.read_bytes()
        for _ in range(PLACES // len(files) + 1):
            file.write_bytes(damaged(content, "flipped", draw))
            try:
                assert content_of(catalog.load(name)) == whole
            except (InputError, DatasetError) as error:
                noticed += 1
                assert file.name in str(error)
        file.write_bytes(content)
    assert noticed > PLACES / 2
