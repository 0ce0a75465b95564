"""Networks that score pairs of proteins: one architecture a file, one registry."""
