"""Pipeline `explanation`."""

from esm2_amp.pipelines.explanation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
