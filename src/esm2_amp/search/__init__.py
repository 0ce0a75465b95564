"""Hyperparameter search: spaces, studies that survive their processes, and what is told of them."""
