"""Pipeline `screening`."""

from esm2_amp.pipelines.screening.pipeline import create_pipeline

__all__ = ["create_pipeline"]
