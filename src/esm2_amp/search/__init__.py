"""Hyperparameter search: studies that outlive their processes, and reports of them."""
