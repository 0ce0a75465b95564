"""How well scored pairs agree with their labels: numbers, curves and figures."""
