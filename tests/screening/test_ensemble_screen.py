"""A screen by an ensemble keeps what brute force keeps of the mean logits, and tells how far members differ."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from test_engine import all_pairs, parameters
from test_scorers import logits_of, network_of, vectors_of

from esm2_amp.features import FEATURE, ProteinFeatures
from esm2_amp.models.ensemble import Ensemble, members_of
from esm2_amp.models.registry import MODELS
from esm2_amp.models.storage import TrainedModel
from esm2_amp.models.unlikeness import TrainingVectors
from esm2_amp.parameters.run import RunParameters
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.pipelines.screening.nodes import list_candidates, screen_pairs
from esm2_amp.protein import TOKENS
from esm2_amp.screening.engine import Work, screen
from esm2_amp.screening.kept import Keeping, Watch
from esm2_amp.screening.rows import RowScorer
from esm2_amp.screening.scorers import pairs_at_once, scorer_of

P, WIDTH = 40, 16
RUN = RunParameters(device="cpu", seed=0, data_name="", scoring_batch_size=64)


def ensemble_of(architecture: str) -> Ensemble:
    return Ensemble([network_of(architecture, seed=seed) for seed in range(3)])


def both_orders(network, table: torch.Tensor) -> np.ndarray:
    logits = logits_of(network, table)
    return (logits + logits.T) / 2


@pytest.mark.parametrize("architecture", MODELS)
@torch.inference_mode()
def test_scores_are_the_mean_of_the_members_scores(architecture):
    ensemble = ensemble_of(architecture)
    table = vectors_of(ensemble, 11)
    scorer = scorer_of(ensemble)
    prepared = scorer.prepare(table)
    assert sum(part[0].numel() for part in prepared) == scorer.floats_per_protein
    assert pairs_at_once(scorer) >= 1
    found = scorer.score(tuple(part[:4] for part in prepared), tuple(part[4:] for part in prepared))
    assert found.shape == (4, 7) and found.dtype == torch.float32
    mean = np.mean([both_orders(member, table) for member in members_of(ensemble)], axis=0)
    np.testing.assert_allclose(found.numpy(), mean[:4, 4:], atol=1e-5 * np.abs(mean).max(), rtol=0)


@pytest.mark.parametrize("architecture", ["ESM2_DPM", "ESM2_AMPS"])
def test_screen_is_that_of_brute_force(architecture, tmp_path):
    ensemble = ensemble_of(architecture)
    table = vectors_of(ensemble, P)
    work = Work(ensemble, "cpu", "float32", all_pairs(P), Keeping(P - 1, 0.0, Watch.nothing(P)))
    kept = screen(work, table, tmp_path, parameters(save_every=60, pairs_per_tile=300))
    partner, logit = kept.partners()
    exact = both_orders(ensemble, table)
    np.testing.assert_allclose(logit, np.take_along_axis(exact, partner, 1), rtol=0, atol=1e-5 * np.abs(exact).max())
    assert kept.scores.sum() == P * (P - 1) / 2


@pytest.mark.parametrize("architecture", MODELS)
def test_both_orders_of_rows_are_averaged_member_by_member(architecture):
    ensemble = ensemble_of(architecture)
    table = vectors_of(ensemble, P)
    a, b = np.random.default_rng(5).integers(P, size=(2, 100))
    counted = []
    found = RowScorer(ensemble, table, torch.device("cpu")).scores_in_both_orders(a, b, counted.append)
    assert sum(counted) == (100 if ensemble.symmetric else 200)
    expected = np.stack([both_orders(member, table)[a, b] for member in members_of(ensemble)], axis=1)
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found.members, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.logit, expected.mean(axis=1), rtol=0, atol=tolerance)
    np.testing.assert_allclose(found.spread, expected.std(axis=1), rtol=0, atol=tolerance)


@pytest.fixture
def features(tmp_path) -> ProteinFeatures:
    vectors = torch.randn(P, len(TOKENS), WIDTH, generator=torch.Generator().manual_seed(2))
    save_file({FEATURE: vectors}, tmp_path / "shard.safetensors")
    entries = [f"P{number}" for number in range(P)]
    index = pd.DataFrame({"Entry": entries, "key": entries, "shard": "shard.safetensors", "row": range(P)})
    return ProteinFeatures(index, tmp_path, WIDTH, {"encoder": "drawn", "fingerprint": "a"})


def screened_by(model: TrainedModel, features: ProteinFeatures, folder, queries=()) -> tuple[pd.DataFrame, ...]:
    given = ScreeningParameters(top=4, threshold=0.9, background=5)
    named = pd.DataFrame({"Entry": pd.Series(queries, dtype="str"), "InProteome": True})
    known = pd.DataFrame({"Protein1": [], "Protein2": []}, dtype="str")
    return list_candidates(screen_pairs(features, named, known, model, folder, given, RUN), model, given)


@pytest.mark.parametrize("architecture", ["ESM2_DPM", "ESM2_MEAN"])
def test_candidates_tell_spread_and_unlikeness(architecture, features, tmp_path):
    ensemble, training = ensemble_of(architecture), TrainingVectors.of(torch.randn(30, WIDTH))
    model = TrainedModel(architecture, ensemble, {}, training_vectors=training)
    candidates, _, partners, proteins, network, _ = screened_by(model, features, tmp_path / "state", ["P3", "P7"])
    of_members = np.stack([both_orders(m, features.select(m.protein_tokens)) for m in members_of(ensemble)])
    unlike = training.unlikeness(features.select(slice(12, 13))[:, 0])
    a, b = (candidates[name].str[1:].astype(int) for name in ("Protein1", "Protein2"))
    np.testing.assert_allclose(candidates["Logit"], of_members.mean(axis=0)[a, b], atol=1e-4)
    np.testing.assert_allclose(candidates["Spread"], of_members.std(axis=0)[a, b], atol=1e-4)
    np.testing.assert_array_equal(candidates["Unlikeness"], np.maximum(unlike[a], unlike[b]))
    np.testing.assert_array_equal(proteins["Unlikeness"], unlike)
    of_query = partners["P3"].set_index("Partner")
    rows = candidates.set_index(
        np.where(candidates["Protein1"] == "P3", candidates["Protein2"], candidates["Protein1"])
    )
    rows = rows[(rows[["Protein1", "Protein2"]] == "P3").any(axis=1)]
    for name in ("Spread", "Unlikeness"):
        pd.testing.assert_series_equal(of_query[name].sort_index(), rows[name].sort_index(), check_names=False)
    edge = network.edges[candidates.loc[0, "Protein1"], candidates.loc[0, "Protein2"]]
    assert (edge["Spread"], edge["Unlikeness"]) == tuple(candidates.loc[0, ["Spread", "Unlikeness"]])


def test_single_model_of_old_has_neither(features, tmp_path):
    model = TrainedModel("ESM2_DPM", network_of("ESM2_DPM"), {})
    candidates, _, _, proteins, *_ = screened_by(model, features, tmp_path / "state")
    assert not {"Spread", "Unlikeness"} & {*candidates, *proteins}
