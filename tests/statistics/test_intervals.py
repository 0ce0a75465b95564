"""Intervals: variance against brute force, coverage on simulated pairs, differences and their verdicts."""

import numpy as np
import pytest
from sklearn import metrics as sk

from esm2_amp.columns import column_name
from esm2_amp.statistics.calibration import expected_calibration_error
from esm2_amp.statistics.intervals import NOT_DISTINGUISHABLE, _variances, bootstrap, intervals, paired_differences
from esm2_amp.statistics.metrics import pair_metrics, sigmoid
from esm2_amp.statistics.operating_points import precision_at_odds
from esm2_amp.statistics.weighted import METRICS

GAIN = 1.5
"""Logits are this much too sure of themselves, so that there is a calibration error to cover."""

STRENGTHS = {"better": 1.2, "worse": 1.0}


def draw_graph(generator, n_proteins, n_pairs):
    """Distinct pairs of proteins of very unequal degrees, some of a protein with itself."""
    popularity = np.minimum(generator.pareto(2, n_proteins) + 1, 30)
    a, b = generator.choice(n_proteins, (2, 4 * n_pairs), p=popularity / popularity.sum())
    distinct = np.unique(np.minimum(a, b) * n_proteins + np.maximum(a, b))
    return np.divmod(generator.permutation(distinct)[:n_pairs], n_proteins)


def draw_pairs(generator, n_proteins, n_pairs, effect, noise):
    """Labels, logits of two models that get half of the proteins' share wrong alike, and proteins."""
    a, b = draw_graph(generator, n_proteins, n_pairs)
    label = generator.integers(0, 2, n_pairs)
    shared, *own = generator.normal(0, effect / np.sqrt(2), (1 + len(STRENGTHS), n_proteins))
    logits = {}
    for (name, strength), of_model in zip(STRENGTHS.items(), own, strict=True):
        error = (shared + of_model)[a] + (shared + of_model)[b] + generator.normal(0, noise, n_pairs)
        logits[name] = GAIN * (strength * (label - 0.5) + error)
    return label, logits, a, b


def true_values(effect, noise):
    """Metrics of 250,000 pairs that share no protein: the error left is under a tenth of that of 2000 pairs."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, 250_000)
    values = {}
    for name, strength in STRENGTHS.items():
        error = generator.normal(0, np.sqrt(2 * effect**2 + noise**2), len(label))
        logit = GAIN * (strength * (label - 0.5) + error)
        metrics = pair_metrics(label, logit)
        metrics["ece"] = expected_calibration_error(label, sigmoid(logit))
        for odds in (10, 100):
            metrics[f"precision_at_1_{odds}"] = precision_at_odds(metrics["recall"], metrics["specificity"], odds)
        values[name] = np.array([metrics[metric] for metric in METRICS])
    return values


@pytest.fixture
def pairs():
    return draw_pairs(np.random.default_rng(0), 100, 300, effect=0.3, noise=0.8)


@pytest.mark.parametrize(("n_proteins", "effect", "noise"), [(400, 0.35, 0.8), (1500, 0.0, 1.0)])
def test_95_percent_intervals_hold_the_truth_in_95_percent_of_simulations(n_proteins, effect, noise, monkeypatch):
    truth = true_values(effect, noise)
    expected = np.concatenate([truth["better"], truth["worse"], truth["better"] - truth["worse"]])
    # Each value is then that of its formula, much faster; that it is the same is held in test_weighted.py.
    monkeypatch.setattr("esm2_amp.statistics.intervals.pair_metrics", lambda *_: {})
    generator = np.random.default_rng(1)
    held = []
    for simulation in range(300):
        pairs = draw_pairs(generator, n_proteins, 2000, effect, noise)
        sample = bootstrap(*pairs, replicates=79, seed=simulation)
        tables = intervals(sample), paired_differences(sample)
        low, high = (np.concatenate([table[end] for table in tables]) for end in ("Low", "High"))
        held.append((low <= expected) & (expected <= high))
    coverage = np.mean(held, axis=0).reshape(3, -1)
    assert (coverage.mean(axis=1) > 0.93).all() and (coverage.mean(axis=1) < 0.97).all()
    # Each metric's own coverage within three standard errors of 300 simulations.
    assert (coverage > 0.912).all() and (coverage < 0.988).all()


def test_the_variance_counts_each_two_pairs_that_share_a_protein_once():
    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 12, (2, 40))
    a[:4], b[:4] = [0, 0, 5, 7], [1, 1, 5, 7]  # a pair given twice, and two of a protein with itself
    a[4], b[4] = 1, 0  # the first pair swapped
    influence = generator.normal(size=(40, 3)) + a[:, None] % 3
    expected = sum(influence[p] * influence[q] for p in range(40) for q in range(40) if {a[p], b[p]} & {a[q], b[q]})
    np.testing.assert_allclose(_variances(influence, a, b)[1], expected)


def test_the_variance_is_at_least_that_of_independent_pairs():
    a, b = np.array([0, 0]), np.array([1, 2])
    assert _variances(np.array([[1.0], [-1.0]]), a, b)[1] == pytest.approx(2)


def test_a_replicate_takes_all_pairs_of_the_proteins_drawn(pairs):
    label, logits, a, b = pairs
    sample = bootstrap(*pairs, replicates=5, seed=3)
    names, drawn = np.unique([a, b]), np.random.default_rng(3)
    drawn = drawn.multinomial(len(names), np.full(len(names), 1 / len(names)), 5)
    for draw, replicate in zip(drawn, sample.replicates[0], strict=True):
        times = dict(zip(names, draw, strict=True))
        weight = [times[p] + times[q] for p, q in zip(a, b, strict=True)]
        auroc = sk.roc_auc_score(label, logits["better"], sample_weight=weight)
        assert replicate[METRICS.index("auroc")] == pytest.approx(auroc)
        accuracy = sk.accuracy_score(label, logits["better"] >= 0, sample_weight=weight)
        assert replicate[METRICS.index("accuracy")] == pytest.approx(accuracy)


def test_values_are_those_of_pair_metrics_and_lie_within_their_intervals(pairs):
    label, logits, *_ = pairs
    table = intervals(bootstrap(*pairs, threshold=0.3, replicates=200, seed=0))
    assert table["Model"].unique().tolist() == ["better", "worse"]
    better = table[table["Model"] == "better"].set_index("Metric")
    expected = pair_metrics(label, logits["better"], threshold=0.3)
    for name in expected.keys() - {"n_pairs", "n_positives"}:
        assert better.loc[column_name(name), "Value"] == pytest.approx(expected[name])
    assert ((better["Low"] < better["Value"]) & (better["Value"] < better["High"])).all()


def test_each_model_may_have_its_own_threshold(pairs):
    label, logits, *_ = pairs
    threshold = {"worse": 0.7, "better": 0.2}
    table = intervals(bootstrap(*pairs, threshold=threshold, replicates=20, seed=0)).set_index(["Model", "Metric"])
    for model, of_model in threshold.items():
        assert table.loc[(model, "Recall"), "Value"] == pair_metrics(label, logits[model], of_model)["recall"]


def test_results_depend_on_the_seed_and_not_on_how_proteins_are_called(pairs):
    label, logits, a, b = pairs
    first = intervals(bootstrap(*pairs, replicates=50, seed=0))
    named = intervals(bootstrap(label, logits, *(np.char.mod("P%05d", rows) for rows in (b, a)), replicates=50, seed=0))
    np.testing.assert_allclose(first["Low"], named["Low"])
    assert not np.allclose(first["Low"], intervals(bootstrap(*pairs, replicates=50, seed=1))["Low"])


def test_verdicts_name_the_better_model_whichever_way_its_metric_runs(pairs):
    label, logits, a, b = pairs
    good = 4 * label - 2 + logits["worse"]
    models = {"good": good, "same": good, "worse": logits["worse"]}
    table = paired_differences(bootstrap(label, models, a, b, replicates=200, seed=0))
    verdict = table.set_index(["ModelA", "ModelB", "Metric"])["Verdict"]
    assert verdict["good", "worse", "AUROC"] == verdict["good", "worse", "Loss"] == "good better"
    assert (verdict["good", "same"] == NOT_DISTINGUISHABLE).all()
    assert verdict["same", "worse", "Brier"] == "same better"
    difference = table.set_index(["ModelA", "ModelB", "Metric"])["Difference"]
    aurocs = [sk.roc_auc_score(label, models[name]) for name in ("good", "worse")]
    assert difference["good", "worse", "AUROC"] == pytest.approx(aurocs[0] - aurocs[1])


def test_what_is_undefined_stays_so_without_hiding_the_rest(pairs):
    label, _, a, b = pairs
    logit = np.linspace(-2, -1, len(label))
    sample = bootstrap(label, {"never": logit, "again": logit}, a, b, replicates=20, seed=0)
    table = intervals(sample).set_index(["Model", "Metric"])
    assert table.loc[("never", "Precision")].isna().all()
    assert table.loc[("never", "MCC"), "Value"] == 0
    assert table.loc[("never", "AUROC")].notna().all()
    verdict = paired_differences(sample).set_index("Metric")["Verdict"]
    assert verdict["Precision"] == "undefined"
    assert verdict["AUROC"] == NOT_DISTINGUISHABLE
