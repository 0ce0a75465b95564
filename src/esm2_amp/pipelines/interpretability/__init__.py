"""Pipeline `interpretability`."""

from esm2_amp.pipelines.interpretability.pipeline import create_pipeline, create_trust_pipeline

__all__ = ["create_pipeline", "create_trust_pipeline"]
