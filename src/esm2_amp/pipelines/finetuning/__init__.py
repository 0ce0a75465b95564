"""Pipeline `finetuning`."""

from esm2_amp.pipelines.finetuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
