"""The feature store under extractions that are killed, run out of disk, or meet what others left in it."""

import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DatasetError
from safetensors.torch import load_file, save_file

from esm2_amp.encoder.loading import load_encoder
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.io.feature_store import FeatureShard, FeatureStoreDataset, StoreContentsDataset
from esm2_amp.io.published_features import PublishedFeatures
from esm2_amp.models.registry import MODELS
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import ExtractionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.feature_extraction.nodes import extract_features
from esm2_amp.protein import TOKENS

GOLDEN = Path(__file__).parents[1] / "data/golden"
TINY = GOLDEN / "esm2_tiny"
SHARD_RESIDUES = 500


def random_proteins(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sequences = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=rng.integers(5, 200))) for _ in range(count)]
    return pd.DataFrame({"Entry": [f"P{seed}{i:04d}" for i in range(count)], "Sequence": sequences})


def store_in(folder: Path) -> FeatureStoreDataset:
    return FeatureStoreDataset(path=str(folder / "store"), filepath=str(folder / "index.parquet"))


RUN = RunParameters(device="cpu", seed=1, data_name="random proteins", scoring_batch_size=8)


def extract(
    folder: Path,
    proteins: pd.DataFrame,
    *,
    encoder: Path = TINY,
    stored_as: str = "float32",
    whole_up_to: int = 1022,
    precision: str = "float32",
    before_save: Callable[[FeatureShard], None] = lambda shard: None,
) -> ProteinFeatures:
    """What Kedro does with the node: save each part before the next is computed."""
    embedding = {"precision": precision, "tokens_per_batch": 300, "window": 100, "overlap": 20}
    parameters = ExtractionParameters(
        embedding=embedding | {"whole_up_to": whole_up_to},
        stored_as=stored_as,
        shard_residues=SHARD_RESIDUES,
    )
    store = store_in(folder)
    stored = StoreContentsDataset(path=str(folder / "store")).load()
    for part in extract_features(proteins, partial(load_encoder, str(encoder)), stored, None, parameters, RUN):
        if isinstance(part, FeatureShard):
            before_save(part)
        store.save(part)
    return store.load()


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def inodes(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_ino for file in folder.rglob("*.safetensors")}


class Stopped(Exception):
    pass


def stop_after(count: int) -> Callable[[FeatureShard], None]:
    """Raise before shard number `count` is saved."""
    left = iter(range(count))

    def check(shard: FeatureShard) -> None:
        if next(left, None) is None:
            raise Stopped

    return check


def test_store_gives_the_published_features(tmp_path):
    proteins = pd.read_csv(GOLDEN / "proteins.csv")
    features = extract(tmp_path, proteins)
    with np.load(GOLDEN / "features.npz") as golden:
        expected = golden["feature"][:, [list(golden["token"]).index(token) for token in TOKENS]]
    assert features.entries == proteins["Entry"].tolist()
    assert features.index["length"].tolist() == proteins["Sequence"].str.len().tolist()
    np.testing.assert_allclose(features.select(slice(None)), expected, atol=1e-5)


def test_tokens_and_rows_are_picked(tmp_path):
    features = extract(tmp_path, random_proteins(30))
    everything = features.select(slice(None))
    assert everything.shape == (30, 13, 32)
    rows = [7, 29, 7, 0]
    for tokens in (slice(0, 12), slice(1, 11), slice(12, 13)):
        assert torch.equal(features.select(tokens), everything[:, tokens])
        assert torch.equal(features.select(tokens, rows), everything[rows][:, tokens])
    assert features.select(slice(None), []).shape == (0, 13, 32)


def imported(folder: Path, published: PublishedFeatures) -> ProteinFeatures:
    """Features of a file of others in the store."""
    store = store_in(folder)
    parameters = ExtractionParameters(
        embedding={"precision": "float32", "window": 100, "overlap": 20, "whole_up_to": 1022},
        stored_as="float32",
        shard_residues=SHARD_RESIDUES,
    )
    stored = StoreContentsDataset(path=str(folder / "store")).load()
    nothing = pd.DataFrame({"Entry": [], "Sequence": []})
    for part in extract_features(nothing, lambda: pytest.fail("no encoder"), stored, published, parameters, RUN):
        store.save(part)
    return store.load()


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[1:11], TOKENS[:12], (TOKENS[0], "mean"), ("mean",)], ids=len)
def test_imported_features_hold_their_tokens_alone(tmp_path, tokens):
    feature = np.random.default_rng(0).standard_normal((3, len(tokens), 4), dtype=np.float32)
    features = imported(tmp_path, PublishedFeatures(["P1", "P2", "P3"], feature, tokens))
    for number, token in enumerate(tokens):
        at = TOKENS.index(token)
        np.testing.assert_array_equal(features.select(slice(at, at + 1), [2, 0])[:, 0], feature[[2, 0], number])
    (shard,) = inodes(tmp_path)
    assert load_file(shard)["feature"].shape == (3, len(tokens), 4)


def test_shards_of_all_tokens_are_read_where_few_were_imported(tmp_path):
    features = extract(tmp_path, random_proteins(5))
    few = replace(features, provenance={"tokens": ["cls", "mean"]})
    mean = slice(TOKENS.index("mean"), None)
    assert torch.equal(few.select(mean), features.select(mean))


@pytest.mark.parametrize("model", MODELS)
def test_mean_vectors_serve_the_model_that_reads_them_alone(tmp_path, model):
    mean = np.random.default_rng(0).standard_normal((2, 1, 4), dtype=np.float32)
    features = imported(tmp_path, PublishedFeatures(["P1", "P2"], mean, ("mean",)))
    pairs = pd.DataFrame({"Protein1": ["P1"], "Protein2": ["P2"], "label": [1.0]})
    tokens = MODELS[model].network.protein_tokens
    if model == "ESM2_DPM":
        np.testing.assert_array_equal(Pairs.of(features, pairs, tokens).tokens()[0], mean[:, 0])
        return
    with pytest.raises(
        InputError, match=r"vectors .*segment0, .* are needed, but .* hold only mean; .* UniProt's per-protein\.h5"
    ):
        Pairs.of(features, pairs, tokens)


def test_half_precision_keeps_three_digits(tmp_path):
    whole, half = (extract(tmp_path / kind, random_proteins(9), stored_as=kind) for kind in ("float32", "float16"))
    assert half.select(slice(None)).dtype == torch.float16
    torch.testing.assert_close(half.select(slice(None)).float(), whole.select(slice(None)), rtol=1e-3, atol=1e-4)
    assert {load_file(shard)["feature"].dtype for shard in inodes(tmp_path / "float16")} == {torch.float16}


def test_windows_of_long_proteins_are_recorded(tmp_path):
    proteins = pd.DataFrame({"Entry": ["short", "long"], "Sequence": ["MK" * 50, "MK" * 90]})
    assert extract(tmp_path, proteins, whole_up_to=100).index["windows"].tolist() == [1, 2]


def test_features_exist_when_index_and_shards_are_there(tmp_path):
    store = store_in(tmp_path)
    with pytest.raises(Stopped):
        extract(tmp_path, random_proteins(30), before_save=stop_after(2))
    assert len(inodes(tmp_path)) == 2
    assert not store.exists()
    with pytest.raises(DatasetError, match=r"no complete .* run `kedro run --pipeline=feature_extraction` first"):
        store.load()
    features = extract(tmp_path, random_proteins(30))
    assert store.exists()
    next(features.folder.iterdir()).unlink()
    assert not store.exists()
    with pytest.raises(InputError, match="is listed in the index of the features but missing; extract them again"):
        features.select(slice(None))


@pytest.mark.parametrize("shards", [0, 1, 5])
def test_stopped_extraction_ends_with_the_same_bytes(shards, tmp_path):
    proteins = random_proteins(60)
    extract(tmp_path / "undisturbed", proteins)
    with pytest.raises(Stopped):
        extract(tmp_path / "stopped", proteins, before_save=stop_after(shards))
    extract(tmp_path / "stopped", proteins)
    assert files_in(tmp_path / "stopped") == files_in(tmp_path / "undisturbed")


def extract_and_count(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def count(shard: FeatureShard) -> None:
        with (folder.parent / "embedded.txt").open("a") as log:
            log.write(f"{shard.name}\n")

    extract(folder, random_proteins(400), before_save=count)


def test_killed_extraction_ends_with_the_same_bytes(tmp_path, killed):
    extract_and_count(tmp_path / "undisturbed/data")
    delays = np.random.default_rng(5).uniform(0, 0.4, 6)
    kills = killed(extract_and_count, tmp_path / "killed/data", watch=tmp_path / "killed", delays=delays)
    assert kills > 2
    assert files_in(tmp_path / "killed/data") == files_in(tmp_path / "undisturbed/data")
    embedded, once = ((tmp_path / name / "embedded.txt").read_text().splitlines() for name in ("killed", "undisturbed"))
    assert len(embedded) - len(once) <= kills
    assert set(embedded) == set(once)


def test_only_new_proteins_are_embedded(tmp_path):
    few, more = random_proteins(20), random_proteins(15, seed=1)
    extract(tmp_path, few)
    before, embedded = inodes(tmp_path), []
    features = extract(tmp_path, pd.concat([more, few]), before_save=embedded.append)
    assert sum(len(shard.table) for shard in embedded) == 15
    assert before.items() <= inodes(tmp_path).items()
    assert features.entries == [*more["Entry"], *few["Entry"]]
    alone = extract(tmp_path / "alone", pd.concat([more, few])).select(slice(None))
    torch.testing.assert_close(features.select(slice(None)), alone, atol=1e-5, rtol=0)


def test_equal_sequences_are_embedded_once(tmp_path):
    proteins = random_proteins(8)
    twins = proteins.assign(Entry="twin_" + proteins["Entry"])
    embedded = []
    features = extract(tmp_path, pd.concat([proteins, twins]), before_save=embedded.append)
    assert sum(len(shard.table) for shard in embedded) == 8
    table = features.select(slice(None))
    assert torch.equal(table[:8], table[8:])


@pytest.fixture
def other_encoder(tmp_path):
    folder = Path(shutil.copytree(TINY, tmp_path / "encoder"))
    folder.chmod(0o755)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weights["esm.encoder.layer.0.attention.self.query.weight"] += 0.1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("change", ["encoder", "stored_as", "whole_up_to"])
def test_another_encoder_or_option_has_its_own_group(change, tmp_path, other_encoder):
    value = {"encoder": other_encoder, "stored_as": "float16", "whole_up_to": 150}[change]
    proteins, data = random_proteins(10), tmp_path / "data"
    first = extract(data, proteins)
    before = files_in(first.folder)
    second = extract(data, proteins, **{change: value})
    assert second.folder != first.folder
    assert files_in(first.folder) == before
    assert len(second.index) == 10
    assert not torch.equal(first.select(slice(None)), second.select(slice(None)))


def test_encoder_copied_elsewhere_finds_its_features(tmp_path):
    proteins, data = random_proteins(10), tmp_path / "data"
    extract(data, proteins)
    embedded = []
    extract(data, proteins, encoder=shutil.copytree(TINY, tmp_path / "copy"), before_save=embedded.append)
    assert not embedded


def altered_length(content: bytes) -> bytes:
    at = content.index(b"[", content.index(b"length")) + 1
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("damage", [lambda content: content[:-100], altered_length])
def test_damaged_shard_is_named_and_only_its_proteins_are_embedded_anew(tmp_path, damage):
    proteins = random_proteins(40)
    features = extract(tmp_path, proteins)
    undisturbed = files_in(tmp_path)
    shard = sorted(features.folder.iterdir())[1]
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(InputError, match=f"{shard.name} is damaged .*delete this file and run again"):
        extract(tmp_path, proteins)
    shard.unlink()
    embedded = []
    extract(tmp_path, proteins, before_save=embedded.append)
    assert [part.name for part in embedded] == [shard.name]
    assert files_in(tmp_path) == undisturbed


@contextmanager
def disk_that_takes_files_up_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_whole_shards_only(tmp_path):
    proteins = random_proteins(60)
    undisturbed = extract(tmp_path / "undisturbed", proteins)
    # shards of short proteins hold more of them and are larger; they come late
    sizes = sorted(shard.stat().st_size for shard in undisturbed.folder.iterdir())
    with (
        disk_that_takes_files_up_to(sizes[-2]),
        pytest.raises(DatasetError, match="could not be written: File too large"),
    ):
        extract(tmp_path / "full", proteins)
    left = files_in(tmp_path / "full")
    assert left
    assert left.items() < files_in(tmp_path / "undisturbed").items()
    extract(tmp_path / "full", proteins)
    assert files_in(tmp_path / "full") == files_in(tmp_path / "undisturbed")


def test_auto_shares_the_store_with_the_precision_that_it_is_and_no_other(tmp_path, monkeypatch, caplog):
    proteins = random_proteins(5)
    monkeypatch.setattr("esm2_amp.precision.has_bfloat16", lambda device: False)
    first = extract(tmp_path, proteins, precision="auto")
    assert first.provenance["options"]["precision"] == "float32"
    before = inodes(tmp_path)
    assert extract(tmp_path, proteins, precision="float32").folder == first.folder
    assert inodes(tmp_path) == before
    monkeypatch.setattr("esm2_amp.precision.has_bfloat16", lambda device: True)
    with caplog.at_level("INFO"):
        elsewhere = extract(tmp_path, proteins, precision="auto")
    assert "5 of them are in the store in float32, by another setting or machine" in caplog.text
    assert elsewhere.provenance["options"]["precision"] == "bfloat16"
    assert elsewhere.folder != first.folder
    assert inodes(tmp_path).items() >= before.items()
