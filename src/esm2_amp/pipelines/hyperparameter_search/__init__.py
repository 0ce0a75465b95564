"""Pipeline `hyperparameter_search`."""

from esm2_amp.pipelines.hyperparameter_search.pipeline import create_pipeline

__all__ = ["create_pipeline"]
