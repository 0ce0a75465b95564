"""Whole runs, as a user starts them, on a small synthetic interactome."""

import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.io
import pytest
import torch
import yaml
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from PIL import Image
from scipy.special import expit
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from conftest import PUBLISHED, ROOT, context_of, needs_mmseqs
from esm2_amp.columns import column_name
from esm2_amp.evaluation.baselines import BASELINES
from esm2_amp.models.registry import MODELS
from esm2_amp.models.storage import load_model
from esm2_amp.parameters.model_training import TrainingParameters
from esm2_amp.statistics.intervals import NOT_DISTINGUISHABLE
from output_tables import problems_of_tables
from quick_figures import DPI

bootstrap_project(ROOT)
PIPELINES = [name for name in pipelines if name not in ("__default__", "results", "refit")]
"""Those that need no more than the default run's results, but for what that runs itself."""
SAME_EACH_TIME = {".csv", ".fasta", ".parquet", ".safetensors"}


def output_paths(pipeline: str, folder: Path) -> dict[str, Path]:
    _, catalog = context_of("test", folder)
    datasets = {name: catalog.get(name) for name in pipelines[pipeline].all_outputs()}
    return {name: Path(str(dataset._filepath)) for name, dataset in datasets.items() if hasattr(dataset, "_filepath")}


def predicted(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "07_model_output/predicted_pairs.csv", keep_default_na=False, na_values=[""])


def test_default_run_writes_every_output(demonstration_run):
    missing = {
        name: path for name, path in output_paths("__default__", demonstration_run.folder).items() if not path.exists()
    }
    assert not missing


def test_default_run_ends_by_saying_where_the_results_are(demonstration_run):
    end = demonstration_run.output.split("Results:")[1]
    reporting = demonstration_run.folder / "08_reporting"
    lines = [line for line in end.splitlines() if str(demonstration_run.folder) in line]
    assert len(lines) <= 5
    counted = re.search(rf"{re.escape(str(reporting))}: (\d+) results in (\d+) folders", end)
    assert counted
    assert int(counted[1]) > 60
    assert f"{demonstration_run.folder}/06_models: ESM2_AMPS/model, ESM2_AMP_CSE/model, ESM2_DPM/model" in end
    assert f"to open in a browser or to send: {reporting}/report.html" in end
    assert "Traceback" not in demonstration_run.output
    assert "Warning" not in demonstration_run.output


def test_comparison_holds_the_measures_of_the_scored_pairs(demonstration_run):
    folder = demonstration_run.folder
    table = pd.read_csv(folder / "08_reporting/model_comparison.csv", index_col=0)
    assert sorted(table.index) == sorted([*MODELS, *BASELINES])
    baselines = pd.read_csv(folder / "07_model_output/baseline_scores.csv").query("Split == 'test'")
    for name, row in table.iterrows():
        scored, logit = baselines, column_name(str(name))
        if row["Kind"] == "model":
            scored = pd.read_csv(folder / f"07_model_output/{name}/scored_pairs.csv").query("Split == 'test'")
            logit = "Logit"
        assert row["AUROC"] == pytest.approx(roc_auc_score(scored["Label"], scored[logit]), rel=1e-5)
        assert row["AUROCLow"] <= row["AUROC"] <= row["AUROCHigh"]


def test_differences_say_better_or_not_distinguishable(demonstration_run):
    table = pd.read_csv(demonstration_run.folder / "08_reporting/model_differences.csv")
    compared = set(zip(table["ModelA"], table["ModelB"], strict=True))
    count = len(MODELS) + len(BASELINES)
    assert len(compared) == count * (count - 1) / 2
    assert (table["Verdict"].str.endswith(" better") | table["Verdict"].isin([NOT_DISTINGUISHABLE, "undefined"])).all()
    holds_zero = (table["Low"] <= 0) & (table["High"] >= 0)
    assert (table["Verdict"][holds_zero] == NOT_DISTINGUISHABLE).all()
    _, said = demonstration_run.output.split("AUROC minus that of composition:")
    for model in MODELS:
        assert re.search(rf"{model} +[+-]0\.\d+ \(.* to .*\) +(better|worse|{NOT_DISTINGUISHABLE})", said)


def test_threshold_chosen_on_validation_pairs_makes_the_decisions(data, go):
    go("--pipeline=evaluation", "--params=evaluation.threshold=validation")
    metrics = json.loads((data / "08_reporting/ESM2_AMPS/metrics.json").read_text())
    scored = pd.read_csv(data / "07_model_output/ESM2_AMPS/scored_pairs.csv")
    assert (scored["Prediction"] == (scored["Probability"] >= metrics["threshold"])).all()
    validation = scored[scored["Split"] == "validation"]
    mcc = [matthews_corrcoef(validation["Label"], validation["Probability"] >= t) for t in validation["Probability"]]
    assert metrics["validation"]["mcc"] == pytest.approx(max(mcc))
    table = pd.read_csv(data / "08_reporting/model_comparison.csv", index_col=0)
    assert table.loc["ESM2_AMPS", "MCC"] == pytest.approx(metrics["test"]["mcc"], rel=1e-5)
    assert table["Threshold"].nunique() > 1


def test_imported_features_leave_out_the_baselines_that_read_sequences(data, go, tmp_path):
    go("--pipeline=feature_export")
    shutil.move(data / "04_feature/published_layout.h5", tmp_path / "features.h5")
    output = go("--pipelines=training,evaluation", f"--params=features={tmp_path / 'features.h5'}")
    assert "baseline composition: left out, the imported features come without sequences" in " ".join(output.split())
    table = pd.read_csv(data / "08_reporting/model_comparison.csv")
    assert set(table["Model"]) == {*MODELS, *BASELINES} - {"composition"}
    assert "AUROC minus that of mean_vector_logistic:" in output


def test_names_of_proteins_and_logits_survive_the_table_of_scores(tmp_path):
    _, catalog = context_of("test", tmp_path)
    table = pd.DataFrame({"Protein1": ["NA", "007"], "Protein2": ["1e5", "nan"], "Logit": [1 / 3, np.pi * 1e-7]})
    for name in ("ESM2_AMPS.scored_pairs", "baseline_scores"):
        catalog.save(name, table)
        pd.testing.assert_frame_equal(catalog.load(name), table, check_exact=True)


def test_plots_open(demonstration_run):
    reporting = demonstration_run.folder / "08_reporting"
    images = list(reporting.rglob("*.png"))
    plots = [plot for model in MODELS for plot in (reporting / model).glob("*.json")]
    for image in images:
        with Image.open(image) as opened:
            assert opened.info["dpi"][0] == pytest.approx(DPI, abs=0.1), image
            opened.verify()
        assert image.with_suffix(".pdf").is_file(), image
    drawn = [plot for plot in plots if plot.name != "metrics.json" and not plot.name.startswith(".")]
    for plot in drawn:
        assert plotly.io.from_json(plot.read_text()).data, plot
    of_evaluation = [image for image in images if not {"explanation", "functional_regions"}.intersection(image.parts)]
    assert (len(of_evaluation), len(drawn)) == (6 + 2 * len(MODELS), 4 * len(MODELS))


def content(file: Path) -> Any:
    """What a file holds; safetensors writes the names of shared weights in an order of its own."""
    found = file.read_bytes()
    if file.suffix != ".safetensors":
        return found
    start = 8 + int.from_bytes(found[:8], "little")
    return json.loads(found[8:start]), found[start:]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_each_pipeline_runs_alone_and_gives_the_same_again(pipeline, data, go, demonstration_run):
    (data / "01_raw/pretraining").mkdir()
    shutil.copy(data / "01_raw/planted/proteins.fasta", data / "01_raw/pretraining")
    paths = output_paths(pipeline, data)
    for path in paths.values():
        if not path.is_dir():
            path.unlink(missing_ok=True)
        elif path.name != "explanation":  # which holds the inputs of `latent_explanation`, too
            shutil.rmtree(path)
    go(f"--pipeline={pipeline}")
    assert not problems_of_tables(data)
    same = pipeline != "latent_explanation"  # which adds its methods to the tables of `interpretability`
    for name, path in paths.items():
        assert path.exists(), name
        for file in [path] if path.is_file() else path.iterdir():
            earlier = demonstration_run.folder / file.relative_to(data)
            if same and file.suffix in SAME_EACH_TIME and earlier.exists():
                assert content(file) == content(earlier), name


def test_one_namespace_runs_alone(data, go):
    layers = ("06_models", "07_model_output", "08_reporting")
    for layer, model in itertools.product(layers, MODELS):
        shutil.rmtree(data / layer / model)
    go("--namespaces=ESM2_AMPS")
    for layer in layers:
        assert [folder.name for folder in (data / layer).iterdir() if folder.name in MODELS] == ["ESM2_AMPS"]


@pytest.mark.parametrize("model", MODELS)
def test_prediction_gives_the_probabilities_of_the_evaluation(model, data, go):
    go("--pipeline=prediction", f"--params=model={model}")
    scored = pd.read_csv(data / f"07_model_output/{model}/scored_pairs.csv").query("Split == 'test'")
    found = predicted(data)
    assert found[["Protein1", "Protein2"]].to_numpy().tolist() == scored[["Protein1", "Protein2"]].to_numpy().tolist()
    for column in ("Probability", "CalibratedProbability"):
        np.testing.assert_allclose(found[column], scored[column], rtol=1e-5)
    assert found["Prediction"].tolist() == scored["Prediction"].tolist()


@pytest.mark.parametrize("labelled", [True, False])
def test_every_pair_has_its_row_in_input_order(labelled, data, go, tmp_path):
    first, second = pd.read_csv(data / "01_raw/planted/test_pairs.csv")[["Protein1", "Protein2"]].iloc[0]
    rows = [(second, first), (first, "X1"), (first, first), ("X2", "X1"), (first, second), (second, first)]
    pairs = pd.DataFrame(rows, columns=["Protein1", "Protein2"])
    if labelled:
        pairs["Label"] = [1, 0, 0, 1, 1, 1]
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    go("--pipeline=prediction", f"--params=pairs={tmp_path / 'pairs.csv'}")
    found = predicted(data)
    assert found[list(pairs)].equals(pairs)
    assert list(found) == [*pairs, "Probability", "CalibratedProbability", "Prediction", "Unlikeness", "Status"]
    known = [True, False, True, False, True, True]
    assert (found["Status"] == "scored").tolist() == known
    assert found["Probability"].notna().tolist() == found["CalibratedProbability"].notna().tolist() == known
    assert found["Prediction"].notna().tolist() == known
    assert found["Status"][1].endswith("for X1")
    assert found["Status"][3].endswith("for X2, X1")
    of_pair = found["Probability"][[0, 4, 5]]
    np.testing.assert_allclose(of_pair, of_pair[0], rtol=1e-5)


def test_prediction_by_a_model_copied_elsewhere(data, go, tmp_path):
    shutil.move(data / "06_models/ESM2_GRU/model", tmp_path / "copied")
    go("--pipeline=prediction", f"--params=checkpoint={tmp_path / 'copied'}")
    scored = pd.read_csv(data / "07_model_output/ESM2_GRU/scored_pairs.csv").query("Split == 'test'")
    np.testing.assert_allclose(predicted(data)["Probability"], scored["Probability"], rtol=1e-5)


@pytest.mark.parametrize("model", PUBLISHED)
def test_prediction_by_a_published_checkpoint(model, data, go, golden, tmp_path):
    proteins = pd.read_csv(golden / "proteins.csv")["Entry"]
    pairs = pd.DataFrame({"Protein1": proteins[:-1], "Protein2": proteins[1:].to_numpy()})
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    files = f"proteins={golden / 'proteins.csv'},pairs={tmp_path / 'pairs.csv'},checkpoint={golden / model}.pth"
    go("--pipeline=prediction", f"--params=model={model},{files}")
    with np.load(golden / "features.npz") as published:
        feature = dict(zip(published["token"], published["feature"].swapaxes(0, 1), strict=True))
    segments = [f"segment{i}" for i in range(10)]
    tokens = {"ESM2_AMP_CSE": ["cls", *segments, "eos"], "ESM2_DPM": ["mean"]}.get(model, segments)
    read = np.stack([feature[token] for token in tokens], axis=1)  # (P, tokens, D)
    with torch.inference_mode():
        logit = load_model(golden / f"{model}.pth", model).network(
            torch.from_numpy(np.concatenate((read[:-1], read[1:]), axis=1))
        )
    np.testing.assert_allclose(predicted(data)["Probability"], expit(logit.numpy()), atol=1e-5)


def test_exported_features_stand_in_for_proteins_and_encoder(data, go, tmp_path):
    go("--pipeline=feature_export")
    shutil.move(data / "04_feature/published_layout.h5", tmp_path / "features.h5")
    shutil.rmtree(data / "04_feature")
    (data / "01_raw/planted/proteins.fasta").unlink()
    pairs = data / "01_raw/planted/test_pairs.csv"
    go("--pipeline=prediction", f"--params=features={tmp_path / 'features.h5'},pairs={pairs}")
    scored = pd.read_csv(data / "07_model_output/ESM2_AMPS/scored_pairs.csv").query("Split == 'test'")
    np.testing.assert_allclose(predicted(data)["Probability"], scored["Probability"], rtol=1e-5)


def test_second_run_embeds_nothing_anew(data, go):
    def shards():
        return {file: file.stat().st_ino for file in (data / "04_feature/store").rglob("*.safetensors")}

    before = shards()
    go("--pipeline=feature_extraction")
    assert shards() == before


@pytest.mark.parametrize("split", ["random", "protein_disjoint", pytest.param("cluster_disjoint", marks=needs_mmseqs)])
def test_pairs_of_one_file_are_split(split, data, go):
    for name in ("validation", "test"):
        (data / f"01_raw/planted/{name}_pairs.csv").unlink()
    output = " ".join(go("--pipeline=pair_building", f"--params=pair_building.split={split}").split())
    pairs = pd.read_parquet(data / "05_model_input/model_pairs.parquet")
    report = json.loads((data / "05_model_input/split_report.json").read_text())
    told = f"{report['pairs_dropped']} pairs are left out: their two proteins are in different splits"
    assert (told in output) == (split != "random")
    proteins = {name: set(part["Protein1"]) | set(part["Protein2"]) for name, part in pairs.groupby("split")}
    assert {name: report[name]["proteins"] for name in proteins} == {name: len(of) for name, of in proteins.items()}
    assert sum(report[name]["pairs"] for name in proteins) + report["pairs_dropped"] == 200
    shared = proteins["train"] & (proteins["validation"] | proteins["test"])
    assert bool(shared) == (split == "random")
    entries = pd.read_parquet(data / "04_feature/protein_features.parquet")["Entry"].to_numpy()
    assert (entries[pairs["a"]] == pairs["Protein1"]).all()
    assert (entries[pairs["b"]] == pairs["Protein2"]).all()


@pytest.fixture
def with_relatives(data):
    """Proteins in twos of near-identical sequence: the first, and it again without its first and last residue."""
    file = data / "01_raw/planted/proteins.fasta"
    records = [record.split("\n", 1) for record in file.read_text().split(">")[1:]]
    for (_, sequence), other in zip(records[::2], records[1::2], strict=True):
        other[1] = "".join(sequence.split())[1:-1]
    file.write_text("".join(f">{entry}\n{sequence.strip()}\n" for entry, sequence in records))
    order = [entry for entry, _ in records]
    return pd.DataFrame({"Protein": order, "Family": np.arange(len(order)) // 2})


def families(data, with_relatives) -> dict[str, set[int]]:
    """Families of each split."""
    degrees = pd.read_csv(data / "08_reporting/protein_degrees.csv").merge(with_relatives, on="Protein")
    return {split: set(part["Family"]) for split, part in degrees.groupby("Split")}


@needs_mmseqs
def test_cluster_disjoint_split_keeps_families_together(data, go, with_relatives):
    go("--pipeline=training", "--to-nodes=audit_split", "--params=pair_building.split=cluster_disjoint")
    train, validation, test = (families(data, with_relatives)[split] for split in ("train", "validation", "test"))
    assert not train & validation
    assert not train & test
    assert not validation & test
    shared = json.loads((data / "08_reporting/leakage_audit.json").read_text())["audit"]["shared"]
    assert [counts["similar_proteins"] for counts in shared.values()] == [0, 0, 0]


@needs_mmseqs
def test_audit_counts_similar_proteins_across_splits(data, go, with_relatives):
    options = "pair_building.split=protein_disjoint,pair_building.similarity.enabled=true"
    go("--pipeline=training", "--to-nodes=audit_split", f"--params={options}")
    of = families(data, with_relatives)
    shared = json.loads((data / "08_reporting/leakage_audit.json").read_text())["audit"]["shared"]
    for splits, counts in shared.items():
        one, other = splits.split("-")
        assert (counts["proteins"], counts["similar_proteins"]) == (0, len(of[one] & of[other]))
    assert any(counts["similar_proteins"] for counts in shared.values())


def test_random_split_is_told_to_say_little_about_new_proteins(data, go, caplog):
    go("--pipeline=pair_building", "--params=pair_building.split=random")
    seen = json.loads((data / "08_reporting/leakage_audit.json").read_text())["audit"]["splits"]["test"][
        "seen_in_training"
    ]
    assert f"in training (C1): {seen['C1']}, with one (C2): {seen['C2']}, with none (C3): {seen['C3']}" in caplog.text
    assert "In the test split every pair has a protein that is in training pairs too" in caplog.text


def test_sample_takes_at_most_so_many_pairs(data, go):
    go("--pipeline=pair_building", "--params=pair_building.sample.train=50,pair_building.sample.test=1000")
    pairs = pd.read_parquet(data / "05_model_input/model_pairs.parquet")
    assert pairs["split"].value_counts().to_dict() == {"train": 50, "validation": 60, "test": 60}


PUBLISHED = {
    ("esm2_650m", "ESM2_AMPS"): (640, 240, None, 1.2188013399710655e-4, 2.9515893139888446e-4),
    ("esm2_650m", "ESM2_AMP_CSE"): (480, 240, None, 9.588973797963086e-5, 1.914594615905292e-2),
    ("esm2_650m", "ESM2_DPM"): (1280, 480, 100, 9.876545286721473e-6, 1.5248379909099413e-2),
    ("bernett", "ESM2_AMPS"): (501, 87, None, 2.729298775599142e-5, 1.7727403052411835e-5),
    ("bernett", "ESM2_GRU"): (614, 299, None, 2.692891894619611e-5, 3.8509404299962344e-5),
}
"""The table of METHOD section 3: h1, h2, h3, learning rate, weight decay."""


@pytest.mark.parametrize(("environment", "model"), PUBLISHED)
def test_configured_models_are_the_published_ones(environment, model, tmp_path):
    settings = context_of(environment, tmp_path)[0][model]["settings"]
    network, training = settings.network, settings.training
    found = network.h1, network.h2, getattr(network, "h3", None), training.learning_rate, training.weight_decay
    assert found == PUBLISHED[environment, model]
    if hasattr(network, "layers"):
        assert network.layers == 6
    if hasattr(network, "heads"):
        assert (network.heads, network.feed_forward, network.dropout) == (8, 2048, 0.3)
    of_the_paper = {"beta2": 0.999, "gradient_clip": None, "warmup_steps": 0, "decay": "plateau", "patience": None}
    assert training.model_dump().items() >= (of_the_paper | {"standardise": False, "members": 1}).items()


@pytest.mark.parametrize("environment", ["bernett", "bernett_mini", "esm2_8m", "esm2_650m"])
def test_recipes_set_what_the_demonstration_sets_otherwise_than_by_default(environment):
    """They are merged with conf/base, whose values hold where they have none."""
    defaults = {name: field.default for name, field in TrainingParameters.model_fields.items()}
    files = (ROOT / f"conf/{name}.yml" for name in ("base/parameters_model_training", f"{environment}/parameters"))
    base, recipe = (yaml.safe_load(file.read_text()) for file in files)
    for model in MODELS:
        of_base, own = (settings[model]["settings"]["training"] for settings in (base, recipe))
        assert {name for name, value in of_base.items() if value != defaults[name]} <= own.keys()


def test_card_tells_how_a_model_was_made(demonstration_run):
    card = json.loads((demonstration_run.folder / "06_models/ESM2_GRU/model/card.json").read_text())
    assert card["features"]["encoder"] == "tests/data/golden/esm2_tiny"
    assert card["split"]["train"] | {"pairs": 200, "positives": 100} == card["split"]["train"]
    assert card["settings"]["training"]["epochs"] == 2


def trained(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """A model's card, without its measured quality, and weights."""
    model = load_model(folder)
    return {k: v for k, v in model.card.items() if k not in ("name", "evaluation")}, model.network.state_dict()


def test_labels_of_test_pairs_touch_neither_training_nor_choice(data, go):
    expected = {name: trained(data / f"06_models/{name}/model") for name in MODELS}
    pairs = pd.read_csv(data / "01_raw/planted/test_pairs.csv")
    pairs.assign(Label=1 - pairs["Label"]).to_csv(data / "01_raw/planted/test_pairs.csv", index=False)
    shutil.rmtree(data / "06_models")
    go("--pipelines=training,evaluation", "--params=evaluation.threshold=validation")
    for name, (card, weights) in expected.items():
        found_card, found = trained(data / f"06_models/{name}/model")
        audited = ("split",)  # which counts test pairs too
        assert {k: v for k, v in found_card.items() if k not in audited} == {
            k: v for k, v in card.items() if k not in audited
        }
        assert all(map(torch.equal, found.values(), weights.values()))


def test_released_model_is_the_trained_one_with_its_measured_quality(data, go):
    go("--pipeline=model_release", "--params=model=ESM2_DPM")
    released = data / "06_models/released"
    card, weights = trained(data / "06_models/ESM2_DPM/model")
    released_card, released_weights = trained(released / "model")
    assert released_card == card
    assert all(map(torch.equal, released_weights.values(), weights.values()))
    table = pd.read_csv(data / "08_reporting/model_comparison.csv", index_col=0)
    metrics = load_model(released / "model").card["evaluation"]["metrics"]
    assert set(metrics) == {"ESM2_DPM", *BASELINES}
    for name, of_model in metrics.items():
        expected = table.loc[name, ["AUROC", "AUROCLow", "AUROCHigh"]].astype(float)
        np.testing.assert_allclose(of_model["auroc"], expected)
    value, low, high = (f"{end:.3f}" for end in metrics["ESM2_DPM"]["auroc"])
    page = (released / "README.md").read_text()
    assert f"| {value} ({low} to {high}) |" in page
    assert "proteins of other species or kinds" in page
    go("--pipeline=prediction", f"--params=checkpoint={released / 'model'}")
    scored = pd.read_csv(data / "07_model_output/ESM2_DPM/scored_pairs.csv").query("Split == 'test'")
    np.testing.assert_allclose(predicted(data)["CalibratedProbability"], scored["CalibratedProbability"], rtol=1e-5)


def test_swapped_auroc_is_that_of_the_pairs_swapped(data, go, tmp_path):
    pairs = pd.read_csv(data / "01_raw/planted/test_pairs.csv")
    pairs[["Protein2", "Protein1", "Label"]].set_axis(list(pairs), axis=1).to_csv(tmp_path / "swapped.csv", index=False)
    table = pd.read_csv(data / "08_reporting/model_comparison.csv", index_col=0)
    for model in ("ESM2_DPM", "ESM2_AMPS"):
        go("--pipeline=prediction", f"--params=model={model},pairs={tmp_path / 'swapped.csv'}")
        auroc = roc_auc_score(pairs["Label"], predicted(data)["Probability"])
        assert table.loc[model, "AUROCSwapped"] == pytest.approx(auroc, abs=1e-4)
    assert table.loc["ESM2_DPM", "AUROC"] != table.loc["ESM2_DPM", "AUROCSwapped"]


def test_ensemble_goes_through_all_that_a_model_goes_through(data, go):
    before = pd.read_csv(data / "07_model_output/ESM2_DPM/scored_pairs.csv")
    assert "Unlikeness" in before and "Spread" not in before
    go("--pipeline=model_training", "--namespaces=ESM2_DPM", "--params=ESM2_DPM.settings.training.members=3")
    said = go("--pipeline=evaluation")
    assert "of members 0." in " ".join(said.split())
    scored = pd.read_csv(data / "07_model_output/ESM2_DPM/scored_pairs.csv")
    members = scored.filter(regex="LogitOfMember")
    assert members.shape[1] == 3
    np.testing.assert_allclose(scored["Logit"], members.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(scored["Spread"], members.std(axis=1, ddof=0), atol=1e-6)
    np.testing.assert_allclose(members["LogitOfMember1"], before["Logit"], atol=1e-5)
    beside = pd.read_csv(data / "08_reporting/sureness/ensemble_members.csv")
    assert (beside["Model"] == "ESM2_DPM").all() and beside["Member"].tolist() == ["ensemble", "1", "2", "3"]
    test = scored.query("Split == 'test'")
    for member, logit in zip(beside["Member"][1:], members.loc[test.index].T.to_numpy(), strict=True):
        found = beside.loc[beside["Member"] == member, "AUROC"].iloc[0]
        assert found == pytest.approx(roc_auc_score(test["Label"], logit))

    go("--pipeline=prediction", "--params=model=ESM2_DPM")
    for column in ("CalibratedProbability", "Spread", "Unlikeness"):
        np.testing.assert_allclose(predicted(data)[column], test[column], rtol=1e-4, atol=1e-6)
    go("--pipeline=report")
    assert "Ensembles beside their members" in (data / "08_reporting/report.html").read_text()
    go("--pipeline=model_release", "--params=model=ESM2_DPM")
    page = (data / "06_models/released/README.md").read_text()
    assert "an ensemble of 3 `ESM2_DPM`" in page and "the seeds 42 to 44" in page
    assert all(map(torch.equal, *(trained(data / f"06_models/{name}/model")[1].values()
                                  for name in ("ESM2_DPM", "released"))))  # fmt: skip
