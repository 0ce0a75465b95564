"""Unlikeness against brute force, and what must hold of it whatever the vectors."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from esm2_amp.errors import InputError
from esm2_amp.features import FEATURE, ProteinFeatures
from esm2_amp.models import unlikeness as module
from esm2_amp.models.mean import ESM2MEAN
from esm2_amp.models.storage import TrainedModel
from esm2_amp.models.unlikeness import TrainingVectors, nearest_distances, uncertainty
from esm2_amp.protein import TOKENS


def drawn(count: int, width: int = 6, seed: int = 0) -> torch.Tensor:
    """Vectors in which one dimension is much longer than the others."""
    vectors = torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + 3
    vectors[:, 0] *= 40
    return vectors


def brute_force(training: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Percentage of training proteins that are nearer to another one than each protein is to any."""
    centre, scale = training.mean(axis=0), training.std(axis=0, ddof=1)
    kept, asked = ((part - centre) / scale for part in (training, others))
    nearest = [min(np.linalg.norm(x - y) for y in kept) for x in asked]
    own = [min(np.linalg.norm(x - y) for j, y in enumerate(kept) if j != i) for i, x in enumerate(kept)]
    return np.array([100 * np.mean([distance < at for distance in own]) for at in nearest])


def test_percentiles_are_those_of_brute_force(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 17)
    training, others = drawn(60), drawn(45, seed=1)
    found = TrainingVectors.of(training).unlikeness(others)
    assert found.dtype == np.float32
    expected = brute_force(training.double().numpy(), others.double().numpy())
    assert len(set(expected)) > 10
    np.testing.assert_allclose(found, expected, atol=100 / 60 + 1e-5)  # rounded to half precision, ranks may swap
    assert np.isclose(found, expected).mean() > 0.9


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 40), st.integers(1, 9), st.integers(0, 10**6), st.sampled_from(["float32", "float16"]))
def test_training_proteins_are_not_unlike_themselves(count, width, seed, dtype):
    vectors = drawn(count, width, seed).to(getattr(torch, dtype))
    training = TrainingVectors.of(vectors)
    np.testing.assert_array_equal(training.unlikeness(vectors), 0)
    assert (training.distances.diff() >= 0).all()
    far = TrainingVectors.of(vectors).unlikeness(vectors + 1000 * vectors.float().std(dim=0))
    np.testing.assert_array_equal(far, 100)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_scale_and_origin_of_a_dimension_change_nothing(seed):
    generator = np.random.default_rng(seed)
    factor, shift = (torch.from_numpy(generator.uniform(0.1, 30, 6).astype("f4")) for _ in range(2))
    training, others = drawn(50, seed=seed), drawn(20, seed=seed + 1)
    before = TrainingVectors.of(training).unlikeness(others)
    after = TrainingVectors.of(training * factor + shift).unlikeness(others * factor + shift)
    np.testing.assert_allclose(before, after, atol=2 * 100 / 50 + 1e-5)


def test_new_proteins_of_the_same_kind_are_spread_over_all_percentiles():
    found = TrainingVectors.of(drawn(2000, seed=5)).unlikeness(drawn(2000, seed=6))
    assert np.mean(found) == pytest.approx(50, abs=2)
    np.testing.assert_allclose(np.quantile(found, [0.1, 0.25, 0.75, 0.9]), [10, 25, 75, 90], atol=4)


def test_large_trainings_are_sampled_and_proteins_not_drawn_count_as_new():
    vectors = drawn(500, width=10)
    training, again = (TrainingVectors.of(vectors, most=100) for _ in range(2))
    assert len(training.vectors) == len(training.distances) == 100
    assert all(map(torch.equal, training, again))
    torch.testing.assert_close(training.centre, vectors.mean(dim=0))
    found = training.unlikeness(vectors)
    assert (found == 0).sum() >= 100
    assert np.mean(np.sort(found)[100:]) == pytest.approx(50, abs=8)


def test_constant_dimension_is_left_as_it_is():
    vectors = drawn(30)
    vectors[:, 2] = 7
    training = TrainingVectors.of(vectors)
    assert torch.isfinite(training.vectors).all()
    assert (training.unlikeness(vectors + torch.eye(6)[2] * 1e9) == 100).all()


def test_nearest_distance_of_equal_vectors_is_exactly_0():
    vectors = 1000 + torch.randn(40, 300)
    assert nearest_distances(vectors[:7], vectors).eq(0).all()
    assert nearest_distances(vectors, vectors, leave_out_own=True).gt(1).all()


def features_in(folder, vectors: torch.Tensor, fingerprint: str = "a", tokens=TOKENS) -> ProteinFeatures:
    save_file({FEATURE: vectors}, folder / "shard.safetensors")
    entries = [f"P{number}" for number in range(len(vectors))]
    index = pd.DataFrame({"Entry": entries, "shard": "shard.safetensors", "row": range(len(vectors))})
    provenance = {"encoder": "drawn", "fingerprint": fingerprint, "tokens": list(tokens)}
    return ProteinFeatures(index, folder, vectors.shape[-1], provenance)


def model_with(training: TrainingVectors | None) -> TrainedModel:
    card = {"features": {"encoder": "drawn", "fingerprint": "a"}}
    return TrainedModel("ESM2_MEAN", ESM2MEAN(6, 4, 3), card, training_vectors=training)


def test_model_reads_the_mean_vectors_of_the_features(tmp_path):
    training, vectors = TrainingVectors.of(drawn(30)), torch.randn(12, len(TOKENS), 6)
    vectors[:, -1] = drawn(12, seed=3)
    found = model_with(training).unlikeness(features_in(tmp_path, vectors))
    assert found.index.tolist() == [f"P{number}" for number in range(12)]
    np.testing.assert_array_equal(found, training.unlikeness(vectors[:, -1]))


def test_without_training_vectors_or_mean_vectors_nothing_is_told(tmp_path):
    vectors = torch.randn(4, len(TOKENS), 6)
    assert model_with(None).unlikeness(features_in(tmp_path, vectors)) is None
    without = features_in(tmp_path, vectors[:, :12].contiguous(), tokens=TOKENS[:12])
    assert model_with(TrainingVectors.of(drawn(30))).unlikeness(without) is None


def test_features_of_another_encoder_are_refused(tmp_path):
    other = features_in(tmp_path, torch.randn(4, len(TOKENS), 6), fingerprint="b")
    with pytest.raises(InputError, match="these come from other weights"):
        model_with(TrainingVectors.of(drawn(30))).unlikeness(other)


def test_pair_is_as_unlike_as_its_more_unlike_partner():
    pairs = pd.DataFrame({"Protein1": ["A", "B", "A"], "Protein2": ["B", "C", "A"]}, index=[7, 3, 5])
    unlikeness = pd.Series([10.0, 30.0, 20.0], index=["A", "B", "C"], dtype="float32")
    assert uncertainty(None, None, pairs) == {}
    found = uncertainty(np.array([1, 2, 3], "f4"), unlikeness, pairs)
    assert {name: values.tolist() for name, values in found.items()} == {
        "Spread": [1, 2, 3], "Unlikeness": [30, 30, 10],
    }  # fmt: skip
