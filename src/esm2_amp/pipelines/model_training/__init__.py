"""Pipeline `model_training`."""

from esm2_amp.pipelines.model_training.pipeline import create_pipeline, create_refit_pipeline

__all__ = ["create_pipeline", "create_refit_pipeline"]
