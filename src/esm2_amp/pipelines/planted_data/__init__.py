"""Pipeline `planted_data`."""

from esm2_amp.pipelines.planted_data.pipeline import create_pipeline

__all__ = ["create_pipeline"]
