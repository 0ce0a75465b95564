"""Charts of a run: coverage and enrichment of groups of pairs, and maps of single pairs."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.errors import InputError
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.regions.coverage import measure
from esm2_amp.regions.figures import distribution_figure, donut_figure, enrichment_figure
from esm2_amp.regions.protein_map import PairMap, protein_map
from esm2_amp.regions.segments import GROUP_NAMES, by_size

Figures = dict[str, Figure]


class Charts(NamedTuple):
    """Figures of groups of pairs, by the name of the group.

    Attributes
    ----------
    donuts : dict of Figure
        Coverage in bins, by `donut_figure`.
    distributions : dict of Figure
        Distributions of coverage, by `distribution_figure`.
    enrichment : dict of Figure
        Differences from chance, by `enrichment_figure`.
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
    """Draw for each group of pairs how far its segments are covered by regions, and how far chance explains it.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`.
    regions : DataFrame
        Annotated regions of the types that count.
    proteins : DataFrame
        `Entry` and `Length` of the proteins.
    report : dict
        The report of `PlacedRegions`.
    table : DataFrame
        The table of `enrichment`.
    parameters : RegionParameters
        What the data is called, and up to which q-value a difference is called.

    Returns
    -------
    charts : Charts
        Types that no protein is annotated with are named in the titles and left out of the figures. Groups of fewer
        pairs than `fewest_pairs` have no figures.
    """
    measured = measure(regions, proteins, report)
    charts, annotated = Charts({}, {}, {}), measured.annotated_types()
    absent = [kind for kind in measured.types if kind not in annotated.types]
    remark = f"\nNot annotated in these proteins: {', '.join(absent)}" if absent else ""
    table = table[table["RegionType"].isin(annotated.types)]
    large, _ = by_size(segments, parameters.fewest_pairs)
    for name, of_group in large.groupby("Group"):
        group = str(name)
        pairs = of_group.groupby("Selection")["Pair"].nunique().max()
        title = f"{pairs:,} pairs ({GROUP_NAMES.get(group, group)}) of {parameters.data_name}{remark}"
        charts.donuts[group] = donut_figure(of_group, annotated, title)
        charts.distributions[group] = distribution_figure(of_group, annotated, title)
        charts.enrichment[group] = enrichment_figure(table[table["Group"] == group], parameters.level, title)
    return charts


def pair_maps(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    importance: pd.DataFrame,
    parameters: RegionParameters,
    method: tuple[str, str] = ("", ""),
) -> Figures:
    """Draw a map of each chosen pair: both proteins to scale, their annotated regions, and the segments' importance.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`.
    regions : DataFrame
        Annotated regions of the types that count.
    proteins : DataFrame
        `Entry` and `Length` of the proteins, and `Name` where known.
    report : dict
        The report of `PlacedRegions`.
    importance : DataFrame
        The importance table that the segments were ranked by; empty where there is none.
    parameters : RegionParameters
        Which pairs are drawn, and what the data is called.
    method : tuple of two str
        What the method of explanation is called, and what its importances are.

    Returns
    -------
    maps : dict of Figure
        By pair, as `P1-P2`: those asked for in their order, or else those of highest probability. Of a pair that
        `segments` has twice, the first is drawn.

    Raises
    ------
    InputError
        A pair to draw has no ranked segments.
    """
    lengths = dict(zip(proteins["Entry"], proteins["Length"].tolist(), strict=True))
    names = segments["Protein1"] + "-" + segments["Protein2"]
    called = dict(zip(proteins["Entry"], proteins["Name"], strict=True)) if "Name" in proteins else {}
    probability = _probabilities(importance)
    maps = {}
    for name in _chosen_pairs(names, parameters, probability):
        rows = segments[names == name]
        of_pair = rows[rows["Pair"] == rows.groupby("Selection")["Pair"].transform("min")]
        first = of_pair.iloc[0]
        pair, group = (first["Protein1"], first["Protein2"]), first["Group"]
        title = "\n".join(_title(name, group, probability.get(name), parameters, method[0]))
        both = (lengths[pair[0]], lengths[pair[1]])
        shades = None if importance.empty else _importance_of(pair, importance)
        of_names = (called.get(pair[0], ""), called.get(pair[1], ""))
        maps[name] = protein_map(
            PairMap(pair, both, of_pair, regions, report["types"], shades, title, unit=method[1], names=of_names)
        )
    return maps


def _title(
    pair: str, group: str, probability: float | None, parameters: RegionParameters, method: str
) -> Iterator[str]:
    """Lines of a map's title: the pair, what it is called and how probably it interacts, by which model and method."""
    known = [GROUP_NAMES[group]] if group in GROUP_NAMES else []
    if probability is not None:
        known.append("probability " + _shown(probability))
    yield f"{pair} of {parameters.data_name}" + (f": {', '.join(known)}" if known else "")
    if method:
        yield f"{parameters.explained_model} explained by {method}"


def _shown(probability: float) -> str:
    """A probability that doesn't look certain where it isn't."""
    rounded = f"{probability:.3f}"
    return {"1.000": "above 0.999", "0.000": "below 0.001"}.get(rounded, rounded)


def _probabilities(importance: pd.DataFrame) -> dict[str, float]:
    """Probabilities of explained pairs by their ids, as far as they are known."""
    if "Probability" not in importance:
        return {}
    return dict(zip(importance["Protein1"] + "-" + importance["Protein2"], importance["Probability"], strict=True))


def _chosen_pairs(names: pd.Series, parameters: RegionParameters, probability: Mapping[str, float]) -> list[str]:
    """The pairs that are asked for, or else those of highest probability."""
    known, asked = names.unique().tolist(), parameters.map_pairs
    if not asked:
        return sorted(known, key=lambda pair: -probability.get(pair, 0.0))[: parameters.maps]
    chosen = asked.replace(";", " ").split() if isinstance(asked, str) else asked
    for pair in chosen:
        if pair not in known:
            close = get_close_matches(pair, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else f", such as {known[0]}"
            raise InputError(f"map_pairs must name pairs with ranked segments{hint}; got {pair!r}")
    return chosen


def _importance_of(pair: tuple[str, str], importance: pd.DataFrame) -> pd.Series:
    rows = importance[(importance["Protein1"] == pair[0]) & (importance["Protein2"] == pair[1])]
    return rows.filter(regex=r"^[AB]_segment\d$").iloc[0]
