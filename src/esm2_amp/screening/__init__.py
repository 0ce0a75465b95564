"""Screening: the scores of all pairs of a proteome, or of some queries with it, and what is kept of them."""
