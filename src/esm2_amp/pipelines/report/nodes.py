"""Nodes of `report`: each chapter of the page, and the page."""

from typing import Any

import pandas as pd

from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import PredictionsFile, Section


def summarise_run(data: Section, models: Section, training: Section | None) -> Section:
    """Say what was run, so that it can be understood and run again: data, split, models, seeds, versions."""
    from esm2_amp.report.run import run_chapter

    return run_chapter(data, models, training)


def summarise_comparison(
    models: pd.DataFrame,
    differences: pd.DataFrame,
    strata: pd.DataFrame,
    baseline_scores: pd.DataFrame,
    *scored: pd.DataFrame,
) -> Section:
    """Set models and baselines side by side: metrics with intervals, differences, strata, curves."""
    from esm2_amp.report.results import comparison_chapter

    return comparison_chapter(models, differences, strata, baseline_scores, *scored)


def summarise_uncertainty(
    curves: pd.DataFrame | None, surest: pd.DataFrame | None, members: pd.DataFrame | None
) -> Section:
    """Say how much better models are on the pairs that one is surest of, and ensembles than their members."""
    from esm2_amp.report.uncertainty import uncertainty_chapter

    return uncertainty_chapter(curves, surest, members)


def summarise_predictions(
    models: pd.DataFrame, differences: pd.DataFrame, proteins: pd.DataFrame | None, *scored: pd.DataFrame
) -> Section:
    """List test pairs by the best model: those that come first, and its most confident mistakes."""
    from esm2_amp.report.results import predictions_chapter

    return predictions_chapter(models, differences, proteins, *scored)


def summarise_new_pairs(
    predicted: PredictionsFile | None, summary: dict[str, Any] | None, proteins: pd.DataFrame | None
) -> Section:
    """Show the last predictions on other proteins, the model that made them, and what could not be scored."""
    from esm2_amp.report.new_pairs import new_pairs_chapter
    from esm2_amp.report.results import SHOWN_PAIRS

    return new_pairs_chapter(None if predicted is None else predicted.best(SHOWN_PAIRS), summary, proteins)


def summarise_explanation(
    settings: ModelParameters, explained: pd.DataFrame | None, scored: pd.DataFrame, part: Section | None
) -> Section:
    """Say what one model looks at by each method, whether the methods agree, and whether they are right."""
    from esm2_amp.report.explanations import explanation_chapter

    return explanation_chapter(settings, explained, scored, part)


def summarise_regions(
    parameters: RegionParameters, scored: pd.DataFrame, **found: Any | None
) -> tuple[Section, Section]:
    """Say where important segments lie, in words and charts, and map single pairs."""
    from esm2_amp.report.regions import regions_chapters

    return regions_chapters(parameters, scored, **found)


def write_report(run: RunParameters, *sections: Section) -> str:
    """Write the report: one page that needs nothing but a browser.

    Parameters
    ----------
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    *sections : Section
        In the order of the page.

    Returns
    -------
    page : str
        HTML.
    """
    from esm2_amp.report import cautions
    from esm2_amp.report.page import render

    return render(f"Interactions of {run.data_name}", list(sections), cautions.of_data(run.data_name))
