"""Pipeline `latent_explanation`."""

from esm2_amp.pipelines.latent_explanation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
