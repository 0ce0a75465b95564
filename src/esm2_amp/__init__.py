"""ESM2_AMP: protein-protein interactions from sequence, and why a model says so."""

__version__ = "0.1.0"
