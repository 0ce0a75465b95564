"""Predictions of pair files of any length: pairs are checked, scored and written some rows at a time."""
