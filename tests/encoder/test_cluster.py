"""Embedding by the workers of a Dask cluster: the same features as here, whatever happens to a worker."""

from functools import partial
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import torch
from dask.distributed import LocalCluster

from esm2_amp import cluster as module
from esm2_amp.cluster import Cluster
from esm2_amp.encoder.cluster import SharedEncoder, embed_on_cluster
from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.errors import InputError
from esm2_amp.io.feature_store import FeatureShard, StoreContents
from esm2_amp.parameters.feature_extraction import EmbeddingParameters, ExtractionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.feature_extraction.nodes import extract_features

TINY = Path(__file__).parents[1] / "data/golden/esm2_tiny"
OPTIONS = EmbeddingParameters(precision="float32", whole_up_to=150, window=100, overlap=20)
ENCODER = SharedEncoder.of(load_encoder(str(TINY)))


def random_sequences(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=rng.integers(5, 200))) for _ in range(count)]


def test_features_are_those_of_one_machine(cluster):
    parts = [random_sequences(5) for _ in range(9)]
    found = dict(embed_on_cluster(ENCODER, OPTIONS, parts, cluster))
    encoder = load_encoder(str(TINY))
    for number, part in enumerate(parts):
        torch.testing.assert_close(
            found.pop(number), embed(encoder, part, OPTIONS, torch.device("cpu")), rtol=0, atol=1e-5
        )
    assert not found


def test_parts_are_read_as_workers_take_them(cluster):
    read = []
    parts = (read.append(number) or random_sequences(1) for number in range(50))
    next(embed_on_cluster(ENCODER, OPTIONS, parts, cluster))
    assert len(read) <= 5  # two ahead for each of two threads, and the one that came back


RUN = RunParameters(device="cpu", seed=1, data_name="random proteins", scoring_batch_size=8)


def test_store_gets_the_same_shards(cluster, tmp_path):
    proteins = pd.DataFrame({"Entry": [f"P{i}" for i in range(40)], "Sequence": random_sequences(40)})
    shards = {}
    parameters = ExtractionParameters(embedding=OPTIONS, stored_as="float32", shard_residues=500)
    for where in (None, cluster.address):
        run = RUN.model_copy(update={"cluster": where})
        *parts, index = extract_features(
            proteins, partial(load_encoder, str(TINY)), StoreContents(tmp_path), None, parameters, run
        )
        assert all(isinstance(part, FeatureShard) for part in parts)
        assert index.table["shard"].notna().all()
        shards[where] = {(part.group, part.name): part.feature for part in parts}
    torch.testing.assert_close(shards[cluster.address], shards[None], rtol=0, atol=1e-5)


def test_parts_of_a_killed_worker_go_to_another(cluster, kill_worker):
    parts = [random_sequences(20) for _ in range(30)]
    found = {}
    for number, features in embed_on_cluster(ENCODER, OPTIONS, parts, cluster):
        if not found:
            kill_worker()
        found[number] = features
    assert sorted(found) == list(range(len(parts)))


def test_worker_with_another_encoder_is_told(cluster):
    with pytest.raises(InputError, match="same encoder on all machines, with the fingerprint 000000000000, but"):
        list(embed_on_cluster(ENCODER._replace(fingerprint="0" * 64), OPTIONS, [["ACD"]], cluster))


def test_workers_are_given_the_whole_path_of_a_folder_or_file(tmp_path, monkeypatch):
    (tmp_path / "esm2.pt").touch()
    (tmp_path / "esm2").mkdir()
    monkeypatch.chdir(tmp_path)
    weights = load_encoder(str(TINY)).weights
    for source in ("esm2.pt", "esm2"):
        assert SharedEncoder.of(Encoder(weights, source)).source == str(tmp_path / source)
    assert SharedEncoder.of(Encoder(weights, "facebook/esm2_t6_8M_UR50D")).source == "facebook/esm2_t6_8M_UR50D"


def test_address_without_scheduler_is_told():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InputError, match=r"cluster must be the address of a running Dask scheduler.* `dask scheduler`"),
    ):
        list(embed_on_cluster(ENCODER, OPTIONS, [["ACD"]], Cluster("tcp://127.0.0.1:1", "cpu")))


def test_scheduler_without_worker_is_told(monkeypatch):
    monkeypatch.setattr(module, "WAIT_FOR_WORKERS", 0.5)
    with (
        LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(InputError, match="has no worker; start some with `dask worker tcp://"),
    ):
        list(embed_on_cluster(ENCODER, OPTIONS, [["ACD"]], Cluster(empty.scheduler_address, "cpu")))


def test_without_parts_no_scheduler_is_asked_for():
    assert list(embed_on_cluster(ENCODER, OPTIONS, [], Cluster("nowhere", "cpu"))) == []


def test_a_run_without_an_address_has_no_cluster():
    assert Cluster.of(RUN) is None
    assert Cluster.of(RUN.model_copy(update={"cluster": "tcp://host:8786"})) == Cluster("tcp://host:8786", "cpu")
