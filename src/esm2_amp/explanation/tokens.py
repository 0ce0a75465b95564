"""The tokens of a pair by name, and the table of their importance that every method of explanation fills."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from esm2_amp.protein import pair_token_names


def importance_table(pairs: pd.DataFrame, importance: ArrayLike, protein_tokens: slice) -> pd.DataFrame:
    """Importances beside the pairs they belong to.

    Parameters
    ----------
    pairs : DataFrame, B rows
        The explained pairs.
    importance : array_like, shape (B, T)
    protein_tokens : slice

    Returns
    -------
    table : DataFrame, B rows
        The columns of `pairs` but for the row numbers `a` and `b`, then a column per token.
    """
    values = pd.DataFrame(np.asarray(importance), index=pairs.index, columns=pair_token_names(protein_tokens))
    return pairs.drop(columns=["a", "b"], errors="ignore").join(values)


def token_table(names: Sequence[str], importance: ArrayLike) -> pd.DataFrame:
    """T tokens and their importances (T,) as columns `Token` and `Importance`, largest first."""
    table = pd.DataFrame({"Token": names, "Importance": np.asarray(importance)})
    return table.sort_values("Importance", ascending=False, kind="stable", ignore_index=True)
