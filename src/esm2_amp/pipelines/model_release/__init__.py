"""Pipeline `model_release`."""

from esm2_amp.pipelines.model_release.pipeline import create_pipeline

__all__ = ["create_pipeline"]
