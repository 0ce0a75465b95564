"""Charts of a run: coverage and enrichment of groups of pairs, and maps of single pairs."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.errors import InputError
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.regions.coverage import measure
from esm2_amp.regions.figures import distribution_figure, donut_figure, enrichment_figure
from esm2_amp.regions.protein_map import PairMap, protein_map
from esm2_amp.regions.summary import GROUP_NAMES

Figures = dict[str, Figure]


class Charts(NamedTuple):
    """Figures, by group.

    Attributes
    ----------
    donuts, distributions, enrichment : dict of Figure
    """

    donuts: Figures
    distributions: Figures
    enrichment: Figures


def group_charts(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    table: pd.DataFrame,
    parameters: RegionParameters,
) -> Charts:
    """Draw for each group of pairs how far its segments are covered by regions, and how far chance explains it."""
    measured = measure(regions, proteins, report)
    charts, shown = Charts({}, {}, {}), measured.annotated_types()
    absent = [kind for kind in measured.types if kind not in shown.types]
    remark = f"\nNot annotated in these proteins: {', '.join(absent)}" if absent else ""
    table = table[table["region_type"].isin(shown.types)]
    for group, part in segments.groupby("Group"):
        name = str(group)
        title = f"{_group_title(name, part)} of {_data_name(parameters)}{remark}"
        charts.donuts[name] = donut_figure(part, shown, title)
        charts.distributions[name] = distribution_figure(part, shown, title)
        charts.enrichment[name] = enrichment_figure(table[table["group"] == group], parameters.level, title)
    return charts


def pair_maps(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    importance: pd.DataFrame,
    parameters: RegionParameters,
) -> Figures:
    """Draw a map of each chosen pair: both proteins to scale, their annotated regions, and the segments' importance."""
    lengths = dict(zip(proteins["Entry"], proteins["Length"].tolist(), strict=True))
    ids = segments["Protein1"] + "-" + segments["Protein2"]
    maps = {}
    for pair in _chosen_pairs(ids, parameters):
        # of a pair that the tables have twice, the first
        of_id = segments[ids == pair]
        rows = of_id.groupby("Selection")["Pair"].transform("min") == of_id["Pair"]
        of_pair = of_id[rows]
        first = of_pair.iloc[0]
        names = (first["Protein1"], first["Protein2"])
        kind = GROUP_NAMES.get(first["Group"], first["Group"]).removesuffix("s")
        title = f"{pair}, {kind} ({first['Group']}) of {_data_name(parameters)}"
        of_tokens = None if importance.empty else _importance_of(names, importance)
        both = (lengths[names[0]], lengths[names[1]])
        maps[pair] = protein_map(PairMap(names, both, of_pair, regions, report["types"], of_tokens, title))
    return maps


def _data_name(parameters: RegionParameters) -> str:
    """A file's name without its folder and ending."""
    return Path(parameters.data_name).stem if Path(parameters.data_name).is_file() else parameters.data_name


def _group_title(group: str, segments: pd.DataFrame) -> str:
    pairs = segments.groupby("Selection")["Pair"].nunique().max()
    return f"{pairs:,} {GROUP_NAMES.get(group, 'pairs')} ({group})"


def _chosen_pairs(ids: pd.Series, parameters: RegionParameters) -> list[str]:
    known, named = ids.unique().tolist(), parameters.map_pairs
    if not named:
        return known[: parameters.maps]
    chosen = named.replace(";", " ").split() if isinstance(named, str) else named
    for pair in chosen:
        if pair not in known:
            close = get_close_matches(pair, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else f", such as {known[0]}"
            raise InputError(f"map_pairs must name pairs with ranked segments{hint}; got {pair!r}")
    return chosen


def _importance_of(proteins: tuple[str, str], importance: pd.DataFrame) -> pd.Series:
    rows = importance[(importance["Protein1"] == proteins[0]) & (importance["Protein2"] == proteins[1])]
    return rows.filter(regex=r"^[AB]_segment\d$").iloc[0]
