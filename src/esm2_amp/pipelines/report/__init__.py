"""Pipeline `report`."""

from esm2_amp.pipelines.report.pipeline import OPTIONAL, create_pipeline

__all__ = ["OPTIONAL", "create_pipeline"]
