"""Pipeline `pair_evaluation`."""

from esm2_amp.pipelines.pair_evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
