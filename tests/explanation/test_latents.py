"""Latents of proteins and pairs: whose they are, what their columns are called, how well they hold the features."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import r2_score

from esm2_amp.errors import InputError
from esm2_amp.explanation.autoencoder import Autoencoder
from esm2_amp.explanation.latent_attributions import LatentAttributions, additivity
from esm2_amp.explanation.latents import (
    LatentVectors,
    latent_table,
    pair_features,
    protein_groups,
    reconstruct,
    reconstruction_table,
    token_means,
)
from esm2_amp.pairs import Pairs
from esm2_amp.protein import pair_token_names

CSE, AMPS = slice(0, 12), slice(1, 11)


def proteins(*entries, tokens=("segment0", "segment1"), k=2):
    """Every latent tells its protein, token and number: 123 is protein 1, token 2, number 3."""
    p, t, n = np.ogrid[: len(entries), : len(tokens), :k]
    return latent_table(entries, tokens, (100 * p + 10 * t + n).astype(np.float32))


def pairs_of(*named):
    return pd.DataFrame(named, columns=["Protein1", "Protein2"])


def test_columns_of_pairs_are_named_by_side_token_and_number():
    latents = proteins("P1", "P2")
    features = pair_features(latents, pairs_of(("P2", "P1")))
    assert features.iloc[0].to_dict() == {
        "A_segment0_0": 100, "A_segment0_1": 101, "A_segment1_0": 110, "A_segment1_1": 111,
        "B_segment0_0": 0, "B_segment0_1": 1, "B_segment1_0": 10, "B_segment1_1": 11,
    }  # fmt: skip


def test_an_id_that_begins_another_takes_its_own_rows():
    latents = proteins("P12345", "P1234", "P123")
    features = pair_features(latents, pairs_of(("P1234", "P12345"), ("P123", "P1234")))
    assert features[["A_segment0_0", "B_segment0_0"]].to_numpy().tolist() == [[100, 0], [200, 100]]


def test_a_protein_without_latents_is_refused():
    latents = proteins("P12345", "P1234")
    with pytest.raises(InputError, match="Protein1 'P123' has none"):
        pair_features(latents, pairs_of(("P123", "P12345")))


def test_vectors_of_a_network_are_the_latents_side_by_side():
    latents = proteins("P12345", "P1234", "P123")
    pairs = pairs_of(("P1234", "P123"), ("P123", "P12345"))
    found = Pairs.of(LatentVectors(latents), pairs, slice(None)).tokens().flatten(1)
    np.testing.assert_array_equal(found, pair_features(latents, pairs))


def test_importance_of_a_token_is_the_mean_of_its_latents_absolute_values():
    values = np.zeros((1, 24 * 150))
    names = [f"{token}_{k}" for token in pair_token_names(CSE) for k in range(150)]
    values[0, names.index("B_segment7_3")] = -3
    values[0, names.index("B_segment7_149")] = 1.5
    expected = {"B_segment7": 4.5 / 150}
    for token, mean in zip(pair_token_names(CSE), token_means(values, CSE)[0], strict=True):
        assert mean == pytest.approx(expected.get(token, 0))


def test_whole_training_proteins_are_held_out():
    pairs = pd.DataFrame({"a": [0, 1, 2, 9], "b": [3, 4, 5, 8], "split": ["train"] * 3 + ["test"]})
    group = protein_groups(pairs, 10, held_out=1 / 3, seed=0)
    assert sorted(group[:6]) == ["fitted"] * 4 + ["held out"] * 2
    assert group[6:].tolist() == ["unseen"] * 4
    assert (group == protein_groups(pairs, 10, held_out=1 / 3, seed=0)).all()


def test_one_training_protein_is_too_few():
    pairs = pd.DataFrame({"a": [3], "b": [3], "split": ["train"]})
    with pytest.raises(InputError, match=r"training pairs of at least 2 proteins, .* got 1; add pairs"):
        protein_groups(pairs, 5, held_out=0.1, seed=0)


def test_explained_variance_against_scikit_learn():
    torch.manual_seed(0)
    network, table = Autoencoder(6, 2, (5,)).eval(), torch.randn(300, 2, 6)
    found = reconstruct(network, table, torch.device("cpu"))
    assert found.latents.shape == (300, 2, 2)
    group = np.where(np.arange(300) < 200, "fitted", "unseen").astype(object)
    report = reconstruction_table(table, found.squared_error, group, ["segment0", "segment1"])
    with torch.inference_mode():
        again = network(table[200:, 1])
    row = report[(report["Proteins"] == "unseen") & (report["Token"] == "segment1")].iloc[0]
    assert row["ExplainedVariance"] == pytest.approx(
        r2_score(table[200:, 1], again, multioutput="variance_weighted"), rel=1e-5
    )
    assert row["MSE"] == pytest.approx(float((again - table[200:, 1]).square().mean()), rel=1e-5)
    assert report["Samples"].tolist() == [200, 200, 400, 100, 100, 200]


def test_features_that_never_vary_have_no_explained_variance():
    table = torch.ones(4, 1, 3)
    report = reconstruction_table(table, np.full((4, 1), 0.1), np.full(4, "fitted", dtype=object), ["cls"])
    assert report["ExplainedVariance"].isna().all()


def test_attributions_that_do_not_add_up_are_warned_of(caplog):
    found = LatentAttributions(np.array([[0.5, 0.25], [0.5, 0.5]]), 0.1, np.array([0.75, 0.9]))
    report = additivity(found, "Tree SHAP", exact_to=1e-6)
    assert report["largest_error"] == pytest.approx(0.1) and report["share_within_1_percent"] == 0.5
    assert "Tree SHAP: attributions must add up to the scores of 2 pairs; largest error 0.1" in caplog.text
