"""Nodes of `functional_regions`: do the segments that a model looks at lie in annotated regions?"""

import logging
from typing import Any

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.explanation.results import Explanations, importances
from esm2_amp.files import SourceTable
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.parameters.model_training import EXPLAINED
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Charts, Figure, RegionFile

logger = logging.getLogger(__name__)


def select_segments(
    top_segments: SourceTable | None,
    low_segments: SourceTable | None,
    parameters: RegionParameters,
    *found: Any | None,
) -> tuple[pd.DataFrame, pd.DataFrame, RegionParameters, dict[str, str]]:
    """Rank the segments of each pair by importance, or read them from a user's tables.

    Parameters
    ----------
    top_segments, low_segments : SourceTable, optional
        The most and the least important segments as a user's tables have them; both or neither.
    parameters : RegionParameters
        The model and method whose importances are ranked, how many ranks there are, and the group of pairs.
    *found : dict of Explanation, or DataFrame, optional
        Of each model in the order of `EXPLAINED`: its explanations, those on latents, `planted_truth`, `faithfulness`;
        None where there is none.

    Returns
    -------
    segments : DataFrame
        The table of `rank_segments`, of the chosen group of pairs.
    importance : DataFrame
        The importance table that the segments were ranked by; empty where they were read.
    parameters : RegionParameters
        With the method that was chosen where they leave it to the run.
    method : dict
        The `model` and `method` that the segments are of, and `why` that method; empty where they were read.

    Raises
    ------
    InputError
        There are neither importances nor tables, or only one table, or the group has no pairs.
    """
    from esm2_amp.regions.segments import SELECTIONS, keep_group, rank_segments, read_segments

    group = parameters.group
    method: dict[str, str] = {}
    if top_segments is None and low_segments is None:
        parameters, method, importance = _chosen_importance(parameters, found)
        segments = rank_segments(importance, parameters.ranks)
    elif top_segments is None or low_segments is None:
        raise InputError("Segments are read from two tables: give both top_segments=FILE and low_segments=FILE")
    else:
        importance = pd.DataFrame({"Protein1": [], "Protein2": []}, dtype="str")
        tables = dict(zip(SELECTIONS, (top_segments, low_segments), strict=True))
        _warn_of_other_decision(tables, group)
        segments = read_segments(tables, parameters.ranks, None if group == "all" else group)
    return keep_group(segments, group), importance, parameters, method


def _chosen_importance(
    parameters: RegionParameters, found: tuple[Any | None, ...]
) -> tuple[RegionParameters, dict[str, str], pd.DataFrame]:
    """The importance table of the chosen model and method, and why it is this method."""
    from esm2_amp.explanation.choice import AUTO, Choice, best_method

    number = len(EXPLAINED)
    explanations: tuple[Explanations | None, ...] = found[: 2 * number]
    measured = zip(*(found[start : start + number] for start in (2 * number, 3 * number)), strict=True)
    of_model = dict(zip(EXPLAINED, measured, strict=False))
    tables = {
        f"{model}.{method}": table
        for model, explained in zip(2 * EXPLAINED, explanations, strict=True)
        for method, table in importances(explained or {}).items()
    }
    if not tables:
        raise InputError(
            "There are neither importances of a model nor tables of segments; run `kedro run "
            "--pipeline=interpretability` first, or give --params=top_segments=FILE,low_segments=FILE"
        )
    model, choice = parameters.explained_model, Choice(parameters.explained_by, "it was asked for")
    if choice.method == AUTO and model in {name.split(".")[0] for name in tables}:
        methods = [method for owner, method in (name.split(".") for name in tables) if owner == model]
        choice = best_method(methods, *of_model.get(model, (None, None)))
    name = f"{model}.{choice.method}"
    if name not in tables:
        raise InputError(f"explained_model.explained_by must be one of {', '.join(tables)}; got {name}")
    logger.info("Segments of %s are ranked by %s: %s", model, choice.method, choice.why)
    method = {"model": model, "method": choice.method, "why": choice.why}
    return parameters.model_copy(update={"explained_by": choice.method}), method, tables[name]


def _warn_of_other_decision(tables: dict[str, SourceTable], group: str) -> None:
    """Log the first decision that contradicts the group, of tables that have decisions but no labels."""
    for table in tables.values():
        if group != "all" and "Prediction" in table.frame and "Label" not in table.frame:
            decision = table.frame["Prediction"]
            contradicting = decision[~decision.str.strip().isin(["", group[-1]])]
            if len(contradicting):
                logger.warning(
                    "%s row %s: Prediction is %s, but the group given is %s (label-decision)",
                    table.file, contradicting.index[0], contradicting.iloc[0], group,
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
        The annotations.
    segments : DataFrame
        The table of `select_segments`.
    proteins : DataFrame, optional
        `Entry` and `Sequence`, as an earlier pipeline wrote them.
    proteins_raw : SourceTable, optional
        The same as a user's file has them, to be used instead. Without either, lengths are the annotations'.
    parameters : RegionParameters
        Which types count, and what happens to proteins and regions that don't fit.

    Returns
    -------
    segments : DataFrame
        Segments of the pairs that are kept.
    regions, proteins : DataFrame
        The tables of `PlacedRegions`.
    report : dict
        The report of `PlacedRegions`, with the numbers of pairs and of those left out.
    problems : DataFrame
        The table of `PlacedRegions`.

    Raises
    ------
    InputError
        The annotations or the sequences are not those of the pairs' proteins.
    """
    from esm2_amp.names import match_names, protein_name
    from esm2_amp.regions.placing import place
    from esm2_amp.validation.proteins import clean_proteins

    if region_file is None:
        raise InputError("Segments are looked up in annotated regions, but none are given; give --params=regions=FILE")
    if proteins_raw is not None:
        proteins = clean_proteins(proteins_raw).proteins
    lengths: dict[str, int] = {}
    entries = sorted({*segments["Protein1"], *segments["Protein2"]})
    if proteins is not None:
        lengths = dict(zip(proteins["Entry"].map(protein_name), proteins["Sequence"].str.len(), strict=True))
        lengths |= {
            name: lengths[protein_name(entry)] for name, entry in match_names(entries, proteins["Entry"]).items()
        }
    logger.info("Looking up %s proteins in %s", f"{len(entries):,}", region_file.path.name)
    placed = place(region_file.read(entries), entries, lengths, parameters)
    kept = _segments_of_kept_pairs(segments, placed.proteins, parameters)
    before, after = (int(table.groupby("Selection")["Pair"].nunique().max()) for table in (segments, kept))
    report = placed.report | {"pairs": before, "pairs_left_out": before - after}
    _log_annotations(report, parameters)
    return kept, placed.regions, _named(placed.proteins, proteins), report, placed.problems


def _named(placed: pd.DataFrame, proteins: pd.DataFrame | None) -> pd.DataFrame:
    """Proteins with their names, where the file of sequences has any."""
    if proteins is None or "Name" not in proteins:
        return placed
    return placed.assign(
        Name=placed["Entry"].map(dict(zip(proteins["Entry"], proteins["Name"], strict=True))).fillna("")
    )


def _segments_of_kept_pairs(
    segments: pd.DataFrame, proteins: pd.DataFrame, parameters: RegionParameters
) -> pd.DataFrame:
    """Segments of the pairs of which both proteins are kept."""
    wanted = proteins["Entry"] if parameters.unannotated == "count" else proteins.loc[proteins["Annotated"], "Entry"]
    kept = segments[segments["Protein1"].isin(wanted) & segments["Protein2"].isin(wanted)]
    if kept.empty:
        raise InputError(
            "No pair is left: each has a protein without annotation, or with another length than its annotation says; "
            "check that the regions are of these proteins, or set functional_regions.unannotated=count"
        )
    return kept.reset_index(drop=True)


def _log_annotations(report: dict[str, Any], parameters: RegionParameters) -> None:
    """Log what was found, what doesn't count and what can't be used."""
    types = ", ".join(report["types"])
    logger.info("%s regions (%s) in %s (%s)", f"{report['regions']:,}", types, report["file"], report["layout"])
    if others := report["regions_of_other_types"]:
        counts = ", ".join(f"{number:,} {kind}" for kind, number in others.items())
        logger.info("Regions of other types don't count: %s", counts)
    if number := report["proteins_without_annotation"]:
        done = "count as covered 0" if parameters.unannotated == "count" else "are left out, with their pairs"
        logger.info("%s of %s proteins have no region that counts (%s are not in the file) and %s",
                    f"{number:,}", f"{report['proteins']:,}", f"{report['proteins_not_in_file']:,}", done)  # fmt: skip
    if matched := report["names_matched"]:
        in_file, name = next(iter(matched.items()))
        logger.info("%s proteins are named otherwise in the annotations and were matched, such as %s to %s",
                    f"{len(matched):,}", in_file, name)  # fmt: skip
    if similar := report["similar_names"]:
        name, in_file = next(iter(similar.items()))
        logger.warning("%s of %s proteins are not in the annotations, which have similar names: the pairs name %s, the "
                       "file %s", f"{len(similar):,}", f"{report['proteins']:,}", name, in_file)  # fmt: skip
    if report["problems"]:
        logger.warning("%s annotations can't be used; the table of problems says why", f"{report['problems']:,}")
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

    Parameters
    ----------
    segments : DataFrame
        Ranked segments of the pairs that are kept.
    regions : DataFrame
        Annotated regions of the types that count.
    proteins : DataFrame
        `Entry` and `Length` of the proteins.
    report : dict
        The report of `place_annotations`.
    parameters : RegionParameters
        The thresholds: coverages, in percent of a segment's residues, from which a segment is a hit.

    Returns
    -------
    coverage : DataFrame
        The table of `coverage_table`.
    rates : DataFrame
        The table of `hit_rates`.
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
    """Test whether important segments lie in annotated regions more often than by chance, and put it into words.

    Parameters
    ----------
    segments : DataFrame
        Ranked segments of the pairs that are kept.
    regions : DataFrame
        Annotated regions of the types that count.
    proteins : DataFrame
        `Entry` and `Length` of the proteins.
    report : dict
        The report of `place_annotations`.
    parameters : RegionParameters
        How many draws are made, and up to which q-value a difference is called.
    run : RunParameters
        The seed of the draws.

    Returns
    -------
    table : DataFrame
        The table of `enrichment`.
    summary : DataFrame
        The table of `summarise`.
    """
    from esm2_amp.regions.chance import DEPLETED, ENRICHED
    from esm2_amp.regions.coverage import measure
    from esm2_amp.regions.enrichment import enrichment
    from esm2_amp.regions.segments import by_size
    from esm2_amp.regions.summary import summarise

    large, small = by_size(segments, parameters.fewest_pairs)
    table = enrichment(
        large,
        measure(regions, proteins, report),
        permutations=parameters.permutations,
        replicates=parameters.replicates,
        level=parameters.level,
        seed=run.seed,
    )
    summary = summarise(table, small, parameters.fewest_pairs)
    annotated = table[table["P"].notna()]
    called = annotated[annotated["Verdict"].isin([ENRICHED, DEPLETED])]
    compared, different = (part[["Group", "RegionType"]].drop_duplicates() for part in (annotated, called))
    for line in different.merge(summary)["Summary"]:
        logger.info("%s", line)
    if others := len(compared) - len(different):
        logger.info("%d other groups and types of region: no different from chance", others)
    for line in summary.loc[summary["Group"].isin(small.index), "Summary"]:
        logger.info("%s", line)
    return table, summary


def write_workbook(
    rates: pd.DataFrame,
    table: pd.DataFrame,
    summary: pd.DataFrame,
    segments: pd.DataFrame,
    proteins: pd.DataFrame,
    problems: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Put all tables into one Excel workbook.

    Parameters
    ----------
    rates : DataFrame
        The table of `hit_rates`; each group of pairs has a sheet, with top beside low segments.
    table : DataFrame
        The table of `enrichment`.
    summary : DataFrame
        The table of `summarise`.
    segments : DataFrame
        The table of `coverage_table`.
    proteins : DataFrame
        The proteins.
    problems : DataFrame
        Annotations that can't be used; they have a sheet where there are any.

    Returns
    -------
    sheets : dict of DataFrame
        By the name of the sheet.
    """
    from esm2_amp.regions.hit_rates import side_by_side
    from esm2_amp.regions.segments import SHEET_NAMES

    sheets = {
        f"Hit rates, {SHEET_NAMES.get(str(group), group)}": side_by_side(part) for group, part in rates.groupby("Group")
    }
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
    """Draw the charts of `group_charts`, which takes the same parameters."""
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
    """Draw the maps of `pair_maps`, which takes the same parameters."""
    from esm2_amp.explanation.methods import METHODS
    from esm2_amp.regions.charts import pair_maps

    method = METHODS.get(parameters.explained_by)
    shown = (method.name, method.unit) if method and len(importance) else ("", "")
    return pair_maps(segments, regions, proteins, report, importance, parameters, shown)
