"""What training keeps in memory and on disk, and that keeping less changes no result."""

import numpy as np
import pandas as pd
import pytest
import torch

from esm2_amp.features import ProteinFeatures
from esm2_amp.io.feature_store import FeatureIndex, FeatureShard, FeatureStoreDataset
from esm2_amp.models.registry import MODELS
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.model_training.nodes import train_model
from esm2_amp.protein import TOKENS
from esm2_amp.training.fit import fit_network

PROTEINS, WIDTH = 24, 8
COLUMNS = {"a": "int64", "b": "int64", "label": "float32"}
RUN = RunParameters(device="cpu", seed=3, data_name="random", scoring_batch_size=8)


def settings_of(**training) -> ModelParameters:
    network = {"architecture": "ESM2_DPM", "h1": 8, "h2": 8, "h3": 4}
    return ModelParameters(network=network, training={"learning_rate": 1e-2, "weight_decay": 0, "epochs": 4} | training)


@pytest.fixture(params=["float32", "float16"])
def dtype(request) -> torch.dtype:
    return getattr(torch, request.param)


@pytest.fixture
def vectors(dtype) -> torch.Tensor:
    return torch.randn(PROTEINS, len(TOKENS), WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.fixture
def features(vectors, tmp_path) -> ProteinFeatures:
    """Two shards; the index takes their rows in another order."""
    store = FeatureStoreDataset(path=str(tmp_path / "store"), filepath=str(tmp_path / "index.parquet"))
    order, located = np.random.default_rng(0).permutation(PROTEINS), []
    for rows in np.split(order, [10]):
        table = pd.DataFrame({"key": [f"{row:064x}" for row in rows], "length": 30, "windows": 1})
        shard = FeatureShard("group", table, vectors[rows])
        store.save(shard)
        located.append(table.assign(protein=rows, shard=shard.name, row=range(len(rows))))
    index = pd.concat(located).sort_values("protein", ignore_index=True)
    index = index.assign(Entry=[f"P{row}" for row in index["protein"]])
    store.save(FeatureIndex("group", index, WIDTH, {"encoder": "random"}))
    return store.load()


def random_pairs(entries) -> pd.DataFrame:
    """Pairs of the test set have the first eight proteins for themselves."""
    rng, tables = np.random.default_rng(1), []
    for split, low, high in [("test", 0, 8), ("train", 8, 18), ("validation", 18, PROTEINS)]:
        a, b = rng.integers(low, high, (2, 45))
        tables.append(pd.DataFrame({"a": a, "b": b, "label": np.arange(45) % 2, "split": split}))
    pairs, names = pd.concat(tables, ignore_index=True), np.array(entries)
    return pairs.assign(Protein1=names[pairs["a"]], Protein2=names[pairs["b"]])


def test_selected_vectors_are_those_stored_in_their_number_format(features, vectors, dtype):
    assert features.select(slice(1, 11)).dtype == dtype
    assert torch.equal(features.select(slice(1, 11)), vectors[:, 1:11])
    assert torch.equal(features.select(slice(12, 13), [20, 3, 3]), vectors[[20, 3, 3], 12:13])
    assert features.select(slice(0, 12), []).shape == (0, 12, WIDTH)


def test_model_is_that_of_the_table_of_all_proteins_though_only_those_of_its_pairs_are_read(
    features, vectors, tmp_path, monkeypatch
):
    pairs, read = random_pairs(features.entries), []
    select = ProteinFeatures.select
    monkeypatch.setattr(
        ProteinFeatures, "select", lambda self, tokens, rows: read.extend(rows) or select(self, tokens, rows)
    )
    model, _, _ = train_model(pairs, features, {}, tmp_path / "node", settings_of(), RUN)
    rows = (pairs[pairs["split"] == split] for split in ("train", "validation"))
    table = vectors[:, MODELS["ESM2_DPM"].network.protein_tokens]
    splits = [Pairs(table, *(torch.tensor(of[name].to_numpy(kind)) for name, kind in COLUMNS.items())) for of in rows]
    whole = fit_network(*splits, settings_of(), folder=tmp_path / "whole", device="cpu", seed=RUN.seed)
    assert min(read) >= 8
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[name], weight, rtol=0, atol=0)


def test_incomplete_last_step_weighs_its_parts_by_their_pairs(features, tmp_path):
    pairs = random_pairs(features.entries)
    # 45 pairs: steps of 16, 16 and 13, of which the last has parts of 4, 4, 4 and 1; then of 32 and 13
    for batch_size in (16, 32):
        sizes = {"batch_size": batch_size, "selection": "last_epoch"}
        whole, _, _ = train_model(pairs, features, {}, tmp_path / "whole", settings_of(**sizes), RUN)
        parts, _, _ = train_model(
            pairs, features, {}, tmp_path / "parts", settings_of(**sizes, micro_batch_size=4), RUN
        )
        for name, weight in whole.network.state_dict().items():
            torch.testing.assert_close(parts.network.state_dict()[name], weight, rtol=1e-3, atol=1e-5)


def test_optimiser_is_kept_once(features, tmp_path):
    train_model(random_pairs(features.entries), features, {}, tmp_path / "fit", settings_of(), RUN)
    checkpoints = {file.name: torch.load(file, weights_only=False) for file in (tmp_path / "fit").rglob("*.ckpt")}
    assert [name for name, content in checkpoints.items() if "optimizer_states" in content] == ["last.ckpt"]
    assert len(checkpoints) == 4
