"""ESM-2: sequences to tokens, hidden states, and the 13 vectors of a protein."""
