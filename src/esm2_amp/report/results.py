"""The chapters on how good the models are, and which pairs they rank first."""

from typing import Any, Final

import pandas as pd

from esm2_amp.evaluation.assessment import REPORTED_SPLIT
from esm2_amp.evaluation.baselines import BASELINES
from esm2_amp.evaluation.comparison import against, reference_of
from esm2_amp.figures.palette import METRIC_NAMES
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.report import cautions
from esm2_amp.report.parts import (
    Block,
    Group,
    Missing,
    Paragraph,
    Plot,
    Section,
    Table,
    interval_cells,
    number_cells,
    table_of,
    text_cells,
)
from esm2_amp.report.plots import curve_plots, interval_plot
from esm2_amp.report.uncertainty import surest_table
from esm2_amp.statistics.metrics import sigmoid

_METRICS: Final = {name: METRIC_NAMES[name] for name in ("auroc", "aupr", "mcc", "accuracy")}
_ERRORS: Final = {"ece": "ECE", "ece_calibrated": "ECE, calibrated", "brier": "Brier"}
SHOWN_PAIRS: Final = 25


def comparison_chapter(
    models: pd.DataFrame,
    differences: pd.DataFrame,
    strata: pd.DataFrame,
    baseline_scores: pd.DataFrame,
    *scored: pd.DataFrame,
) -> Section:
    """Set models and baselines side by side: metrics with intervals, differences, strata, curves.

    Parameters
    ----------
    models, differences, strata
        `model_comparison`, `model_differences`, `model_strata` of `evaluation`.
    baseline_scores : DataFrame
        Scores of the baselines, of `evaluation`.
    *scored : DataFrame
        The scored pairs of every model of the registry, in its order.
    """
    reference = reference_of(baseline_scores)
    of_reference = against(reference, differences)
    best = models[models["Kind"] == "model"].iloc[0]
    blocks: list[Block] = [
        Paragraph(_in_brief(best, of_reference, reference)),
        _comparison_table(models),
        _plot_of_metric(models),
        Group(f"Against the baseline {_shown(reference)}", _differences(of_reference, reference)),
        Group("By what was seen in training", [_strata_table(strata, models["Model"])]),
        Group("Curves", [*_curves(reference, baseline_scores, scored)]),
    ]
    return Section("comparison", "Models and baselines", blocks, _cautions(models, of_reference, reference))


def pair_evaluation_chapter(
    scored: pd.DataFrame, models: pd.DataFrame, strata: pd.DataFrame, metrics: dict[str, Any], data_name: str
) -> Section:
    """One model on pairs of another source than its training: metrics with intervals, strata, curves, first pairs.

    Parameters
    ----------
    scored, models, strata, metrics
        Of `esm2_amp.pipelines.pair_evaluation.nodes.measure_model`.
    data_name : str
        What the pairs are called.
    """
    name, row = metrics["model"], models.iloc[0]
    brief = (
        f"{name}, trained on {metrics['trained_on']}, has an AUROC of {row['auroc']:.3f} (95 % interval "
        f"{row['auroc_low']:.3f} to {row['auroc_high']:.3f}) on {row['n_pairs']:,} pairs of {data_name}, "
        f"{row['n_positives']:,} of which interact. Nothing was fitted or chosen on these pairs."
    )
    unknown = (scored["Seen"] == "unknown").any()
    words = (
        "The model's folder doesn't hold the proteins it was trained on, so which pairs it saw in training is unknown."
    )
    in_strata = Paragraph(words) if unknown else _strata_table(strata, models["Model"])
    blocks: list[Block] = [
        Paragraph(brief),
        _comparison_table(models),
        Group("By what was seen in training", [in_strata]),
        Group("How sure a score is", [surest_table(pd.DataFrame(metrics["surest_half"]).assign(Model=name))]),
        Group("Curves", [*curve_plots({name: scored})]),
        Group("Top predictions", [_pair_table(scored, f"of {len(scored):,} pairs, by {name}")]),
    ]
    return Section("evaluation", f"{name} on {data_name}", blocks, [words] if unknown else [])


def predictions_chapter(
    models: pd.DataFrame, predicted: tuple[pd.DataFrame, int] | None, *scored: pd.DataFrame
) -> Section:
    """List the pairs of highest probability: test pairs by the best model, and new pairs where there are any.

    Parameters
    ----------
    models : DataFrame
        `model_comparison`, the best model before the others.
    predicted : (DataFrame, int), optional
        The first `SHOWN_PAIRS` or more of the pairs that `prediction` scored, by probability, and how many it scored.
    *scored : DataFrame
        The scored pairs of every model of the registry, in its order.
    """
    best = models.loc[models["Kind"] == "model", "Model"].iloc[0]
    pairs = scored[list(ARCHITECTURES).index(best)]
    pairs = pairs[pairs["Split"] == REPORTED_SPLIT]
    tested = _pair_table(pairs, f"of {len(pairs):,} test pairs, by {best}")
    return Section("predictions", "Top predictions", [tested, Group("New pairs", [_new_pairs(predicted)])])


def _in_brief(best: pd.Series, of_reference: pd.DataFrame, reference: str) -> str:
    """The main result in one sentence."""
    row = of_reference[of_reference["Model"] == best["Model"]].iloc[0]
    verdict = f"{row['Verdict']} than" if row["Verdict"] in ("better", "worse") else f"{row['Verdict']} from"
    return (
        f"On {best['n_pairs']:,} test pairs the best model is {best['Model']} with an AUROC of {best['auroc']:.3f} "
        f"(95 % interval {best['auroc_low']:.3f} to {best['auroc_high']:.3f}), {verdict} the baseline "
        f"{_shown(reference)}: {row['Difference']:+.3f} ({row['Low']:+.3f} to {row['High']:+.3f})."
    )


def _comparison_table(models: pd.DataFrame) -> Table:
    columns = {"Model": text_cells(map(_shown, models["Model"]))}
    for metric, heading in _METRICS.items():
        columns[heading] = interval_cells(models[[metric, f"{metric}_low", f"{metric}_high"]])
    for metric, heading in _ERRORS.items():
        columns[heading] = number_cells(models[metric])
    columns["Kind"] = text_cells(models["Kind"])
    caption = "Test pairs: metrics with 95 % intervals. ECE, the expected calibration error, and Brier are better low"
    return table_of(caption, columns)


def _plot_of_metric(models: pd.DataFrame) -> Plot:
    named = {"auroc": "Value", "auroc_low": "Low", "auroc_high": "High"}
    table = models.rename(columns=named).assign(Model=models["Model"].map(_shown))
    return interval_plot(table, "AUROC, 95 % interval", "AUROC", zero=0.5)


def _differences(of_reference: pd.DataFrame, reference: str) -> list[Block]:
    table = of_reference.rename(columns={"Difference": "Value"}).assign(Kind="model")
    name = f"AUROC minus that of {_shown(reference)}, 95 % interval"
    columns = {
        "Model": text_cells(table["Model"]),
        "Difference": interval_cells(table[["Value", "Low", "High"]], "+z.3f"),
        "Verdict": text_cells(table["Verdict"]),
    }
    return [table_of(name, columns), interval_plot(table, "Difference, 95 % interval", name, zero=0)]


def _strata_table(strata: pd.DataFrame, order: pd.Series) -> Table:
    found = strata[(strata["Metric"] == "auroc") & (strata["Pairs"] > 0)]
    columns = {"Model": text_cells(map(_shown, order))}
    for stratum, table in found.groupby("Stratum"):
        rows = table.set_index("Model").loc[order, ["Value", "Low", "High"]]
        columns[f"{stratum}, {table['Pairs'].iloc[0]:,} pairs"] = interval_cells(rows)
    caption = "AUROC of test pairs with both (C1), one (C2) or no protein (C3) in training pairs"
    return table_of(caption, columns)


def _curves(reference: str, baseline_scores: pd.DataFrame, scored: tuple[pd.DataFrame, ...]) -> list[Plot]:
    is_tested = baseline_scores["Split"] == REPORTED_SPLIT
    shown = {model: table[is_tested] for model, table in zip(ARCHITECTURES, scored, strict=True)}
    tested = baseline_scores[is_tested]
    return curve_plots(shown | {_shown(reference): tested.assign(Probability=sigmoid(tested[reference]))})


def _cautions(models: pd.DataFrame, of_reference: pd.DataFrame, reference: str) -> list[str]:
    return list(cautions.of_comparison(models, of_reference, _shown(reference)))


def _new_pairs(predicted: tuple[pd.DataFrame, int] | None) -> Block:
    if predicted is None:
        command = "kedro run --pipeline=prediction --params=proteins=FILE,pairs=FILE"
        return Missing("No new pairs have been scored.", command)
    pairs, scored = predicted
    return _pair_table(pairs, f"of {scored:,} new pairs, by the last run of the pipeline prediction")


def _pair_table(pairs: pd.DataFrame, of: str) -> Table:
    top = pairs.sort_values("Probability", ascending=False, kind="stable")[:SHOWN_PAIRS]
    columns = {"Rank": number_cells(range(1, len(top) + 1), "d")}
    columns |= {name: text_cells(top[name]) for name in ("Protein1", "Protein2")}
    for name, heading in (("Probability", "Probability"), ("CalibratedProbability", "Calibrated")):
        if name in top:
            columns[heading] = number_cells(top[name], ".4f")
    if "Label" in top:
        columns["Label"] = text_cells(top["Label"].map({1: "interacts", 0: "doesn't interact"}))
    return table_of(f"The {len(top)} with the highest probability {of}", columns)


def _shown(name: str) -> str:
    """A model's or baseline's name in words."""
    return name.replace("_", " ") if name in BASELINES else name
