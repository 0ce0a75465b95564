"""Scores by the workers of a Dask cluster: the same bytes as here, whatever happens to a worker."""

from pathlib import Path

import pandas as pd
import pytest
from test_scoring import network_of, scored

from esm2_amp.cluster import Cluster
from esm2_amp.models.ensemble import joined
from esm2_amp.screening import rows as screening_rows


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(screening_rows, "_PART_ROWS", (100, 100))


@pytest.fixture
def whole(tmp_path) -> dict[str, bytes]:
    """The scores that one process stores."""
    scored(tmp_path / "whole")
    return content(tmp_path / "whole")


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_two_workers_store_the_same_bytes(cluster, whole, tmp_path):
    predictions = scored(tmp_path / "shared", cluster=cluster)
    assert content(tmp_path / "shared") == whole
    assert len(whole) > 20
    assert pd.concat(predictions)["Probability"].notna().sum() == predictions.scored


def test_parts_of_a_killed_worker_go_to_another(cluster, losing_a_worker, whole, tmp_path):
    scored(tmp_path / "shared", cluster=cluster)
    assert len(losing_a_worker) == len(whole)
    assert content(tmp_path / "shared") == whole


def test_workers_score_only_what_is_missing(cluster, losing_a_worker, whole, tmp_path, caplog):
    scored(tmp_path / "shared")  # by one process
    for number in (0, 3, 11, 20):
        (tmp_path / f"shared/part-{number:06}.npz").unlink()
    with caplog.at_level("INFO"):
        scored(tmp_path / "shared", cluster=cluster)
    assert sorted(number for number, *_ in losing_a_worker) == [0, 3, 11, 20]
    assert "pairs were scored by an earlier run" in caplog.text
    assert content(tmp_path / "shared") == whole


def test_scores_that_are_all_stored_need_no_cluster(whole, tmp_path):
    scored(tmp_path / "whole", cluster=Cluster("nowhere", "cpu"))
    assert content(tmp_path / "whole") == whole


def test_members_of_an_ensemble_are_scored_by_workers_too(cluster, tmp_path):
    ensemble = joined([network_of(seed) for seed in range(3)])
    found = scored(tmp_path / "shared", network=ensemble, cluster=cluster)
    scored(tmp_path / "alone", network=ensemble)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    assert pd.concat(found)["Spread"].notna().sum() == found.scored
