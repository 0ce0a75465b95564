"""Pipeline `encoder_pretraining`."""

from esm2_amp.pipelines.encoder_pretraining.pipeline import create_pipeline

__all__ = ["create_pipeline"]
