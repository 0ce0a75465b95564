"""Pipeline `pair_building`."""

from esm2_amp.pipelines.pair_building.pipeline import create_pipeline

__all__ = ["create_pipeline"]
