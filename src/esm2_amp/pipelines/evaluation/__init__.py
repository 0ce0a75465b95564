"""Pipeline `evaluation`."""

from esm2_amp.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
