"""Colours and words that interactive plots and printed figures share."""

from typing import Final

COLOURS: Final = ("#0072B2", "#D55E00", "#2FA2AF", "#AA3DFA", "#C01E64", "#DA7860", "#000000")
"""Okabe and Ito's blue and vermilion, and colours as distinct from them and from each other in red-green blindness.

All but the last have a contrast of at least 3 both on white and on the dark page of the report.
"""
MAIN, ACCENT = COLOURS[:2]
GREY: Final = "#777777"

ONE_CLASS: Final = "undefined: all pairs are of one class"
DECISIONS: Final = ("no interaction", "interaction")

COMPARED_METRICS: Final = ("Accuracy", "MCC", "AUROC", "AUPR")
"""Metrics shown where models are compared."""
