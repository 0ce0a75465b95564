"""All models and baselines side by side, each number with its interval, and the figures of that."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.columns import column_name
from esm2_amp.errors import InputError
from esm2_amp.evaluation import figures
from esm2_amp.evaluation.assessment import REPORTED_SPLIT
from esm2_amp.evaluation.baselines import BASELINES
from esm2_amp.evaluation.strata import stratum_intervals
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.statistics.intervals import bootstrap, intervals, paired_differences
from esm2_amp.statistics.metrics import comparison_table, sigmoid


class Comparison(NamedTuple):
    """All models and baselines on the test pairs.

    Attributes
    ----------
    models : DataFrame
        One row per model or baseline, best AUROC first: `Model`, `Kind` ("model" or "baseline"), `Pairs`,
        `Positives`, every metric with its 95 % interval in `<Metric>Low` and `<Metric>High`, `Threshold`,
        `Temperature`, `ECECalibrated`, and `AUROCSwapped`, the AUROC when every pair A-B is read as B-A.
    differences : DataFrame
        As from `paired_differences`, between each two.
    strata : DataFrame
        As from `stratum_intervals`, with `Kind`.
    """

    models: pd.DataFrame
    differences: pd.DataFrame
    strata: pd.DataFrame


def compare(
    baseline_scores: pd.DataFrame,
    baseline_metrics: Mapping[str, dict[str, Any]],
    scored: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, dict[str, Any]],
    *,
    replicates: int,
    seed: int,
) -> Comparison:
    """Put models and baselines side by side on the test pairs.

    Parameters
    ----------
    baseline_scores : DataFrame
        `Protein1`, `Protein2`, `Split`, `Seen`, `Label`, and the logits of each baseline under its `column_name`.
    baseline_metrics : mapping of dict
        Metrics by baseline.
    scored : mapping of DataFrame
        Scored pairs by model.
    metrics : mapping of dict
        Metrics by model.
    replicates : int
        Bootstrap replicates behind each interval.
    seed : int
        Seed of the bootstrap.

    Raises
    ------
    InputError
        The models weren't scored on the same pairs.
    """
    _check_same_pairs({"the baselines": baseline_scores, **scored})
    tested = baseline_scores["Split"] == REPORTED_SPLIT
    pairs, every = baseline_scores[tested], {**metrics, **baseline_metrics}
    logits = {model: table.loc[tested, "Logit"] for model, table in scored.items()}
    logits |= {name: pairs[column_name(name)] for name in baseline_metrics}
    options: dict[str, Any] = {
        "threshold": {name: of_model["threshold"] for name, of_model in every.items()},
        "replicates": replicates,
        "seed": seed,
    }
    sample = bootstrap(pairs["Label"], logits, pairs["Protein1"], pairs["Protein2"], **options)
    found = intervals(sample)
    return Comparison(
        _model_table(found, pairs["Label"], every),
        paired_differences(sample),
        _with_kind(stratum_intervals(pairs, logits, whole=found, **options)),
    )


def draw_comparison(
    comparison: Comparison, baseline_scores: pd.DataFrame, scored: Mapping[str, pd.DataFrame], title: str
) -> dict[str, Figure]:
    """Draw a comparison: metrics, curves, each model's difference from the reference baseline, and strata."""
    models, differences, strata = comparison
    reference = reference_of(baseline_scores)
    tested = baseline_scores["Split"] == REPORTED_SPLIT
    curves = {model: table[tested] for model, table in scored.items()}
    of_baseline = baseline_scores[tested]
    curves[_shown(reference)] = of_baseline.assign(Probability=sigmoid(logits_of(reference, of_baseline)))
    best_first = strata.set_index("Model").loc[models["Model"]].reset_index()
    named, named_strata = (table.assign(Model=table["Model"].map(_shown)) for table in (models, best_first))
    return {
        "model_comparison": figures.comparison_figure(named, title),
        "model_curves": figures.comparison_curves(curves, title),
        "model_differences": figures.differences_figure(against(reference, differences), _shown(reference), title),
        "model_strata": figures.strata_figure(named_strata, title),
    }


def reference_of(baseline_scores: pd.DataFrame) -> str:
    """The baseline that every model is compared with: the first of those that were fitted."""
    name_of = {column_name(name): name for name in BASELINES}
    return next(name_of[column] for column in baseline_scores if column in name_of)


def logits_of(baseline: str, baseline_scores: pd.DataFrame) -> pd.Series:
    """The logits of a baseline, by its name."""
    return baseline_scores[column_name(baseline)]


def against(reference: str, differences: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each model minus that of a baseline, largest first; `Verdict` is then "better" or "worse"."""
    chosen = (differences["ModelB"] == reference) & (differences["Metric"] == "AUROC")
    table = differences[chosen & differences["ModelA"].isin(ARCHITECTURES)].rename(columns={"ModelA": "Model"})
    words = {f"{reference} better": "worse"} | {f"{model} better": "better" for model in ARCHITECTURES}
    table = table.assign(Verdict=table["Verdict"].replace(words))
    return table.sort_values("Difference", ascending=False, kind="stable", ignore_index=True)


def _shown(name: str) -> str:
    """The name of a model or baseline in figures."""
    return f"{name.replace('_', ' ')} (baseline)" if name in BASELINES else name


def _with_kind(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column `Kind` after `Model`."""
    kind = table["Model"].isin(list(BASELINES)).map({True: "baseline", False: "model"})
    table.insert(list(table).index("Model") + 1, "Kind", kind)
    return table


def _model_table(found: pd.DataFrame, label: pd.Series, metrics: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    rows = {}
    for name, of_model in metrics.items():
        row: dict[str, float | None] = {"Pairs": len(label), "Positives": int(label.sum())}
        for metric, *interval in found.loc[found["Model"] == name, ["Metric", "Value", "Low", "High"]].to_numpy():
            row |= dict(zip((metric, f"{metric}Low", f"{metric}High"), interval, strict=True))
        row |= {column_name(single): of_model[single] for single in ("threshold", "temperature")}
        measured = of_model[REPORTED_SPLIT]
        row |= {"ECECalibrated": measured["ece_calibrated"]}
        rows[name] = row | {"AUROCSwapped": measured.get("auroc_swapped", row["AUROC"])}
    return _with_kind(comparison_table(rows))


def _check_same_pairs(tables: Mapping[str, pd.DataFrame]) -> None:
    columns = ["Protein1", "Protein2", "Split", "Label"]
    (first, pairs), *others = tables.items()
    for name, table in others:
        if not table[columns].equals(pairs[columns]):
            raise InputError(
                f"What is compared must be scored on the same pairs, but {name} was scored on others than {first}; "
                "run `kedro run --pipeline=evaluation` again"
            )


def comparison_lines(comparison: Comparison, reference: str) -> Iterator[str]:
    """The comparison for the log, in lines that fit a terminal of 80 columns beside the time and level."""
    table = comparison.models
    width = table["Model"].str.len().max()
    yield f"{'':{width}}  {'AUROC (95 % interval)':<22}  {'AUPR':>5}  {'MCC':>6}"
    for _, row in table.iterrows():
        auroc = _interval(row["AUROC"], row["AUROCLow"], row["AUROCHigh"])
        yield f"{row['Model']:<{width}}  {auroc:<22}  {row['AUPR']:5.3f}  {row['MCC']:6.3f}"
    yield f"AUROC minus that of {reference}:"
    table = against(reference, comparison.differences)
    width = table["Model"].str.len().max()
    for _, row in table.iterrows():
        difference = _interval(row["Difference"], row["Low"], row["High"], sign="+")
        yield f"{row['Model']:<{width}}  {difference:<25}  {row['Verdict']}"


def _interval(value: float, low: float, high: float, sign: str = "-") -> str:
    return "undefined" if np.isnan(value) else f"{value:{sign}.3f} ({low:.3f} to {high:.3f})"
