"""Names of columns in the tables that a run writes for people."""

import re
from typing import Final

import pandas as pd

ABBREVIATIONS: Final = ("AUROC", "AUPR", "MCC", "ECE", "MSE")
"""Words that stay in capitals."""

_IN_CAPITALS: Final = {word.lower(): word for word in ABBREVIATIONS}


def column_name(measure: str) -> str:
    """The column of a measure: words without anything between them, each with a capital; abbreviations in capitals.

    Parameters
    ----------
    measure : str
        Name of the measure as JSON has it, in lower case with underscores.

    Examples
    --------
    >>> column_name("validation_auroc"), column_name("precision_at_1_100"), column_name("f1")
    ('ValidationAUROC', 'PrecisionAt1To100', 'F1')
    """
    words = re.sub(r"(\d)_(\d)", r"\1_to_\2", measure).split("_")
    return "".join(_IN_CAPITALS.get(word, word.capitalize()) for word in words)


def with_column_names(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose columns are measures, with the names that its file has."""
    return table.rename(columns=column_name)
