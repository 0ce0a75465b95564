"""A scan by the workers of a Dask cluster: the same numbers as here, whatever happens to a worker."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from test_mutation_scan import GOLDEN, rescorer_of, scan_of

from esm2_amp.cluster import Cluster
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.errors import InputError
from esm2_amp.explanation import mutation_scan as module
from esm2_amp.explanation.mutation_scan import ScanStore, mutation_scan
from esm2_amp.explanation.rescoring import Rescorer
from esm2_amp.explanation.residues import Profiles

SCAN = scan_of(replace_by="background", draws=2)
SEQUENCES = {"P1": "MKTAYIAKQRQISFVKSHFSRQL", "P2": "GLIEVQAPILSRVGDGTQDNLSGAEKAVQVK", "P3": "MKVKALPDAQFEVVHSLAKW" * 3}
"""Of the pairs of `test_mutation_scan`; the third is read in windows."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 4)


@pytest.fixture
def rescorer() -> Rescorer:
    return rescorer_of("ESM2_AMPS", load_encoder(str(GOLDEN / "esm2_tiny")), SEQUENCES)


def assert_same(found: Profiles, expected: Profiles) -> None:
    for of_pair, of_expected in zip(found, expected, strict=True):
        for values, of_one in zip(of_pair, of_expected, strict=True):
            np.testing.assert_array_equal(values, of_one)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_two_workers_find_the_same_falls(cluster, rescorer, tmp_path):
    expected = mutation_scan(rescorer, SCAN, seed=0, store=ScanStore(tmp_path / "alone"))
    found = mutation_scan(rescorer, SCAN, seed=0, store=ScanStore(tmp_path / "shared"), cluster=cluster)
    assert_same(found, expected)
    assert content(tmp_path / "shared") == content(tmp_path / "alone")
    assert_same(mutation_scan(rescorer, SCAN, seed=0, cluster=cluster), expected)


def test_parts_of_a_killed_worker_go_to_another(cluster, losing_a_worker, rescorer):
    found = mutation_scan(rescorer, SCAN, seed=0, cluster=cluster)
    assert len(losing_a_worker) > 10
    assert_same(found, mutation_scan(rescorer, SCAN, seed=0))


def test_workers_compute_only_what_is_missing(cluster, losing_a_worker, rescorer, tmp_path):
    store = ScanStore(tmp_path)
    expected = mutation_scan(rescorer, SCAN, seed=0, store=store)
    whole = content(tmp_path)
    for file in sorted(tmp_path.iterdir())[::4]:
        file.unlink()
    assert_same(mutation_scan(rescorer, SCAN, seed=0, store=store, cluster=cluster), expected)
    assert len(losing_a_worker) == len(sorted(whole)[::4])
    assert content(tmp_path) == whole
    assert_same(mutation_scan(rescorer, SCAN, seed=0, store=store, cluster=Cluster("nowhere", "cpu")), expected)


def test_a_worker_with_another_encoder_is_told(cluster, tmp_path):
    folder = Path(shutil.copytree(GOLDEN / "esm2_tiny", tmp_path / "encoder"))
    loaded = load_encoder(str(folder))
    tensors = {name: weight + 1 for name, weight in loaded.weights.tensors.items()}
    loaded.weights = EsmWeights(loaded.weights.architecture, tensors, loaded.weights.inverse_frequencies)
    rescorer = rescorer_of("ESM2_AMPS", loaded, SEQUENCES)
    expected = f"same encoder on all machines, with the fingerprint {loaded.fingerprint[:12]}, but a worker's has"
    with pytest.raises(InputError, match=expected):
        mutation_scan(rescorer, SCAN, seed=0, cluster=cluster)
