"""The chapter on how sure scores are: accuracy in the half that one is surest of, and ensembles beside members."""

from collections.abc import Iterator

import pandas as pd

from esm2_amp.evaluation.plots import risk_coverage_plot
from esm2_amp.evaluation.uncertainty import MEASURES
from esm2_amp.report.parts import (
    Block,
    Group,
    Missing,
    Paragraph,
    Plot,
    Plots,
    Section,
    Table,
    interval_cells,
    number_cells,
    plot_of,
    table_of,
    text_cells,
)


def uncertainty_chapter(
    curves: pd.DataFrame | None, surest: pd.DataFrame | None, members: pd.DataFrame | None
) -> Section:
    """Say how much better models are where one is sure of them.

    Parameters
    ----------
    curves, surest, members : DataFrame, optional
        Of `esm2_amp.evaluation.uncertainty.Uncertainty`; None where an older evaluation didn't write them.
    """
    title = "How sure a score is"
    if curves is None or surest is None or members is None:
        missing = Missing("Risk and coverage haven't been measured.", "kedro run --pipeline=evaluation")
        return Section("sureness", title, [missing])
    blocks: list[Block] = [Paragraph(_in_brief(surest)), surest_table(surest), Plots([*_plots(curves)])]
    blocks += _ensembles(members)
    return Section("sureness", title, blocks)


def _in_brief(surest: pd.DataFrame) -> str:
    row = surest.sort_values("SurestAccuracy", ascending=False, kind="stable").iloc[0]
    return (
        "A score that one can be sure of should be right more often than others. Of the half of the test pairs of "
        f"which one is surest by {MEASURES[row['Measure']]}, {row['Model']} predicts {row['SurestAccuracy']:.1%} "
        f"correctly, and {row['Accuracy']:.1%} of all: {100 * row['Gain']:+.1f} points (95 % interval "
        f"{100 * row['GainLow']:+.1f} to {100 * row['GainHigh']:+.1f})."
    )


def surest_table(surest: pd.DataFrame) -> Table:
    """The accuracy of all pairs, and of the half that one is surest of, by each measure of sureness."""
    columns = {
        "Model": text_cells(surest["Model"]),
        "Surest by": text_cells(surest["Measure"].map(MEASURES)),
        "Accuracy": number_cells(surest["Accuracy"]),
        "In the surest half": interval_cells(surest[[f"SurestAccuracy{end}" for end in ("", "Low", "High")]]),
        "Gain": interval_cells(surest[["Gain", "GainLow", "GainHigh"]], "+z.3f"),
        "Brier": number_cells(surest["Brier"]),
        "Brier in the surest half": interval_cells(surest[[f"SurestBrier{end}" for end in ("", "Low", "High")]]),
    }
    return table_of("All test pairs, and the half of them that one is surest of", columns)


def _plots(curves: pd.DataFrame) -> Iterator[Plot]:
    for measure, table in curves.groupby("Measure", sort=False):
        words = MEASURES[str(measure)]
        last = ", ".join(
            f"{model} {of_model['Error'].iloc[len(of_model) // 2 - 1]:.3f} and {of_model['Error'].iloc[-1]:.3f}"
            for model, of_model in table.groupby("Model", sort=False)
        )
        alt = f"Error against the share of the pairs that one is surest of by {words}; of half and of all: {last}"
        yield plot_of(risk_coverage_plot(table), f"Error against coverage, by {words}", alt)


def _ensembles(members: pd.DataFrame) -> Iterator[Group]:
    if members.empty:
        return
    columns = {
        "Model": text_cells(members["Model"]),
        "Member": text_cells(members["Member"]),
        "AUROC": interval_cells(members[["AUROC", "Low", "High"]]),
        "Ensemble minus member": interval_cells(members[["Difference", "DifferenceLow", "DifferenceHigh"]], "+z.3f"),
        "The ensemble is": text_cells(members["Verdict"]),
    }
    words = "Differences in AUROC on the same pairs, each with its paired 95 % interval."
    yield Group(
        "Ensembles beside their members", [table_of("AUROC of ensembles and members", columns), Paragraph(words)]
    )
