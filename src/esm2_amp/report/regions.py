"""Chapters of the report on annotated regions: whether important segments lie in them, and maps of single pairs."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from esm2_amp.explanation.methods import METHODS
from esm2_amp.files import as_file_name
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.regions.chance import NOT_ANNOTATED
from esm2_amp.regions.enrichment import RANDOM_SEGMENTS
from esm2_amp.regions.figures import shown_type
from esm2_amp.regions.segments import GROUP_NAMES
from esm2_amp.regions.summary import TOO_FEW
from esm2_amp.report.parts import (
    Block,
    Colours,
    Folded,
    Gallery,
    Group,
    Missing,
    Paragraph,
    Points,
    Section,
    Table,
    interval_cells,
    number_cell,
    picture_of,
    table_of,
    text_cells,
)

_REGIONS: Final = "regions", "Functional regions"
_MAPS: Final = "maps", "Protein maps"
_COMMAND: Final = "kedro run --pipeline=functional_regions --params=regions=FILE"
_ENRICHMENT: Final = "Coverage of top and low segments beside that of random ones, with 95 % intervals"
_CHARTS: Final[dict[str, tuple[str, Colours]]] = {
    "coverage_plots": ("Share of segments that reach each coverage, by type of region", "ink"),
    "donut_plots": ("Coverage of segments in bins of 10 %, by type of region and rank", "scale"),
}


def regions_chapters(
    parameters: RegionParameters, scored: pd.DataFrame, **found: Any | None
) -> tuple[Section, Section]:
    """Show where important segments lie, in words and charts, and maps of single pairs.

    Parameters
    ----------
    parameters : RegionParameters
        The model and method whose segments were looked up, and how many ranks there are.
    scored : DataFrame
        Scored pairs of any model.
    **found
        Tables and figures of `functional_regions` by the names of their catalog entries; None where they don't exist.

    Returns
    -------
    regions : Section
        The results of each group of pairs.
    maps : Section
        The maps.
    """
    if found["region_summary"] is None or found["segment_coverage"] is None:
        return _both("Important segments weren't looked up in annotated regions yet.")
    if not _has_any(found["segment_coverage"], scored):
        return _both("The regions that were looked up are of other pairs than those that the models were measured on.")
    blocks: list[Block] = [Paragraph(_introduction(parameters, found["regions_report"], found.get("region_method")))]
    summary = found["region_summary"]
    is_small = summary["Summary"].str.contains(TOO_FEW, regex=False)
    groups = summary.loc[~is_small, "Group"].unique().tolist()
    blocks += [_group(str(group), found) for group in sorted(groups, reverse=True)]  # those that interact first
    if is_small.any():
        blocks.append(Points([f"{line[0].upper()}{line[1:]}." for line in summary.loc[is_small, "Summary"]]))
    drawn = _strongest_first(found["pair_maps"] or {}, found.get("chosen_importance"))
    coverage = found["segment_coverage"]
    pictures = [picture_of(png, _words_of(pair, coverage), pair, colours="scale") for pair, png in drawn]
    maps: Block = Gallery(pictures, is_wide=True) if pictures else Missing("No pair is drawn.", _COMMAND)
    return Section(*_REGIONS, blocks), Section(*_MAPS, [maps])


def _both(words: str) -> tuple[Section, Section]:
    """Both chapters where there are no results, with the reason."""
    missing: list[Block] = [Missing(words, _COMMAND)]
    return Section(*_REGIONS, missing), Section(*_MAPS, missing)


def _strongest_first(maps: Mapping[str, bytes], importance: pd.DataFrame | None) -> list[tuple[str, bytes]]:
    """Maps of pairs by their probability, as far as that is known."""
    if importance is None or "Probability" not in importance:
        return list(maps.items())
    names = (importance["Protein1"] + "-" + importance["Protein2"]).map(as_file_name)
    probability = dict(zip(names, importance["Probability"], strict=True))
    return sorted(maps.items(), key=lambda drawn: -probability.get(drawn[0], 0.0))


def _introduction(parameters: RegionParameters, report: dict[str, Any] | None, chosen: Mapping[str, str] | None) -> str:
    model, method = parameters.explained_model, parameters.explained_by
    if chosen:
        model, method = chosen["model"], chosen["method"]
    by = METHODS[method].name if method in METHODS else method.replace("_", " ")
    why = f" ({chosen['why']})" if chosen else ""
    segments = (
        f"The {parameters.ranks} most and the {parameters.ranks} least important segments of each pair, of {model} by "
        f"{by}{why}"
    )
    if report is None:
        return f"{segments}, were looked up in annotated regions."
    return (
        f"{segments}, were looked up among {report['regions']:,} regions of {report['proteins']:,} proteins in "
        f"{report['file']} ({report['layout']}). {report['proteins_without_annotation']:,} proteins have none."
    )


def _has_any(coverage: pd.DataFrame, scored: pd.DataFrame) -> bool:
    pairs = set(zip(scored["Protein1"], scored["Protein2"], strict=True))
    return any(pair in pairs for pair in zip(coverage["Protein1"], coverage["Protein2"], strict=True))


def _group(group: str, found: dict[str, Any]) -> Group:
    """One group of pairs, by label and decision: in words, numbers and charts."""
    summary, table = found["region_summary"], found["region_enrichment"]
    blocks: list[Block] = [Points(_sentences(summary[summary["Group"] == group]))]
    if png := (found["enrichment_plots"] or {}).get(group):
        blocks.append(Gallery([picture_of(png, f"{_ENRICHMENT}, {_named(group)}")], is_wide=True))
    details: list[Block] = []
    if table is not None:
        details.append(_enrichment_table(table[table["Group"] == group], _named(group)))
    charts = [(*kind, (found[name] or {}).get(group)) for name, kind in _CHARTS.items()]
    pictures = [picture_of(png, f"{words}, {_named(group)}", colours=colours) for words, colours, png in charts if png]
    if pictures:
        details.append(Gallery(pictures, is_wide=True))
    if details:
        blocks.append(Folded("Numbers and distributions of coverage", details))
    return Group(_named(group).capitalize(), blocks)


def _sentences(summary: pd.DataFrame) -> list[str]:
    """The summary of each type; types without annotations in one sentence."""
    is_absent = summary["Summary"].str.endswith(f": {NOT_ANNOTATED} in these proteins")
    annotated = summary[~is_absent]
    texts = annotated["Summary"].str.split(": ", n=1).str[1]
    sentences = [f"{shown_type(kind)}: {text}." for kind, text in zip(annotated["RegionType"], texts, strict=True)]
    absent = ", ".join(map(shown_type, summary.loc[is_absent, "RegionType"]))
    return [*sentences, f"Not annotated in these proteins: {absent}."] if absent else sentences


def _enrichment_table(table: pd.DataFrame, group: str) -> Table:
    table = table[(table["Against"] == RANDOM_SEGMENTS) & (table["Verdict"] != NOT_ANNOTATED)]
    differences = table[["DifferencePoints", "DifferencePointsLow", "DifferencePointsHigh"]]
    return table_of(
        f"Mean coverage of segments of {group}, in percent of residues, against random segments of the same proteins",
        {
            "Segments": text_cells(table["Selection"]),
            "Regions": text_cells(map(shown_type, table["RegionType"])),
            "Covered": [number_cell(value, ".1f") for value in table["CoveragePercent"]],
            "Expected": [number_cell(value, ".1f") for value in table["ExpectedPercent"]],
            "Difference, points": interval_cells(differences, "+z.1f"),
            "q": [number_cell(value, ".1e") for value in table["Q"]],
            "Verdict": text_cells(table["Verdict"]),
        },
    )


def _named(group: str) -> str:
    return f"pairs {GROUP_NAMES[group]}" if group in GROUP_NAMES else f"{group} pairs"


def _words_of(pair: str, coverage: pd.DataFrame) -> str:
    """A map in words: the pair's top segments."""
    of_pair = coverage[(coverage["Protein1"] + "-" + coverage["Protein2"] == pair) & (coverage["Selection"] == "Top")]
    top = ", ".join(of_pair.sort_values("Rank")["Token"])
    words = f"; top segments {top}" if top else ""
    return f"Map of {pair}: its segments shaded by importance, above annotated regions{words}"
