"""Colours and words that interactive plots and printed figures share."""

from typing import Final

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette without its yellow: colours that are distinct in every common form of colour blindness."""
MAIN, ACCENT = COLOURS[:2]
GREY: Final = "#777777"

ONE_CLASS: Final = "undefined: all pairs are of one class"
DECISIONS: Final = ("no interaction", "interaction")

METRIC_NAMES: Final = {"accuracy": "Accuracy", "mcc": "MCC", "auroc": "AUROC", "aupr": "AUPR"}
"""Metrics shown where models are compared."""
