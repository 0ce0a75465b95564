"""The chapter on pairs of other proteins: what scored them, how good that is, which come first, which have no score."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from esm2_amp.models.storage import caution_on_data
from esm2_amp.report.parts import (
    Block,
    Facts,
    Group,
    Missing,
    Section,
    number_cells,
    protein_cells,
    table_of,
    text_cells,
)
from esm2_amp.report.results import names_of, pair_table
from esm2_amp.screening.cautions import NEAR_CHANCE

NewPairs = tuple[pd.DataFrame, int, pd.DataFrame]

_COMMAND: Final = "kedro run --pipeline=prediction --params=proteins=FILE,pairs=FILE"
_METRICS: Final = {
    "auroc": "AUROC",
    "aupr": "AUPR (average precision)",
    "precision": "Precision",
    "precision_at_1_10": "Precision at 1:10",
    "precision_at_1_100": "Precision at 1:100",
}
_SHOWN_REASONS: Final = 10


def new_pairs_chapter(
    predicted: NewPairs | None, summary: Mapping[str, Any] | None, proteins: pd.DataFrame | None
) -> Section:
    """Show the last predictions on other proteins than those of the run, and how far to trust them.

    Parameters
    ----------
    predicted : (DataFrame, int, DataFrame), optional
        `esm2_amp.io.predictions.BestPairs` of `prediction`.
    summary : mapping, optional
        `esm2_amp.models.storage.summary_of` the model that scored them.
    proteins : DataFrame, optional
        `Entry` and, where known, `Name` of the proteins.
    """
    section = "new-pairs", "Predictions on other proteins"
    if predicted is None:
        return Section(*section, [Missing("No new pairs have been scored.", _COMMAND)])
    pairs, scored, reasons = predicted
    names, found = names_of(proteins), summary or {}
    blocks: list[Block] = [
        Facts([*_facts(found), ("Pairs", _counts(scored, int(reasons["Pairs"].sum())))]),
        pair_table(pairs, f"of {scored:,} new pairs", names),
        *_without_score(reasons, names),
    ]
    return Section(*section, blocks, [*_cautions(found)])


def _facts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not summary:
        return
    yield "Model", f"{summary['model']} ({summary['architecture']}), trained on {summary['trained_on']}"
    metrics = summary["metrics"]
    measured = [f"{name} {_interval(metrics[metric])}" for metric, name in _METRICS.items() if metric in metrics]
    yield f"On its {summary['measured_on']}", ", ".join(measured) or "not measured"


def _interval(measured: list[float | None]) -> str:
    """A metric of a card: value, low, high; some cards have the value only."""
    value, *interval = measured
    if value is None:
        return "undefined"
    if len(interval) < 2 or None in interval:  # noqa: PLR2004
        return f"{value:.3f}"
    return f"{value:.3f} (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"


def _counts(scored: int, without: int) -> str:
    return f"{scored:,} scored" + (f", {without:,} could not be scored" if without else "")


def _without_score(reasons: pd.DataFrame, names: Mapping[str, str]) -> Iterator[Block]:
    if reasons.empty:
        return
    first = reasons.sort_values("Pairs", ascending=False, kind="stable")[:_SHOWN_REASONS]
    columns = {
        "Reason": text_cells(first["Status"]),
        "Pairs": number_cells(first["Pairs"], ",d"),
        "Such as": protein_cells(first["Protein1"], names),
        "and": protein_cells(first["Protein2"], names),
    }
    shown = f", the {len(first)} most frequent of {len(reasons):,} reasons" if len(first) < len(reasons) else ""
    yield Group(
        "What could not be scored", [table_of(f"{reasons['Pairs'].sum():,} pairs without a score{shown}", columns)]
    )


def _cautions(summary: Mapping[str, Any]) -> Iterator[str]:
    if not summary:
        return
    if caution := caution_on_data(summary["model"], summary["trained_on"]):
        yield f"{caution}."
    auroc = summary["metrics"].get("auroc", [None])[0]
    if auroc is None:
        yield f"How good {summary['model']}, which scored the new pairs, is isn't known: its folder holds no metrics."
    elif auroc < NEAR_CHANCE:
        yield (
            f"{summary['model']}, which scored the new pairs, has an AUROC of {auroc:.2f} on its "
            f"{summary['measured_on']} (0.5 is chance): read its probabilities as an order, and check what comes first."
        )
