"""Pipeline `functional_regions`."""

from esm2_amp.pipelines.functional_regions.pipeline import create_pipeline

__all__ = ["create_pipeline"]
