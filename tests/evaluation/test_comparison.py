"""The nodes of `evaluation` that set baselines and models side by side, on pairs that fit in memory."""

import logging
import re

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn import metrics as sk

from esm2_amp.columns import column_name
from esm2_amp.errors import InputError
from esm2_amp.evaluation.assessment import assess
from esm2_amp.evaluation.baselines import ProteinViews, baseline_logits
from esm2_amp.features import FEATURE, ProteinFeatures
from esm2_amp.models.registry import MODELS
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.evaluation.nodes import (
    compare_models,
    describe_models,
    identify,
    measure_sureness,
    plot_comparison,
    score_baselines,
)
from esm2_amp.protein import STANDARD_RESIDUES, TOKENS

N_PROTEINS = 40
USE = ["composition", "mean_vector_logistic", "similarity", "node_degree"]
RUN = RunParameters(device="cpu", seed=0, data_name="drawn pairs", scoring_batch_size=8)


def parameters(*use, threshold=0.5):
    baselines = {"use": use or USE, "composition": {"max_iter": 5}}
    return EvaluationParameters(threshold=threshold, replicates=100, baselines=baselines)


@pytest.fixture
def proteins():
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list(STANDARD_RESIDUES), 40)) for _ in range(N_PROTEINS)]
    return pd.DataFrame({"Entry": [f"P{number}" for number in range(N_PROTEINS)], "Sequence": sequences})


@pytest.fixture
def features(tmp_path, proteins):
    vectors = torch.from_numpy(np.random.default_rng(1).normal(size=(N_PROTEINS, len(TOKENS), 4)).astype("f4"))
    save_file({FEATURE: vectors}, tmp_path / "shard.safetensors")
    index = pd.DataFrame({"Entry": proteins["Entry"], "shard": "shard.safetensors", "row": range(N_PROTEINS)})
    return ProteinFeatures(index, tmp_path, 4, {"encoder": "drawn"})


@pytest.fixture
def pairs(proteins):
    generator = np.random.default_rng(2)
    table = pd.DataFrame(generator.integers(0, N_PROTEINS, (300, 2), "int32"), columns=["a", "b"])
    entry = proteins["Entry"].to_numpy()
    return table.assign(
        Protein1=entry[table["a"]],
        Protein2=entry[table["b"]],
        label=generator.integers(0, 2, 300).astype("f4"),
        split=np.repeat(["train", "validation", "test"], 100),
        seen=np.repeat(["", "C2", "C3", "C1"], [100, 100, 60, 40]),
    )


def test_baselines_are_scored_by_what_their_own_proteins_are(pairs, features, proteins):
    shuffled = proteins.sample(frac=1, random_state=0)
    scores, metrics = score_baselines(pairs, features, shuffled, parameters(), RUN)
    assert list(metrics) == USE
    assert list(scores) == ["Protein1", "Protein2", "Split", "Seen", "Label", *map(column_name, USE)]
    views = ProteinViews(proteins["Sequence"].tolist(), features.select(slice(12, 13))[:, 0].numpy())
    for name in USE:
        held_out = pairs[pairs["split"] != "train"]
        expected = baseline_logits(name, pairs[:100], held_out, views, parameters().baselines, seed=RUN.seed)
        np.testing.assert_array_equal(scores[column_name(name)], expected)
        test = scores["Split"] == "test"
        auroc = sk.roc_auc_score(scores["Label"][test], scores[column_name(name)][test])
        assert metrics[name]["test"]["auroc"] == pytest.approx(auroc)


def without(features, token):
    tokens = [name for name in TOKENS if name != token]
    return ProteinFeatures(features.index, features.folder, features.width, {"encoder": "imported", "tokens": tokens})


def test_baselines_that_read_what_imported_features_lack_are_left_out_with_a_line(pairs, features, proteins, caplog):
    with caplog.at_level(logging.INFO):
        _, metrics = score_baselines(pairs, without(features, "mean"), proteins[:0], parameters(), RUN)
    assert list(metrics) == ["node_degree"]
    assert "baseline composition: left out, the imported features come without sequences" in caplog.text
    assert "baseline similarity: left out, the imported features come without mean vectors" in caplog.text
    with pytest.raises(InputError, match=r"must name a baseline .*, got composition; add node_degree"):
        score_baselines(pairs, features, proteins[:0], parameters("composition"), RUN)


def test_proteins_of_another_run_than_the_features_are_refused(pairs, features, proteins):
    with pytest.raises(InputError, match="must be those of the features, but lack P0"):
        score_baselines(pairs, features, proteins[1:], parameters(), RUN)


def model_scores(pairs, spread, threshold=0.5):
    """Scores of every model: noisy labels, each noisier than the one before."""
    identified = identify(pairs[pairs["split"] != "train"])
    generator = np.random.default_rng(3)
    found = []
    for number, name in enumerate(MODELS):
        noise = generator.normal(0, spread * (1 + number), len(identified))
        scores, metrics = assess(name, identified, 2 * identified["Label"] - 1 + noise, threshold)
        found.append((identified.join(scores), metrics))
    return [*zip(*found, strict=True)]


@pytest.fixture
def inputs(pairs, features, proteins):
    scored, metrics = model_scores(pairs, 0.5, "validation")
    options = parameters(threshold="validation")
    return options, RUN, *score_baselines(pairs, features, proteins, options, RUN), *scored, *metrics


def test_comparison_agrees_with_scikit_learn_on_the_test_pairs(inputs):
    models = compare_models(*inputs).models.set_index("Model")
    assert models["AUROC"].is_monotonic_decreasing
    assert models["Kind"].to_dict() == {**dict.fromkeys(MODELS, "model"), **dict.fromkeys(USE, "baseline")}
    for name, scored in zip(MODELS, inputs[4:], strict=False):
        test = scored[scored["Split"] == "test"]
        row = models.loc[name]
        assert row["AUROC"] == pytest.approx(sk.roc_auc_score(test["Label"], test["Logit"]))
        assert row["AUPR"] == pytest.approx(sk.average_precision_score(test["Label"], test["Logit"]))
        assert row["MCC"] == pytest.approx(sk.matthews_corrcoef(test["Label"], test["Prediction"]))
        assert (row["Pairs"], row["Positives"]) == (100, test["Label"].sum())
    for metric in ("AUROC", "MCC", "Brier", "PrecisionAt1To100"):
        assert (models[f"{metric}Low"] <= models[metric]).all()
        assert (models[metric] <= models[f"{metric}High"]).all()
    assert models["Threshold"].nunique() > 1


def test_a_run_says_each_model_and_how_it_stands_against_the_first_baseline(inputs, caplog):
    with caplog.at_level(logging.INFO):
        comparison = compare_models(*inputs)
    differences = comparison.differences.query("Metric == 'AUROC' and ModelB == 'composition'").set_index("ModelA")
    amps = differences.loc["ESM2_AMPS"]
    assert amps["Verdict"] == "ESM2_AMPS better"
    _, said = caplog.text.split("AUROC minus that of composition:")
    difference = f"{amps['Difference']:+.3f} ({amps['Low']:.3f} to {amps['High']:.3f})"
    assert re.search(rf"ESM2_AMPS +{re.escape(difference)} +better", said)
    best = comparison.models.iloc[0]
    assert f"{best['AUROC']:.3f} ({best['AUROCLow']:.3f} to {best['AUROCHigh']:.3f})" in caplog.text
    assert "Test split of drawn pairs, 100 pairs" in caplog.text
    assert max(len(line) for record in caplog.records for line in record.message.splitlines()) <= 60


def test_strata_are_measured_each_alone(inputs):
    comparison = compare_models(*inputs)
    aurocs = comparison.strata.query("Metric == 'AUROC'")
    assert aurocs.groupby("Stratum")["Pairs"].first().to_dict() == {"C1": 40, "C2": 0, "C3": 60}
    amps = inputs[4].query("Split == 'test' and Seen == 'C1'")
    found = aurocs.set_index(["Stratum", "Model"])["Value"]["C1", "ESM2_AMPS"]
    assert found == pytest.approx(sk.roc_auc_score(amps["Label"], amps["Logit"]))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_figures_show_models_against_the_first_baseline_and_every_stratum_with_pairs(inputs):
    comparison = compare_models(*inputs)
    scored = inputs[4 : 4 + len(MODELS)]
    sure = measure_sureness(inputs[0], RUN, *scored)
    metrics, curves, differences, strata, _ = plot_comparison(
        RUN, *comparison, sure.curves, inputs[2], *scored
    ).values()
    rows = [label.get_text() for label in metrics.axes[0].get_yticklabels()]
    assert "mean vector logistic (baseline)" in rows and len(rows) == len(MODELS) + len(USE)
    named = [text.get_text().split(":")[0] for text in curves.legends[0].get_texts()]
    assert named == [*MODELS, "composition (baseline)", "random"]
    assert differences.axes[0].get_yticklabels()[0].get_text() == "ESM2_AMPS"
    assert "better" in texts(differences.axes[0])
    assert [axes.get_title()[:2] for axes in strata.axes] == ["C1", "C3"]
    assert [label.get_text() for label in strata.axes[0].get_yticklabels()] == rows


def test_report_without_an_evaluated_model_is_refused():
    with pytest.raises(InputError, match="no evaluated model to describe; run `kedro run --pipeline=evaluation`"):
        describe_models(RUN, parameters(), *[None] * 2 * len(MODELS))


def test_test_pairs_of_one_class_leave_empty_cells_and_figures_that_can_be_drawn(pairs, features, proteins):
    pairs.loc[pairs["split"] == "test", "label"] = 0.0
    scored, metrics = model_scores(pairs, 0.5)
    scores = score_baselines(pairs, features, proteins, parameters(), RUN)
    comparison = compare_models(parameters(), RUN, *scores, *scored, *metrics)
    assert comparison.models[["AUROC", "AUROCLow", "AUROCHigh"]].isna().all().all()
    assert comparison.models["Accuracy"].notna().all()
    sure = measure_sureness(parameters(), RUN, *scored)
    for figure in plot_comparison(RUN, *comparison, sure.curves, scores[0], *scored).values():
        figure.draw_without_rendering()


def test_models_scored_on_other_pairs_are_not_compared(inputs):
    options, run, scores, metrics, first, second, *others = inputs
    message = "ESM2_AMP_CSE was scored on others than the baselines; run `kedro run --pipeline=evaluation` again"
    with pytest.raises(InputError, match=message):
        compare_models(options, run, scores, metrics, first, second[1:], *others)
