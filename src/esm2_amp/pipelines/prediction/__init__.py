"""Pipeline `prediction`."""

from esm2_amp.pipelines.prediction.pipeline import create_pipeline

__all__ = ["create_pipeline"]
