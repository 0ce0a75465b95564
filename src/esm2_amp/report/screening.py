"""The chapter on a screen: its strongest candidates, the partners of each query, and how far to trust them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from esm2_amp.models.unlikeness import SPREAD, UNLIKENESS
from esm2_amp.report.parts import (
    Block,
    Cell,
    Facts,
    Gallery,
    Group,
    Paragraph,
    Section,
    Table,
    interval_cells,
    number_cells,
    picture_of,
    protein_cells,
    table_of,
    text_cells,
)
from esm2_amp.screening.known import DEGREE, SCREEN

_SHOWN_CANDIDATES: Final = 50
_SHOWN_PARTNERS: Final = 10
_SHOWN_QUERIES: Final = 20
_FIGURES: Final = {
    "score_distributions": "Distribution of the scores of all pairs, and of each query where any are given",
    "known_pairs": "Share of known pairs found among the highest scores, against node degree and chance",
    "network": "Network of the strongest candidates, proteins joined where the score is highest",
}
_SURENESS: Final = {SPREAD: ".3f", UNLIKENESS: ".1f"}
_RANKINGS: Final = {SCREEN: "this screen", DEGREE: "number of known partners"}


def screening_chapter(
    candidates: pd.DataFrame,
    partners: Mapping[str, pd.DataFrame],
    known_metrics: pd.DataFrame,
    summary: Mapping[str, Any],
    plots: Mapping[str, Any],
    data_name: str,
) -> Section:
    """Show what a screen found, and how far to trust it.

    Parameters
    ----------
    candidates : DataFrame
        Of `esm2_amp.pipelines.screening.nodes.list_candidates`, or the first of them.
    partners : mapping of DataFrame
        The partners of each query.
    known_metrics : DataFrame
        Of `esm2_amp.pipelines.screening.nodes.measure_screen`.
    summary : mapping
        Of `measure_screen`.
    plots : mapping of PNGs
        Figures of the screen.
    data_name : str
        What the proteins are called.
    """
    blocks: list[Block] = [
        Paragraph(_introduction(summary, data_name)),
        Facts(_facts(summary)),
        _candidate_table(candidates),
        *_of_queries(partners),
        *_known(known_metrics),
    ]
    pictures = [picture_of(plots[name], words) for name, words in _FIGURES.items() if name in plots]
    if pictures:
        blocks.append(Group("Scores and network", [Gallery(pictures, is_wide=True)]))
    return Section("screening", f"Screen of {data_name}", blocks, summary["cautions"])


def _introduction(summary: Mapping[str, Any], data_name: str) -> str:
    queries = summary["queries"]
    of = "all pairs" if queries == "all" else f"the pairs of {queries:,} {'query' if queries == 1 else 'queries'}"
    return (
        f"{summary['model']}, trained on {summary['trained_on']}, scored {of} of {summary['proteins']:,} proteins of "
        f"{data_name}, {summary['pairs']:,} in all. A score alone misleads, since some proteins score high with "
        "everything: beside it stand its rank among the scores of each partner, 1 being the best, and the share of "
        "these scores that are higher."
    )


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("Candidates", f"{summary['candidates']:,} in candidates.parquet, the first million in candidates.csv"),
        ("From the threshold on", f"{summary['pairs_above_threshold']:,} pairs (probability {summary['threshold']:g})"),
    ]
    facts.append(("Scored in", summary["precision"]))
    if summary["known_pairs"]:
        words = (
            f"{summary['known_pairs']:,} given, {summary['known_pairs_screened']:,} looked for; of "
            f"{summary['known_pairs_of_training']:,} the model was trained on both proteins"
        )
        facts.append(("Known pairs", words))
    return facts


def _candidate_table(candidates: pd.DataFrame) -> Table:
    first = candidates[:_SHOWN_CANDIDATES]
    columns: dict[str, list[Cell]] = {"Place": number_cells(range(1, len(first) + 1), "d")}
    columns |= {name: protein_cells(first[name], {}) for name in ("Protein1", "Protein2")}
    columns |= _score_columns(first)
    for side in (1, 2):
        columns[f"Rank for {side}"] = _whole(first[f"Rank{side}"])
        columns[f"Above for {side}"] = number_cells(first[f"Above{side}"].astype(float), ".2%")
    return table_of(f"The {len(first)} strongest candidates", columns | _marks(first))


def _of_queries(partners: Mapping[str, pd.DataFrame]) -> Iterator[Block]:
    tables: list[Block] = []
    for query, table in list(partners.items())[:_SHOWN_QUERIES]:
        first = table[:_SHOWN_PARTNERS]
        columns: dict[str, list[Cell]] = {"Rank": _whole(first["Rank"]), "Partner": protein_cells(first["Partner"], {})}
        columns |= _score_columns(first)
        columns["Rank of the query among the partner's scores"] = _whole(first["RankOfQuery"])
        columns["Of these above"] = number_cells(first["AboveOfQuery"].astype(float), ".1%")
        tables.append(table_of(f"The {len(first)} best partners of {query}", columns | _marks(first)))
    if tables:
        yield Group("Partners of each query", tables)
    if (others := len(partners) - _SHOWN_QUERIES) > 0:
        yield Paragraph(f"{others:,} more queries have a table each in the folder partners.")


def _score_columns(table: pd.DataFrame) -> dict[str, list[Cell]]:
    columns = {"Logit": number_cells(table["Logit"], "z.3f"), "Probability": number_cells(table["Probability"], ".4f")}
    if table["CalibratedProbability"].notna().any():
        columns["Calibrated"] = number_cells(table["CalibratedProbability"], ".4f")
    columns |= {name: number_cells(table[name], style) for name, style in _SURENESS.items() if name in table}
    return columns


def _marks(table: pd.DataFrame) -> dict[str, list[Cell]]:
    """Whether pairs are known, and how many of their proteins the model was trained on, where any of it is."""
    marks: dict[str, list[Cell]] = {}
    if table["Known"].any():
        marks["Known"] = text_cells(table["Known"].map({True: "yes", False: ""}))
    if table["InTraining"].notna().any():
        marks["Seen in training"] = _whole(table["InTraining"])
    return marks


def _whole(values: pd.Series) -> list[Cell]:
    return number_cells((None if pd.isna(value) else int(value) for value in values), ",d")


def _known(metrics: pd.DataFrame) -> Iterator[Block]:
    if metrics.empty:
        return
    columns = {
        "Pairs ranked by": text_cells(metrics["Ranking"].map(_RANKINGS).fillna(metrics["Ranking"])),
        "Among the top": _whole(metrics["Top"]),
        "of": _whole(metrics["Pairs"]),
        "Known pairs found": number_cells(metrics["Found"].astype(float), ",.0f"),
        "Recall": interval_cells(metrics[["Recall", "RecallLow", "RecallHigh"]], ".3f"),
        "Times chance": interval_cells(metrics[["Enrichment", "EnrichmentLow", "EnrichmentHigh"]], ".2f"),
        "Precision": number_cells(metrics["Precision"], ".2%"),
    }
    words = (
        "Pairs that aren't known may interact all the same: precision counts them as wrong. Ranking pairs by how many "
        "known partners their proteins have finds known pairs without looking at a sequence; a screen should do better."
    )
    yield Group("Are known pairs found?", [table_of("Known pairs among the highest scores", columns), Paragraph(words)])
