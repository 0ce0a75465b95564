"""Nodes of `functional_regions`: do the segments that a model looks at lie in annotated regions?"""

import logging
from typing import Any

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.explanation.results import Explanations, importances
from esm2_amp.files import SourceTable, listed
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.parameters.model_training import EXPLAINED
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Charts, Figure, RegionFile

logger = logging.getLogger(__name__)


def select_segments(
    top_segments: SourceTable | None,
    low_segments: SourceTable | None,
    parameters: RegionParameters,
    *explanations: Explanations | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Top and low segments of each pair, ranked by importance or read from tables that take its place.

    Parameters
    ----------
    top_segments, low_segments : SourceTable, optional
        A user's tables.
    parameters : RegionParameters
    *explanations : dict of Explanation, optional
        Those of each explained model, in the order of `EXPLAINED`, then those on latents; None where there are none.

    Returns
    -------
    segments : DataFrame
        `esm2_amp.regions.segments.SEGMENT_COLUMNS`.
    importance : DataFrame
        The importance table that they were ranked by; empty where tables take its place.
    """
    from esm2_amp.regions.segments import SELECTIONS, keep_group, rank_segments, read_segments

    group = parameters.group
    if top_segments is None and low_segments is None:
        importance = _chosen_importance(parameters, explanations)
        segments = rank_segments(importance, parameters.ranks)
    elif top_segments is None or low_segments is None:
        raise InputError("Segments are read from two tables: give both top_segments=FILE and low_segments=FILE")
    else:
        importance = pd.DataFrame({"Protein1": [], "Protein2": []}, dtype="str")
        tables = dict(zip(SELECTIONS, (top_segments, low_segments), strict=True))
        _warn_of_other_decision(tables, group)
        segments = read_segments(tables, parameters.ranks, None if group == "all" else group)
    return keep_group(segments, group), importance


def _chosen_importance(parameters: RegionParameters, explanations: tuple[Explanations | None, ...]) -> pd.DataFrame:
    """The importance table of the model and method asked for."""
    tables = {
        f"{model}.{method}": table
        for model, found in zip(2 * EXPLAINED, explanations, strict=True)
        for method, table in importances(found or {}).items()
    }
    if not tables:
        raise InputError(
            "There are neither importances of a model nor tables of segments; run `kedro run "
            "--pipeline=interpretability` first, or give --params=top_segments=FILE,low_segments=FILE"
        )
    name = f"{parameters.explained_model}.{parameters.explained_by}"
    if name not in tables:
        raise InputError(f"explained_model.explained_by must be one of {', '.join(tables)}; got {name}")
    return tables[name]


def _warn_of_other_decision(tables: dict[str, SourceTable], group: str) -> None:
    for table in tables.values():
        if group != "all" and "Prediction" in table.frame and "Label" not in table.frame:
            decision = table.frame["Prediction"]
            other = decision[~decision.str.strip().isin(["", group[-1]])]
            if len(other):
                logger.warning(
                    "%s row %s: Prediction is %s, but the group is said to be %s (label-decision)",
                    table.file, other.index[0], other.iloc[0], group,
                )  # fmt: skip


def place_annotations(
    region_file: RegionFile | None,
    segments: pd.DataFrame,
    proteins: pd.DataFrame | None,
    proteins_raw: SourceTable | None,
    parameters: RegionParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Read the annotations of the pairs' proteins and set them against the sequences.

    Parameters
    ----------
    region_file : RegionFile
    segments : DataFrame
        Of `select_segments`.
    proteins : DataFrame, optional
        `Entry` and `Sequence`.
    proteins_raw : SourceTable, optional
        The same as a user's file has them. Without either, lengths are the annotations'.
    parameters : RegionParameters

    Returns
    -------
    segments : DataFrame
        Of the pairs that are kept.
    regions, proteins : DataFrame
        Of `PlacedRegions`; only regions of the types looked at.
    report : dict
        Counts, and `types`, the types looked at.
    problems : DataFrame
        Of `PlacedRegions`.
    """
    from esm2_amp.regions.placing import PlacedRegions, place_regions, protein_lengths, report_of
    from esm2_amp.regions.types import chosen_types
    from esm2_amp.validation.proteins import clean_proteins

    if region_file is None:
        raise InputError("Segments are looked up in annotated regions, but none are given; give --params=regions=FILE")
    if proteins_raw is not None:
        proteins = clean_proteins(proteins_raw).proteins
    sequences = {} if proteins is None else dict(zip(proteins["Entry"], proteins["Sequence"].str.len(), strict=True))
    entries = sorted({*segments["Protein1"], *segments["Protein2"]})
    logger.info("Looking up %s proteins in %s", f"{len(entries):,}", region_file.path.name)
    annotations = region_file.read(entries)
    if not annotations.entries.intersection(entries):
        raise InputError(
            f"{annotations.file} must have annotations of the pairs' proteins, but has none of these "
            f"{len(entries):,}, such as {', '.join(entries[:3])}; give theirs by --params=regions=FILE"
        )
    lengths, mismatched = protein_lengths(annotations, entries, sequences, parameters.length_mismatch)
    regions, problems = place_regions(annotations, lengths)
    types = chosen_types(parameters.types, annotations.regions["Source"].unique(), set(annotations.regions["Type"]))
    annotated = set(regions.loc[regions["Type"].isin(types), "Entry"])
    table = pd.DataFrame({"Entry": list(lengths), "Length": list(lengths.values())})
    table["Annotated"] = table["Entry"].isin(annotated)
    extra = [(annotations.file, 0, entry, words) for entry, words in mismatched]
    problems = pd.concat([problems, pd.DataFrame(extra, columns=problems.columns)]) if extra else problems
    if len(problems) and parameters.malformed == "stop":
        where = problems["File"] + " row " + problems["Row"].astype("str") + ": " + problems["Entry"]
        raise listed(annotations.file, (where + ": " + problems["Problem"]).tolist())
    report = report_of(annotations, PlacedRegions(regions, table, problems), entries) | {"types": types}
    kept = _without(segments, table, parameters)
    report["pairs"] = int(segments.groupby("Selection")["Pair"].nunique().max())
    report["pairs_left_out"] = report["pairs"] - int(kept.groupby("Selection")["Pair"].nunique().max())
    _tell(report, parameters)
    return kept, regions[regions["Type"].isin(types)].reset_index(drop=True), table, report, problems


def _without(segments: pd.DataFrame, proteins: pd.DataFrame, parameters: RegionParameters) -> pd.DataFrame:
    """Segments of pairs whose proteins are both wanted."""
    wanted = proteins["Entry"] if parameters.unannotated == "count" else proteins.loc[proteins["Annotated"], "Entry"]
    kept = segments[segments["Protein1"].isin(wanted) & segments["Protein2"].isin(wanted)]
    if kept.empty:
        raise InputError(
            "No pair is left: each has a protein without annotation, or with another length than its annotation says; "
            "check that the regions are of these proteins, or set functional_regions.unannotated=count"
        )
    return kept.reset_index(drop=True)


def _tell(report: dict[str, Any], parameters: RegionParameters) -> None:
    logger.info(
        "%s regions from a %s; types %s", f"{report['regions']:,}", report["layout"], ", ".join(report["types"])
    )
    if report["proteins_without_annotation"]:
        done = "count as covered 0" if parameters.unannotated == "count" else "are left out, with their pairs"
        logger.info("%s of %s proteins have none and %s", f"{report['proteins_without_annotation']:,}",
                    f"{report['proteins']:,}", done)  # fmt: skip
    if report["problems"]:
        logger.warning("%s entries can't be used; see the table of problems", f"{report['problems']:,}")
    if report["regions_of_isoforms"]:
        logger.info("%s regions are of isoforms, not of these sequences", f"{report['regions_of_isoforms']:,}")


def measure_coverage(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    parameters: RegionParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure how much of each ranked segment lies in annotated regions, and how often that is enough for a hit.

    Coverage is the percentage of a segment's residues; a hit is a segment covered up to a threshold or more.
    """
    from esm2_amp.regions.coverage import coverage_table, measure
    from esm2_amp.regions.hit_rates import hit_rates

    measured = measure(regions, proteins, report)
    return coverage_table(segments, measured), hit_rates(segments, measured, parameters.thresholds)


def measure_enrichment(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    parameters: RegionParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Test whether important segments lie in annotated regions more often than chance has it, and say so in words.

    Chance is what other segments of the same proteins give, and regions moved along them; q-values account for the
    number of tests.

    Returns
    -------
    table : DataFrame
        Of `enrichment`.
    summary : DataFrame
        Of `summarise`.
    """
    from esm2_amp.regions.coverage import measure
    from esm2_amp.regions.enrichment import DEPLETED, ENRICHED, enrichment
    from esm2_amp.regions.summary import summarise

    table = enrichment(
        segments,
        measure(regions, proteins, report),
        permutations=parameters.permutations,
        replicates=parameters.replicates,
        level=parameters.level,
        seed=run.seed,
    )
    summary = summarise(table)
    annotated = table[table["p"].notna()]
    is_told = annotated["verdict"].isin([ENRICHED, DEPLETED])
    told, other = (part[["group", "region_type"]].drop_duplicates() for part in (annotated[is_told], annotated))
    for line in told.merge(summary)["summary"]:
        logger.info("%s", line)
    if len(other) > len(told):
        logger.info("%d other groups and types of region: no different from chance", len(other) - len(told))
    return table, summary


def write_workbook(
    rates: pd.DataFrame,
    table: pd.DataFrame,
    summary: pd.DataFrame,
    segments: pd.DataFrame,
    proteins: pd.DataFrame,
    problems: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Put all tables into one Excel workbook: hit rates of top beside low segments, a sheet for each group of pairs."""
    from esm2_amp.regions.hit_rates import side_by_side

    sheets = {f"Hit rates {group}": side_by_side(part) for group, part in rates.groupby("group")}
    others = {"Enrichment": table, "In words": summary, "Segments": segments, "Proteins": proteins}
    return sheets | others | ({"Problems": problems} if len(problems) else {})


def draw_groups(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    table: pd.DataFrame,
    parameters: RegionParameters,
) -> Charts:
    """Draw for each group of pairs how far its segments are covered by regions, and how far chance explains it."""
    from esm2_amp.regions.charts import group_charts

    return group_charts(segments, regions, proteins, report, table, parameters)


def draw_pairs(
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    importance: pd.DataFrame,
    parameters: RegionParameters,
) -> dict[str, Figure]:
    """Draw a map of each chosen pair: both proteins to scale, their annotated regions, and the segments' importance."""
    from esm2_amp.regions.charts import pair_maps

    return pair_maps(segments, regions, proteins, report, importance, parameters)
