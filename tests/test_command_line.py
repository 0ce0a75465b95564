"""Mistakes of users in whole runs: told in words, and nothing that was there before is touched."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import ROOT, kedro_run, kedro_run_alone
from esm2_amp.io.published_features import PublishedFeatures, PublishedFeaturesDataset
from esm2_amp.protein import TOKENS
from esm2_amp.splits import similarity

RESULTS = ("05_model_input", "06_models", "07_model_output", "08_reporting")


def results_in(data: Path) -> dict[Path, bytes]:
    """All files but the reports of steps that came to their end before the mistake was met."""
    files = [file for layer in RESULTS for file in (data / layer).rglob("*") if file.is_file()]
    reports = ("_report.json", "dropped_proteins.csv")
    return {file: file.read_bytes() for file in files if not file.name.endswith(reports)}


def assert_told(data: Path, words: list[str], *options: str, run: Callable = kedro_run) -> str:
    """The run fails with these words, without a traceback, and leaves the results as they were."""
    before = results_in(data)
    exit_code, output = run(data, *options)
    assert exit_code == 1, output
    message = output[output.index("Error: ") :]
    for part in words:
        assert part in message
    assert "Traceback" not in output
    assert results_in(data) == before
    return output


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (
            "--pipeline=trainig",
            ["--pipeline must be one of __default__, training,", "'trainig' (did you mean training?)"],
        ),
        ("--namespaces=AMPS", ["--namespaces must be one of ESM2_AMPS, ESM2_AMP_CSE,", "got 'AMPS'"]),
        ("--env=bernet", ["--env must be one of base, bernett, bernett_mini,", "got 'bernet' (did you mean bernett?)"]),
        ("--params=device=mps", ["device must be one that this machine has (auto, cpu", "got 'mps'"]),
    ],
)
def test_unknown_name_of_an_option(option, words, data):
    assert_told(data, words, option)


@pytest.mark.parametrize(
    ("parameters", "words"),
    {
        "pair=x.csv": ["--params knows no 'pair' (did you mean pairs?); it must be one of proteins, pairs,"],
        "_training.epochs=3": ["--params knows no '_training'"],
        "feature_extraction.stored_at=float32": ["stored_at", "There is no parameter of this name, got 'float32'"],
        "ESM2_GRU.settings.training.epoch=3": ["ESM2_GRU.settings.training.epoch: There is no parameter of this name"],
        "evaluation.threshold=high": ["threshold", "should be a valid number", "should be 'validation', got 'high'"],
        "evaluation.threshold=1.5": ["threshold", "should be less than 1, got 1.5"],
        "evaluation.replicates=10": ["replicates", "should be greater than or equal to 100, got 10"],
        "evaluation.baselines.use=[svm]": ["should be 'composition', 'mean_vector_logistic', 'similarity' or"],
        "ESM2_GRU.settings.training.epochs=0": ["epochs", "greater than or equal to 1, got 0"],
        "device=gpu": ["device", "should be 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"],
        "seed=x": ["seed", "valid integer", "got 'x'"],
        "model=AMPS": ["A model must be one of ESM2_AMPS, ESM2_AMP_CSE,", "ppi_mini, ppi_mini_amps", "ESM2_AMPS?)"],
        "model=ppi_min": ["or the folder of a model, got 'ppi_min' (did you mean ppi_mini?)"],
        "model=ppi_mini,checkpoint=a.pth": ["beside checkpoint=, model= says which network the file holds, one of"],
        "pair_building=x": ["pair_building is a group of parameters", "(such as pair_building.self_pairs=", "got 'x'"],
        "ESM2_AMPS=5": ["ESM2_AMPS is a group of parameters", "(such as ESM2_AMPS.settings.network.", "got 5"],
        "run=3": ["run is a group of parameters, which are set one by one (such as run.device=cpu), got 3"],
        "feature_extraction.embedding=3": ["feature_extraction.embedding is a group of parameters", "got 3"],
        "training=3": ["training is a group of parameters", "(such as training.learning_rate=...), got 3"],
        "training.epoch=3": ["(set in --params): training.epoch: There is no parameter of this name, got 3"],
        "training.epochs=0": ["(set in --params): training.epochs: Input should be greater than or equal to 1, got 0"],
        "features=a.h5,proteins=b.fasta": ["give either proteins=FILE or features=FILE, not both"],
        "search.folds=1": ["folds", "greater than or equal to 2, got 1"],
        "search.enabled=true,ESM2_DPM.search_space.h1.low=900": ["low <= high must hold, got low 900, high 256"],
        "pair_building.test_fraction=0.95": ["validation_fraction + test_fraction must be below 1"],
        "proteins=none.fasta": ["none.fasta: there is no such file; check the path"],
        "encoder=nowhere": [
            "The encoder must be a folder, a file of fair-esm or the name of a model on Hugging Face, got 'nowhere'"
        ],
    }.items(),
)
def test_wrong_parameter(parameters, words, data):
    assert_told(data, words, f"--params={parameters}")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--params=evaluation.replicates=10"], ["(set in conf/base/parameters_evaluation.yml, then conf/test/param"]),
        (["--params=evaluation.replicates=10"], ["then --params): evaluation.replicates: Input should be greater"]),
        (["--params=ESM2_GRU.setings.training.epochs=3"], ["ESM2_GRU.setings (did you mean ESM2_GRU.settings?)"]),
    ],
)
def test_wrong_parameter_is_told_with_its_place(options, words, data):
    assert_told(data, words, "--pipeline=evaluation", *options)


@pytest.mark.parametrize(
    ("written", "words"),
    {
        "evaluation:\n  replicates: 10\n": ["then ", "conf/test/parameters_mine.yml)", "replicates", "got 10"],
        "evalution:\n  replicates: 100\n": ["Nothing reads the parameters evalution (did you mean evaluation?)"],
        "evaluation:\n  replicates: [\n": ["The configuration can't be read: ", "parameters_mine.yml", "line"],
        "evaluation:\n  seed: ${globals:sed}\n": ["The configuration can't be read: ", "'sed' not found"],
    }.items(),
)
def test_mistake_in_a_configuration_file_is_told_with_the_file(written, words, data, tmp_path):
    conf = Path(shutil.copytree(ROOT / "conf", tmp_path / "conf"))
    test = (conf / "test/parameters.yml").read_text()
    (conf / "test/parameters.yml").write_text(re.sub(r"^evaluation:\n(  .*\n)+", "", test, flags=re.M))
    (conf / "test/parameters_mine.yml").write_text(written)
    assert_told(data, words, "--pipeline=evaluation", f"--conf-source={conf}")


@pytest.mark.parametrize(
    ("parameters", "words"),
    {
        "network.heads=7": ["must be divisible by heads, got width 32, heads 7"],
        "training.micro_batch_size=7": ["micro_batch_size must divide batch_size 32, got 7"],
    }.items(),
)
def test_wrong_settings_of_a_model(parameters, words, data):
    assert_told(data, words, "--pipeline=training", f"--params=ESM2_AMPS.settings.{parameters}")


def pairs_file(folder: Path, change: Callable[[pd.DataFrame], pd.DataFrame], data: Path) -> Path:
    pairs = change(pd.read_csv(data / "01_raw/planted/train_pairs.csv"))
    pairs.to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


@pytest.mark.parametrize(
    ("change", "split", "words"),
    [
        (
            lambda pairs: pairs.assign(Protein2=[*pairs["Protein2"][:3], "X9", *pairs["Protein2"][4:]]),
            "files",
            ["pairs.csv row 5: Protein2 'X9' is not among the 200 proteins of the protein file", "add its sequence"],
        ),
        (
            lambda pairs: pd.concat([pairs, pairs[:1].assign(Label=1 - pairs["Label"][0])]),
            "files",
            ["pairs.csv row 202: the pair", "in row 2; keep one of the two"],
        ),
        (lambda pairs: pairs.drop(columns="Label"), "files", ["must have a column Label of 0 and 1"]),
        (
            lambda pairs: pairs.assign(Label=1),
            "files",
            ["train split must hold pairs of both classes, got 200 positive"],
        ),
        (lambda pairs: pairs.assign(Label=0), "random", ["needs at least 10 pairs of each class, got 0 positive"]),
        (lambda pairs: pairs[:8], "random", ["A random split in the fractions 0.7, 0.1, 0.2 needs at least 10 pairs"]),
        (
            lambda pairs: pairs[:8],
            "protein_disjoint",
            ["split must hold pairs of both classes, got ", "add pairs, or choose"],
        ),
    ],
)
def test_wrong_pairs(change, split, words, data, tmp_path):
    files = f"pairs={pairs_file(tmp_path, change, data)}"
    if split == "files":
        files += "".join(f",{name}_pairs={data}/01_raw/planted/{name}_pairs.csv" for name in ("validation", "test"))
    assert_told(data, words, "--pipeline=training", f"--params={files},pair_building.split={split}")


def with_test_pair(folder: Path, data: Path, pair: list) -> str:
    """The planted pair files, one pair added to the test file, as `--params=`."""
    files = {name: data / f"01_raw/planted/{name}_pairs.csv" for name in ("train", "validation", "test")}
    pairs = pd.read_csv(files["test"])
    pd.concat([pairs, pd.DataFrame([pair], columns=pairs.columns)]).to_csv(folder / "overlapping.csv", index=False)
    return f"--params=pairs={files['train']},validation_pairs={files['validation']},test_pairs={folder}/overlapping.csv"


def test_test_file_that_overlaps_training(data, tmp_path):
    one, other, label = pd.read_csv(data / "01_raw/planted/train_pairs.csv").iloc[3]
    words = ["A pair must be in one split only", "train_pairs.csv row 5) and test (", "overlapping.csv row 62)"]
    assert_told(data, words, "--pipeline=training", with_test_pair(tmp_path, data, [other, one, label]))


def test_proteins_in_two_splits_that_claim_to_share_none(data, tmp_path):
    known = pd.read_csv(data / "01_raw/planted/train_pairs.csv")["Protein1"][0]
    new = pd.read_csv(data / "01_raw/planted/test_pairs.csv")["Protein1"][0]
    option = with_test_pair(tmp_path, data, [known, new, 0])
    words = ["claims that no protein is in two splits, but some are", f"train and test share 1: {known}"]
    claim = "pair_building.disjoint_proteins=true"
    # The shared protein is in no pair of the sample, and is told all the same.
    assert_told(data, words, "--pipeline=training", f"{option},{claim},pair_building.sample.test=20")
    assert kedro_run(data, "--pipeline=pair_building", option).exit_code == 0


def features_file(folder: Path, data: Path, width: int, *, wrong: float = 0.0) -> Path:
    entries = pd.read_csv(data / "01_raw/planted/sites.csv")["Entry"].unique().tolist()
    feature = np.random.default_rng(0).random((len(entries), len(TOKENS), width), "f4")
    feature[3, 0, 0] = wrong
    PublishedFeaturesDataset(str(folder / "features.h5")).save(PublishedFeatures(entries, feature))
    return folder / "features.h5"


def test_features_of_another_width_than_the_model(data, tmp_path):
    words = ["The model ESM2_AMPS reads vectors of width 32, but the features have width 16 (encoder imported)"]
    pairs = data / "01_raw/planted/test_pairs.csv"
    given = f"--params=features={features_file(tmp_path, data, 16)},pairs={pairs}"
    assert_told(data, words, "--pipeline=prediction", given)


def test_sequences_are_compared_where_only_features_are_given(data, tmp_path):
    words = ["compare sequences, but there are none: features were imported", "give --params=proteins=FILE instead"]
    for wish in ("split=cluster_disjoint", "similarity.enabled=true"):
        parameters = f"--params=features={features_file(tmp_path, data, 32)},pair_building.{wish}"
        assert "extract_features" not in assert_told(data, words, "--pipeline=training", parameters)


def test_missing_mmseqs_is_told_before_features_are_extracted(data, monkeypatch):
    monkeypatch.setattr(similarity, "find_spec", lambda name: None)
    monkeypatch.setattr(similarity.shutil, "which", lambda name: None)
    words = ["MMseqs2, which isn't installed", "pip install 'esm2_amp[similarity]'"]
    output = assert_told(data, words, "--pipeline=training", "--params=pair_building.split=cluster_disjoint")
    assert "extract_features" not in output


def test_features_that_are_no_numbers(data, tmp_path):
    file = features_file(tmp_path, data, 32, wrong=np.nan)
    words = ["must have finite numbers, got nan in ESM2_cls0; embed this protein again or drop it"]
    pairs = data / "01_raw/planted/test_pairs.csv"
    assert_told(data, words, "--pipeline=prediction", f"--params=features={file},pairs={pairs}")


def test_features_of_another_encoder_than_the_model(data, tmp_path, golden):
    weights = load_file(golden / "esm2_tiny/model.safetensors")
    weights["esm.encoder.layer.0.attention.self.query.weight"] += 0.1
    folder = tmp_path / "encoder"
    shutil.copytree(golden / "esm2_tiny", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    words = [
        "The model ESM2_AMPS was trained on features of the encoder tests/data/golden/esm2_tiny, but these come from "
        f"other weights ({folder}); give --params=encoder=tests/data/golden/esm2_tiny"
    ]
    assert_told(data, words, "--pipeline=prediction", f"--params=encoder={folder}")


class RunsCode:
    """Makes a folder when unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    ("model", "held", "words"),
    [
        ("ESM2_GRU", "ESM2_DPM.pth", ["must hold the weights of ESM2_GRU, but looks like those of ESM2_DPM"]),
        ("ESM2_GRU", "short", ["short.pth can't be read as a PyTorch checkpoint", "download or copy it again"]),
        ("ESM2_GRU", "pickle", ["pickle.pth must hold tensors only", "it was not opened, since it could run code"]),
        ("ESM2_GRU", "ESM2_MEAN", ["holds a model ESM2_MEAN, but model=ESM2_GRU was asked for; give model=ESM2_MEAN"]),
        (None, "ESM2_DPM.pth", ["doesn't say which model it is: give model= one of ESM2_AMPS, ESM2_AMP_CSE,"]),
        ("ESM2_GRU", "nowhere", ["No model at", "nowhere: train one with `kedro run --pipeline=training`"]),
    ],
)
def test_wrong_checkpoint(model, held, words, data, tmp_path, golden):
    trap = tmp_path / "made_by_the_file"
    (tmp_path / "short.pth").write_bytes((golden / "ESM2_GRU.pth").read_bytes()[:5000])
    torch.save({"model_state_dict": {"gru.weight_ih_l0": RunsCode(trap)}}, tmp_path / "pickle.pth")
    files = {
        "ESM2_DPM.pth": golden / "ESM2_DPM.pth",
        "ESM2_MEAN": data / "06_models/ESM2_MEAN/model",
        "short": tmp_path / "short.pth",
        "pickle": tmp_path / "pickle.pth",
        "nowhere": tmp_path / "nowhere",
    }
    parameters = f"--params=checkpoint={files[held]}" + (f",model={model}" if model else "")
    assert_told(data, words, "--pipeline=prediction", parameters)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("pipeline", "words"),
    {
        "pair_building": ["protein_features isn't at", "yet; run `kedro run --pipeline=feature_extraction` first"],
        "hyperparameter_search": ["model_pairs isn't at", "yet; run `kedro run --pipeline=pair_building` first"],
        "refit": ["ESM2_AMPS.best_parameters isn't at", "yet; run `kedro run --pipeline=hyperparameter_search` first"],
        "model_training": ["leakage_audit isn't at", "yet; run `kedro run --pipeline=pair_building` first"],
        "evaluation": ["ESM2_AMPS.model isn't at", "yet; run `kedro run --pipeline=model_training` first"],
        "interpretability": ["ESM2_AMPS.metrics isn't at", "yet; run `kedro run --pipeline=evaluation` first"],
        "finetuning": ["No model at", "train one with `kedro run --pipeline=training`"],
        "feature_export": ["protein_features isn't at", "yet; run `kedro run --pipeline=feature_extraction` first"],
        "prediction": ["No model at", "train one with `kedro run --pipeline=training`"],
        "model_release": ["model_comparison isn't at", "yet; run `kedro run --pipeline=evaluation` first"],
        "encoder_pretraining": ["pretraining_proteins_raw: there is nothing at", "put it there first"],
    }.items(),
)
def test_step_whose_inputs_are_not_made_yet(pipeline, words, data):
    for folder in data.iterdir():
        if folder.is_dir() and folder.name != "01_raw":
            shutil.rmtree(folder)
    assert_told(data, words, f"--pipeline={pipeline}")


@pytest.mark.parametrize("option", [(), ("--params=test_pairs=none.csv",), ("--params=features=none.h5",)])
def test_missing_file_is_told_before_any_work(option, data):
    (data / "01_raw/planted/train_pairs.csv").unlink()
    output = assert_told(data, [": there is no such file; check the path"], *option)
    assert "clean_proteins" not in output


def test_split_by_files_named_in_part(data):
    words = ["takes pairs, validation_pairs, test_pairs together, got only pairs; name all three, or add"]
    assert_told(data, words, f"--params=pairs={data}/01_raw/planted/train_pairs.csv")


def test_split_by_files_needs_them_all(data):
    (data / "01_raw/planted/test_pairs.csv").unlink()
    words = ["'files', which needs a test pair file", "give --params=test_pairs=FILE, or choose split random"]
    assert_told(data, words, "--pipeline=pair_building")


def test_order_of_the_proteins_changes_no_score(data):
    assert kedro_run(data, "--pipeline=evaluation").exit_code == 0
    scores = data / "07_model_output/ESM2_AMPS/scored_pairs.csv"
    before = pd.read_csv(scores)
    proteins = data / "01_raw/planted/proteins.fasta"
    records = proteins.read_text().split(">")[1:]
    proteins.write_text("".join(f">{record}" for record in reversed(records)))
    for pipeline in ("feature_extraction", "evaluation"):
        assert kedro_run(data, f"--pipeline={pipeline}").exit_code == 0
    pd.testing.assert_frame_equal(pd.read_csv(scores), before, rtol=1e-5)


def test_prediction_has_no_validation_pairs_to_choose_a_threshold_on(data):
    words = ["evaluation.threshold must be a number where there are no validation pairs", "metrics.json"]
    assert_told(data, words, "--pipeline=prediction", "--params=evaluation.threshold=validation")


@pytest.mark.parametrize(
    ("parameters", "words"),
    {
        "chosen_pairs=X-Y": ["chosen_pairs must be pairs of the test split, as Protein1-Protein2 in either order, got"],
        "split=dev": ["split", "should be 'test', 'validation' or 'train', got 'dev'"],
        "integrated_gradients.max_steps=2": ["max_steps must be at least steps, got 2 and 4"],
        "pairs=1": ["pairs", "should be greater than or equal to 2, got 1"],
        "randomised_weights.pair=1": ["pair", "There is no parameter of this name"],
    }.items(),
)
def test_wrong_choice_of_what_to_explain(parameters, words, data):
    output = assert_told(data, words, "--pipeline=interpretability", f"--params=interpretability.{parameters}")
    assert "explain_by" not in output


def test_model_without_attention_is_not_among_the_explained(data):
    words = ["--namespaces must be one of ESM2_AMPS, ESM2_AMP_CSE, interpretability, got 'ESM2_GRU'"]
    assert_told(data, words, "--pipeline=interpretability", "--namespaces=ESM2_GRU")


def test_traceback_comes_with_verbose_only(data):
    output = assert_told(data, ["--params knows no 'pair'"], "--params=pair=x.csv", run=kedro_run_alone)
    assert len(output.strip().splitlines()) == 1
    exit_code, output = kedro_run(data, "--params=pair=x.csv", "--verbose")
    assert exit_code == 1
    assert "Traceback (most recent call last)" in output
    assert re.search(r"^Error: --params knows no 'pair'", output, flags=re.MULTILINE)
