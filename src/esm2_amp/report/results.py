"""The chapters on how good the models are, and which pairs they rank first."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from esm2_amp.evaluation.assessment import REPORTED_SPLIT
from esm2_amp.evaluation.baselines import BASELINES
from esm2_amp.evaluation.comparison import against, logits_of, reference_of
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.report import cautions
from esm2_amp.report.earlier import measured_since
from esm2_amp.report.parts import (
    Block,
    Caution,
    Cell,
    Folded,
    Group,
    Paragraph,
    Plots,
    Section,
    Table,
    interval_cells,
    number_cells,
    protein_cells,
    table_of,
    text_cells,
)
from esm2_amp.report.plots import curve_plots, interval_plot
from esm2_amp.report.uncertainty import surest_table
from esm2_amp.statistics.intervals import NOT_DISTINGUISHABLE
from esm2_amp.statistics.metrics import sigmoid

_METRICS: Final = {
    **{name: name for name in ("AUROC", "AUPR", "MCC")},
    "PrecisionAt1To10": "Precision at 1:10",
    "PrecisionAt1To100": "Precision at 1:100",
}
SHOWN_PAIRS: Final = 25
_SHOWN_MISTAKES: Final = 10
_PRECISION: Final = (
    "Precision at 1:10 and 1:100 is that of the called pairs where one in 11, or in 101, interacts: closer to what a "
    "screen of a proteome meets than the balance of these pairs."
)
_STRATA: Final = {"C1": "both proteins", "C2": "one protein", "C3": "no protein"}
_LABELS: Final = {1: "interacts", 0: "doesn't interact"}


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
    blocks: list[Block] = [
        Paragraph(_in_brief(models, differences, of_reference, reference)),
        _comparison_table(models),
        Paragraph(_PRECISION),
        *_of_strata(strata, models["Model"]),
        Group(
            "Curves, calibration, and what is gained on the baseline",
            _drawn(reference, baseline_scores, scored, of_reference),
        ),
    ]
    since = measured_since(models, dict(zip(ARCHITECTURES, scored, strict=True)))
    return Section("comparison", "Models and baselines", blocks, [*since, *_cautions(models, of_reference, reference)])


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
        f"{name}, trained on {metrics['trained_on']}, has an AUROC of {row['AUROC']:.3f} (95 % interval "
        f"{row['AUROCLow']:.3f} to {row['AUROCHigh']:.3f}) on {row['Pairs']:,} pairs of {data_name}, "
        f"{row['Positives']:,} of which interact. Nothing was fitted or chosen on these pairs."
    )
    unknown = (scored["Seen"] == "unknown").any()
    words = (
        "The model's folder doesn't hold the proteins it was trained on, so which pairs it saw in training is unknown."
    )
    blocks: list[Block] = [
        Paragraph(brief),
        _comparison_table(models),
        Paragraph(_PRECISION),
        *([Paragraph(words)] if unknown else _of_strata(strata, models["Model"])),
        Group("How sure a score is", [surest_table(pd.DataFrame(metrics["surest_half"]).assign(Model=name))]),
        Group("Curves", [Plots(curve_plots({name: scored}))]),
        Group("Top predictions", [pair_table(scored, f"of {len(scored):,} pairs, by {name}", {})]),
        *_mistakes(scored, name, {}),
    ]
    return Section("evaluation", f"{name} on {data_name}", blocks, [words] if unknown else [])


def predictions_chapter(
    models: pd.DataFrame, differences: pd.DataFrame, proteins: pd.DataFrame | None, *scored: pd.DataFrame
) -> Section:
    """List test pairs by the best model: those of highest probability, and its most confident mistakes.

    Parameters
    ----------
    models : DataFrame
        `model_comparison`, the best model before the others.
    differences : DataFrame
        `model_differences` of `evaluation`.
    proteins : DataFrame, optional
        `Entry` and, where known, `Name` of the proteins.
    *scored : DataFrame
        The scored pairs of every model of the registry, in its order.
    """
    best, *tied = tied_models(models, differences)
    pairs = scored[[*map(str, ARCHITECTURES)].index(best)]
    pairs = pairs[pairs["Split"] == REPORTED_SPLIT]
    by = f"{best}, which ties with {_listed(tied)}" if tied else best
    names = names_of(proteins)
    tested = pair_table(pairs, f"of {len(pairs):,} test pairs, by {by}", names)
    return Section("predictions", "Top predictions", [tested, *_mistakes(pairs, best, names)])


def tied_models(models: pd.DataFrame, differences: pd.DataFrame) -> list[str]:
    """The model of highest AUROC, and those whose AUROC can't be distinguished from it.

    Parameters
    ----------
    models : DataFrame
        `model_comparison`, the best before the others.
    differences : DataFrame
        `model_differences` of `evaluation`.
    """
    best, *others = models.loc[models["Kind"] == "model", "Model"]
    alike = differences[(differences["Metric"] == "AUROC") & (differences["Verdict"] == NOT_DISTINGUISHABLE)]
    compared = set(map(frozenset, zip(alike["ModelA"], alike["ModelB"], strict=True)))
    return [best, *(name for name in others if {best, name} in compared)]


def names_of(proteins: pd.DataFrame | None) -> dict[str, str]:
    """Names by id, of the proteins that have any."""
    if proteins is None or "Name" not in proteins:
        return {}
    named = proteins[proteins["Name"] != ""]
    return dict(zip(named["Entry"], named["Name"], strict=True))


def _in_brief(models: pd.DataFrame, differences: pd.DataFrame, of_reference: pd.DataFrame, reference: str) -> str:
    """The main result in a sentence or two."""
    tied = tied_models(models, differences)
    rows = models.set_index("Model").loc[tied]
    measured = [
        f"{name} with an AUROC of {row['AUROC']:.3f} (95 % interval {row['AUROCLow']:.3f} to {row['AUROCHigh']:.3f})"
        for name, row in rows.iterrows()
    ]
    compared = of_reference.set_index("Model").loc[tied[0]]
    against_it = (
        f"{_verdict_on(str(compared['Verdict']))} the baseline {_shown(reference)}: {compared['Difference']:+.3f} "
        f"({compared['Low']:+.3f} to {compared['High']:+.3f})"
    )
    n_pairs = f"On {rows['Pairs'].iloc[0]:,} test pairs"
    if len(tied) == 1:
        return f"{n_pairs} the best model is {measured[0]}, {against_it}."
    return (
        f"{n_pairs} {_listed(measured)} tie: the differences between the first and the others may be chance. "
        f"{tied[0]} is {against_it}."
    )


def _verdict_on(verdict: str) -> str:
    return f"{verdict} than" if verdict in ("better", "worse") else f"{verdict} from"


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _comparison_table(models: pd.DataFrame) -> Table:
    columns = {"Model": _model_cells(models)}
    for metric, heading in _METRICS.items():
        columns[heading] = interval_cells(models[[metric, f"{metric}Low", f"{metric}High"]])
    calibrated = number_cells(models["ECECalibrated"])
    columns["ECE"] = [
        cell._replace(note=f"calibrated {after.text}")
        for cell, after in zip(number_cells(models["ECE"]), calibrated, strict=True)
    ]
    columns["Brier"] = number_cells(models["Brier"])
    caption = (
        "Test pairs: metrics with 95 % intervals. ECE, the expected calibration error, and Brier are better low; – is "
        "undefined, as the precision where no pair is called interacting"
    )
    return table_of(caption, columns)


def _model_cells(models: pd.DataFrame) -> list[Cell]:
    cells = text_cells(map(_shown, models["Model"]))
    return [
        cell._replace(note="baseline" if kind == "baseline" else "")
        for cell, kind in zip(cells, models["Kind"], strict=True)
    ]


def _of_strata(strata: pd.DataFrame, order: pd.Series) -> list[Block]:
    """AUROC in strata, or one sentence where all pairs are of the same one."""
    found = strata[(strata["Metric"] == "AUROC") & (strata["Pairs"] > 0)]
    if len(set(found["Stratum"])) == 1:
        first = found.iloc[0]
        seen = _STRATA[first["Stratum"]]
        return [Paragraph(f"All {first['Pairs']:,} pairs have {seen} in training pairs ({first['Stratum']}).")]
    columns = {"Model": text_cells(map(_shown, order))}
    for stratum, table in found.groupby("Stratum"):
        rows = table.set_index("Model").loc[order, ["Value", "Low", "High"]]
        columns[f"{stratum}, {table['Pairs'].iloc[0]:,} pairs"] = interval_cells(rows)
    caption = "AUROC of test pairs with both (C1), one (C2) or no protein (C3) in training pairs"
    return [Group("By what was seen in training", [table_of(caption, columns)])]


def _drawn(
    reference: str, baseline_scores: pd.DataFrame, scored: tuple[pd.DataFrame, ...], of_reference: pd.DataFrame
) -> list[Block]:
    """Curves of the models and of the baseline, and the models' differences from it."""
    is_tested = baseline_scores["Split"] == REPORTED_SPLIT
    shown = {model: table[is_tested] for model, table in zip(ARCHITECTURES, scored, strict=True)}
    tested = baseline_scores[is_tested]
    curves = curve_plots(shown | {_shown(reference): tested.assign(Probability=sigmoid(logits_of(reference, tested)))})
    table = of_reference.rename(columns={"Difference": "Value"}).assign(Kind="model")
    name = f"AUROC minus that of {_shown(reference)}, 95 % interval"
    columns = {
        "Model": text_cells(table["Model"]),
        "Difference": interval_cells(table[["Value", "Low", "High"]], "+z.3f"),
        "Verdict": text_cells(table["Verdict"]),
    }
    verdicts = table["Model"] + "<br>" + table["Verdict"]
    difference = interval_plot(table.assign(Model=verdicts), "Difference, 95 % interval", name, zero=0)
    return [Plots([*curves, difference]), Folded("The differences in numbers", [table_of(name, columns)])]


def _cautions(models: pd.DataFrame, of_reference: pd.DataFrame, reference: str) -> list[str | Caution]:
    return list(cautions.of_comparison(models, of_reference, _shown(reference)))


def _mistakes(pairs: pd.DataFrame, model: str, names: Mapping[str, str]) -> list[Block]:
    """The pairs on which the model is surest of the wrong answer."""
    labelled = pairs.dropna(subset=["Label", "Prediction"])
    wrong = labelled[labelled["Label"] != labelled["Prediction"]]
    if wrong.empty:
        return []
    by_doubt = np.argsort(-np.abs(_logits(wrong)), kind="stable")[:_SHOWN_MISTAKES]
    first = wrong.iloc[by_doubt]
    title = f"The {len(first)} most confident of {len(wrong):,} mistakes, by {model}"
    columns = _pair_columns(first, names)
    columns["Called"] = text_cells(first["Prediction"].map(_LABELS))
    return [Group("Confident mistakes", [table_of(title, columns)])]


def pair_table(pairs: pd.DataFrame, of: str, names: Mapping[str, str]) -> Table:
    """The pairs of highest probability.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`, `Probability`; perhaps `Logit`, `CalibratedProbability`, `Label`.
    of : str
        Which pairs they are, and by which model, for the caption.
    names : mapping of str
        Names of proteins by id.
    """
    top = pairs.sort_values(["Logit" if "Logit" in pairs else "Probability"], ascending=False, kind="stable")
    top = top[:SHOWN_PAIRS]
    columns = {"Rank": number_cells(range(1, len(top) + 1), "d")} | _pair_columns(top, names)
    return table_of(f"The {len(top)} with the highest probability {of}", columns)


def _pair_columns(pairs: pd.DataFrame, names: Mapping[str, str]) -> dict[str, list[Cell]]:
    """Columns of pairs with their scores; logits, too, where probabilities print alike."""
    columns = {name: protein_cells(pairs[name], names) for name in ("Protein1", "Protein2")}
    for name, heading in (("Probability", "Probability"), ("CalibratedProbability", "Calibrated")):
        if name in pairs:
            columns[heading] = number_cells(pairs[name], ".4f")
    if len({cell.text for cell in columns["Probability"]}) < len(pairs):
        columns["Logit"] = number_cells(_logits(pairs), "z.3f")
    if "Label" in pairs:
        columns["Label"] = text_cells(pairs["Label"].map(_LABELS).fillna("unknown"))
    return columns


def _logits(pairs: pd.DataFrame) -> np.ndarray:
    """Logits of pairs; where only probabilities are known, theirs."""
    if "Logit" in pairs:
        return pairs["Logit"].to_numpy(np.float64)
    probability = pairs["Probability"].to_numpy(np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(probability) - np.log1p(-probability))


def _shown(name: str) -> str:
    """A model's or baseline's name in words."""
    return name.replace("_", " ") if name in BASELINES else name
