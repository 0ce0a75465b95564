"""Pipeline `report`."""

from esm2_amp.pipelines.report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
