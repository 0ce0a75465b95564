"""Annotated regions of proteins, and how far the segments a model looks at lie in them."""
