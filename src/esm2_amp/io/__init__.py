"""Kedro datasets: the files that users bring and that runs leave. Nothing else in the package opens a file."""
