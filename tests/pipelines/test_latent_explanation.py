"""The explanation on latents as a user runs it."""

import joblib
import numpy as np
import pandas as pd
import pytest

from conftest import kedro_run
from esm2_amp.explanation.latents import pair_features
from esm2_amp.explanation.selection import draw_background
from esm2_amp.protein import pair_token_names

MODEL = "ESM2_AMP_CSE"
METHODS = ("forest_shap", "network_shap", "network_gradients")
NAMES = pair_token_names(slice(0, 12))
IDS = ["Protein1", "Protein2"]


def assert_complete(data, method, pairs):
    results, report = (data / f"{layer}/{MODEL}/explanation" for layer in ("07_model_output", "08_reporting"))
    importance = pd.read_parquet(results / f"{method}_importance.parquet")
    assert importance[IDS].equals(pairs[IDS])
    by_column = pd.read_parquet(results / f"{method}_values.parquet").drop(columns=IDS)
    assert list(by_column) == [f"{name}_{k}" for name in NAMES for k in range(3)]
    grouped = np.abs(by_column.to_numpy()).reshape(len(pairs), 24, 3).mean(axis=2)
    np.testing.assert_allclose(importance[NAMES], grouped, rtol=1e-5, atol=1e-9)
    tokens = pd.read_csv(report / f"{method}_tokens.csv")
    assert tokens["Importance"].is_monotonic_decreasing
    np.testing.assert_allclose(tokens.set_index("Token")["Importance"][NAMES], grouped.mean(axis=0), rtol=1e-5)
    assert all((report / f"{method}_{kind}").is_file() for kind in ("tokens.png", "tokens.pdf", "summary.pdf"))


def assert_tree_shap_adds_up(data, pairs):
    values = pd.read_parquet(data / f"07_model_output/{MODEL}/explanation/forest_shap_values.parquet")
    latents = pd.read_parquet(data / f"04_feature/{MODEL}/latents.parquet")
    training = draw_background(pd.read_parquet(data / "05_model_input/model_pairs.parquet"), 50, seed=42)
    forest = joblib.load(data / f"06_models/{MODEL}/explanation/ae_rf.joblib")
    of_explained, of_background = (
        forest.predict_proba(pair_features(latents, table).to_numpy())[:, 1] for table in (pairs, training)
    )
    difference = of_explained - of_background.mean()
    np.testing.assert_allclose(values.drop(columns=IDS).sum(axis=1), difference, atol=1e-6)


def test_every_method_leaves_its_numbers_and_figures(go, data):
    output = go("--pipeline=interpretability", f"--namespaces={MODEL}", "--params=latent_explanation.enabled=true")
    pairs = pd.read_parquet(data / f"07_model_output/{MODEL}/explanation/explained_pairs.parquet")
    for method in METHODS:
        assert_complete(data, method, pairs)
    assert_tree_shap_adds_up(data, pairs)
    report = data / f"08_reporting/{MODEL}/explanation"
    assert pd.read_csv(report / "gini_tokens.csv")["Importance"].sum() * 3 == pytest.approx(1, rel=1e-5)
    compared = set(pd.read_csv(report / "agreement.csv")["MethodA"])
    assert {*METHODS, "gini", "attention", "integrated_gradients"} <= compared
    assert "AE_RF: explained classifier's AUROC on test pairs" in " ".join(output.split())


def test_background_that_asks_for_more_pairs_than_there_are(go):
    options = "--params=interpretability.background=100000,latent_explanation.methods=network_shap"
    output = go("--pipeline=latent_explanation", f"--namespaces={MODEL}", options)
    assert "takes all 200 training pairs; 100000 were asked for" in " ".join(output.split())


def test_published_weights_in_place_of_a_training(go, data, golden):
    weights = f"latent_explanation.autoencoder.weights.{MODEL}={golden / 'autoencoder.pth'}"
    command = ["--pipeline=latent_explanation", f"--to-outputs={MODEL}.forest"]
    done = kedro_run(data, *command, f"--params={weights}")
    assert done.exit_code == 1
    assert "must be an autoencoder with a latent width of 3, got 6; set latent_expl" in " ".join(done.output.split())
    go(*command, f"--params={weights},latent_explanation.autoencoder.latent=6")
    report = pd.read_csv(data / f"08_reporting/{MODEL}/explanation/reconstruction.csv")
    assert (report["Proteins"] == "unseen").all()
    assert len(pd.read_parquet(data / f"04_feature/{MODEL}/latents.parquet").columns) == 1 + 12 * 6
    assert len(pd.read_excel(data / f"08_reporting/{MODEL}/explanation/forest_trials.xlsx")) == 2
