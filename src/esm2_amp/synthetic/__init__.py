"""Synthetic interactomes whose truth is known."""
