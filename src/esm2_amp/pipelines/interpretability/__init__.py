"""Pipeline `interpretability`."""
