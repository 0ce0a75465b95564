"""Splits of pairs, and how much of a pair was seen in training."""
