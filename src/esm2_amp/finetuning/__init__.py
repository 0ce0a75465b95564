"""Fine-tuning of an encoder's adapters on pairs, end to end, from sequences."""
