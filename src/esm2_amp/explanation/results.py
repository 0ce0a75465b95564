"""The result of an explanation, which is the same for every method."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from esm2_amp.errors import InputError
from esm2_amp.protein import pair_token_names
from esm2_amp.statistics.intervals import mean_intervals

PAIR_COLUMNS = ["Protein1", "Protein2"]


class LabelledArray(NamedTuple):
    """An array and what its axes mean.

    Attributes
    ----------
    array : ndarray
        The values.
    axes : dict of str to ndarray
        The name of each axis, in order, and the labels along it.
    """

    array: NDArray[Any]
    axes: dict[str, NDArray[Any]]


class Explanation(NamedTuple):
    """The explanation of B pairs by one method.

    Attributes
    ----------
    importance : DataFrame, B rows, optional
        Importance of each token of each pair, as from `importance_table`; None for a method that has no values of
        single pairs.
    tokens : DataFrame, T rows
        Mean importance of each token over the pairs, as from `token_table`.
    details : dict of str to DataFrame or LabelledArray
        What else the method computes. It is written for people and never read back: a stored explanation has none.
    check : dict
        How well the explanation keeps what its method promises, such as that attributions add up; empty where it
        promises nothing.
    """

    importance: pd.DataFrame | None
    tokens: pd.DataFrame
    details: dict[str, Any]
    check: dict[str, Any]

    @classmethod
    def of_pairs(
        cls, explained: pd.DataFrame, importance: ArrayLike, protein_tokens: slice, **details: Any
    ) -> "Explanation":
        """The explanation of pairs from the importances of their tokens, shape (B, T), without a check."""
        table = importance_table(explained, importance, protein_tokens)
        names = token_columns(table)
        return cls(table, token_table(names, table[names].mean()), details, {})


Explanations = dict[str, Explanation]
"""Explanations of the same pairs by the name of the method."""


def importance_table(pairs: pd.DataFrame, importance: ArrayLike, protein_tokens: slice) -> pd.DataFrame:
    """Importances beside the pairs they belong to.

    Parameters
    ----------
    pairs : DataFrame, B rows
        The explained pairs.
    importance : array_like, shape (B, T)
        Importance of each token of each pair.
    protein_tokens : slice
        Which of a protein's vectors the network reads.

    Returns
    -------
    table : DataFrame, B rows
        The columns of `pairs`, then a column per token.
    """
    values = pd.DataFrame(np.asarray(importance), index=pairs.index, columns=pair_token_names(protein_tokens))
    return pairs.join(values)


def token_table(names: list[str], importance: ArrayLike) -> pd.DataFrame:
    """T tokens and their importances (T,) as columns `Token` and `Importance`, largest first."""
    table = pd.DataFrame({"Token": names, "Importance": np.asarray(importance)})
    return table.sort_values("Importance", ascending=False, kind="stable", ignore_index=True)


def token_importance(explanations: Explanations) -> pd.DataFrame:
    """Importances by all methods in one long table.

    Returns
    -------
    table : DataFrame
        `Protein1`, `Protein2`, `Side` ("A" or "B"), `Token` (such as "segment0"), `Method`, `Importance`; a row per
        pair, method and token.
    """
    tables = [
        table.melt(PAIR_COLUMNS, token_columns(table), "Token", "Importance", ignore_index=False).assign(Method=method)
        for method, table in importances(explanations).items()
    ]
    found = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
    names = found["Token"].str.split("_", n=1)
    return found.assign(Side=names.str[0], Token=names.str[1])[[*PAIR_COLUMNS, "Side", "Token", "Method", "Importance"]]


def token_columns(table: pd.DataFrame) -> list[str]:
    """The columns of an importance table that are tokens: `A_segment0` … `B_segment9`."""
    return [name for name in table.columns if name.startswith(("A_", "B_"))]


def token_intervals(importance: pd.DataFrame | None) -> pd.DataFrame | None:
    """95 % intervals of the tokens' mean importances over pairs, which allow for pairs that share proteins.

    Parameters
    ----------
    importance : DataFrame, B rows, optional
        As from `importance_table`.

    Returns
    -------
    intervals : DataFrame, T rows, optional
        `Low`, `High` by the token's name; None without importances, or of a single pair, which has no interval.
    """
    if importance is None or len(importance) < 2:  # noqa: PLR2004
        return None
    names = token_columns(importance)
    found = mean_intervals(importance[names], *(importance[name] for name in PAIR_COLUMNS))
    return pd.DataFrame({"Low": found.low, "High": found.high}, index=names)


def importances(explanations: Mapping[str, Explanation]) -> dict[str, pd.DataFrame]:
    """The importance tables of the methods that have values of single pairs."""
    return {name: found.importance for name, found in explanations.items() if found.importance is not None}


def of_same_pairs(
    explained: pd.DataFrame, explanations: Explanations, latent_explanations: Explanations | None = None
) -> Explanations:
    """The explanations that are of the explained pairs, with the probabilities that these have.

    Explanations on latents are made by a pipeline of their own. Those of an earlier choice of pairs, or of an earlier
    model, are left out.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`: `Protein1`, `Protein2`, `Probability`.
    explanations, latent_explanations : dict of Explanation
        The stored explanations, by method.

    Raises
    ------
    InputError
        None is of these pairs.
    """
    kept: Explanations = {}
    for part in (explanations, latent_explanations or {}):
        tables = importances(part)
        belonging = [name for name, table in tables.items() if _same(explained, table)]
        if belonging or not tables:  # a method without values of single pairs goes with those made beside it
            kept |= {name: found for name, found in part.items() if name in belonging or name not in tables}
    if not importances(kept):
        raise InputError(
            "The explained pairs have other explanations than those stored now, or none; "
            "run `kedro run --pipeline=interpretability` again"
        )
    return kept


def _same(explained: pd.DataFrame, table: pd.DataFrame) -> bool:
    columns = [*PAIR_COLUMNS, "Probability"]
    return explained[columns].reset_index(drop=True).equals(table[columns].reset_index(drop=True))
