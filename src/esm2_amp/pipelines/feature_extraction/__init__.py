"""Pipeline `feature_extraction`."""

from esm2_amp.pipelines.feature_extraction.pipeline import create_export_pipeline, create_pipeline

__all__ = ["create_export_pipeline", "create_pipeline"]
