"""Wiring of `screening`: features of proteins and queries, the screen, and what it found."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.feature_extraction.nodes import check_proteins, extract_features
from esm2_amp.pipelines.screening.nodes import (
    add_queries,
    clean_known_pairs,
    draw_screen,
    list_candidates,
    measure_screen,
    report_screen,
    screen_pairs,
)


def create_pipeline() -> Pipeline:
    """Proteins, perhaps queries and known pairs, and a model → candidates, and how good they are."""
    return Pipeline(
        [*_features(), *_screen()],
        namespace="screening",
        tags="screening",
        inputs={"encoder", "stored_features", "published_features"},
        parameters={f"params:{group}": f"params:{group}" for group in ("feature_extraction", "screening", "run")},
    )


def _features() -> list[Node]:
    return [
        Node(
            check_proteins,
            inputs=["proteins_raw", "params:feature_extraction"],
            outputs=["proteome", "proteins_report", "dropped_proteins"],
            name="clean_proteins",
        ),
        Node(
            add_queries,
            inputs=["queries_raw", "proteome", "dropped_proteins", "params:feature_extraction"],
            outputs=["proteins", "queries"],
            name="add_queries",
        ),
        Node(
            clean_known_pairs,
            inputs=["known_pairs_raw", "proteins", "dropped_proteins"],
            outputs=["known_pairs", "known_pairs_report"],
            name="clean_known_pairs",
        ),
        Node(
            extract_features,
            inputs=[
                "proteins",
                "encoder",
                "stored_features",
                "published_features",
                "params:feature_extraction",
                "params:run",
            ],
            outputs="protein_features",
            name="extract_features",
        ),
    ]


def _screen() -> list[Node]:
    return [
        Node(
            screen_pairs,
            inputs=["protein_features", "queries", "known_pairs", "model", "state", "params:screening", "params:run"],
            outputs="screened",
            name="screen_pairs",
        ),
        Node(
            list_candidates,
            inputs=["screened", "model", "params:screening"],
            outputs=["candidates", "candidates_csv", "partners", "protein_scores", "network", "network_sif"],
            name="list_candidates",
        ),
        Node(
            measure_screen,
            inputs=["screened", "candidates", "model", "params:screening"],
            outputs=["score_distributions", "known_metrics", "known_curves", "summary"],
            name="measure_screen",
        ),
        Node(
            draw_screen,
            inputs=["score_distributions", "known_curves", "network", "params:run"],
            outputs="plots",
            name="draw_screen",
        ),
        Node(
            report_screen,
            inputs=["candidates", "partners", "known_metrics", "summary", "plots", "params:screening"],
            outputs="report",
            name="report_screen",
        ),
    ]
