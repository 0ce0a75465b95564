"""Wiring of `feature_extraction`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.feature_extraction.nodes import check_proteins, export_features, extract_features


def create_pipeline(embedded: str = "proteins") -> Pipeline:
    """Raw proteins → clean proteins → feature store.

    Parameters
    ----------
    embedded : str
        The table of the proteins that are embedded; all clean ones by default.
    """
    return Pipeline(
        [
            Node(
                check_proteins,
                inputs=["proteins_raw", "params:feature_extraction"],
                outputs=["proteins", "proteins_report", "dropped_proteins"],
                name="clean_proteins",
            ),
            Node(
                extract_features,
                inputs=[
                    embedded,
                    "encoder",
                    "stored_features",
                    "published_features",
                    "params:feature_extraction",
                    "params:run",
                ],
                outputs="protein_features",
                name="extract_features",
            ),
        ],
        tags="feature_extraction",
    )


def create_export_pipeline() -> Pipeline:
    """Feature store → one HDF5 file in the published layout."""
    return Pipeline(
        [Node(export_features, inputs="protein_features", outputs="exported_features", name="export_features")],
        tags="feature_export",
    )
