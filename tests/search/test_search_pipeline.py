"""The search as a user runs it, and the pairs that its trials see."""

import json

import numpy as np
import pandas as pd
import plotly.io
import pytest
import torch
from safetensors.torch import load, load_file

from esm2_amp.checked_json import read_json
from esm2_amp.errors import InputError
from esm2_amp.parameters.hyperparameter_search import SearchParameters
from esm2_amp.pipelines.hyperparameter_search.nodes import fold_rows

OPTIONS = {
    "enabled": True,
    "trials": 1,
    "mode": "cross_validation",
    "folds": 5,
    "study": "s",
    "pruning": "none",
}


def table_of_pairs(positives=50, negatives=70) -> pd.DataFrame:
    count, rng = positives + negatives, np.random.default_rng(0)
    a, b = rng.integers(1000, size=(2, count))
    label = np.repeat([1.0, 0.0], [positives, negatives])
    split = np.where(np.arange(count) % 10 == 9, "validation", "train")
    return pd.DataFrame({"a": a, "b": b, "label": label, "split": split})


def test_folds_are_stratified_and_hold_every_training_pair_once():
    pairs = table_of_pairs()
    training = pairs[pairs["split"] == "train"]
    folds = fold_rows(pairs, SearchParameters(**OPTIONS), seed=1)
    assert sorted(np.concatenate([held for _, held in folds])) == training.index.tolist()
    for fitted, held in folds:
        assert sorted([*fitted, *held]) == training.index.tolist()
        assert pairs["label"].iloc[held].mean() == pytest.approx(training["label"].mean(), abs=0.03)


def test_holdout_takes_the_validation_split():
    pairs = table_of_pairs()
    ((fitted, held),) = fold_rows(pairs, SearchParameters(**OPTIONS | {"mode": "holdout"}), seed=1)
    assert (pairs["split"].iloc[held] == "validation").all() and (pairs["split"].iloc[fitted] == "train").all()
    assert len(fitted) + len(held) == len(pairs)


def test_fewer_pairs_of_a_class_than_folds():
    with pytest.raises(
        InputError, match=r"search.folds = 5 needs at least as many .* of each class, got 4 of one; lower"
    ):
        fold_rows(table_of_pairs(positives=4).assign(split="train"), SearchParameters(**OPTIONS), seed=1)


def test_folds_of_known_proteins_are_warned_of(caplog):
    pairs = table_of_pairs().assign(split="train")
    pairs[["a", "b"]] %= 6
    fold_rows(pairs, SearchParameters(**OPTIONS), seed=1)
    assert "In cross-validation every pair has a protein that is in training pairs too" in caplog.text


def test_search_and_refit(go, data):
    output = go("--pipeline=training", "--namespaces=ESM2_DPM,ESM2_GRU", "--params=search.enabled=true")
    assert "ESM2_DPM.demonstration: trial 1: MCC" in output and "2 of 2 trials" in output
    for model in ("ESM2_DPM", "ESM2_GRU"):
        folder = data / f"08_reporting/{model}/search"
        best = read_json(data / f"06_models/{model}/best_parameters.json")
        trials, excel = pd.read_csv(folder / "trials.csv"), pd.read_excel(folder / "trials.xlsx")
        pd.testing.assert_frame_equal(trials, excel, check_dtype=False)
        assert best["value"] == pytest.approx(trials["Value"].max(), rel=1e-5)
        epochs = pd.read_csv(folder / "epochs.csv")
        assert len(epochs) == 2 * 2 * 2  # trials, folds, epochs
        last = epochs.query("Trial == @best['trial'] and Epoch == 2")["ValidationMCC"]
        assert best["value"] == pytest.approx(last.mean())
        figures = [plotly.io.read_json(folder / f"{name}.json") for name in ("history", "importance", "slices")]
        assert all(figure.data or figure.layout.annotations for figure in figures)  # no importance of equal values
        card = json.loads((data / f"06_models/{model}/model/card.json").read_text())
        settings = card["settings"]["network"] | card["settings"]["training"]
        assert {name: settings[name] for name in best["parameters"]} == best["parameters"]
        assert card["search"] == best
        assert card["split"]["split"] == "files"

    again = go("--pipeline=hyperparameter_search", "--namespaces=ESM2_DPM", "--params=search.trials=3")
    assert "trial 2: MCC" in again and "trial 1: MCC" not in again


def test_search_alone_leaves_the_models_as_they_are(go, data):
    before = (data / "06_models/ESM2_MEAN/model/model.safetensors").read_bytes()
    go("--pipeline=hyperparameter_search", "--namespaces=ESM2_MEAN")
    assert (data / "06_models/ESM2_MEAN/model/model.safetensors").read_bytes() == before
    go("--pipeline=refit", "--namespaces=ESM2_MEAN")
    single = (data / "06_models/ESM2_MEAN/model/model.safetensors").read_bytes()
    assert single != before
    members = "--params=ESM2_MEAN.settings.training.members=2"
    again = go("--pipeline=hyperparameter_search", "--namespaces=ESM2_MEAN", members)
    assert "trial " not in again, "those of single networks should count"
    go("--pipeline=refit", "--namespaces=ESM2_MEAN", members)
    folder = data / "06_models/ESM2_MEAN/model"
    weights, of_single = load_file(folder / "member_1.safetensors"), load(single)
    assert all(torch.equal(weight, of_single[name]) for name, weight in weights.items())
    card = json.loads((folder / "card.json").read_text())
    assert len(card["members"]) == 2 and card["search"]["parameters"]
