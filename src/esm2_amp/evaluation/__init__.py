"""Evaluation of models: assessment, baselines, strata, figures."""
