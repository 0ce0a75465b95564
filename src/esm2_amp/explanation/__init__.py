"""Which tokens of a pair a score rests on, by several methods, and how far these may be trusted (METHOD section 6)."""
