"""How often the top tokens hold the planted site, where the truth is known (METHOD sections 6 and 8)."""

from collections.abc import Mapping
from math import comb
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.explanation.results import token_columns
from esm2_amp.explanation.selection import is_true_positive
from esm2_amp.statistics.intervals import rate_intervals

TOPS: Final = (1, 3)
"""Numbers of top tokens among which a planted site is sought."""

COLUMNS: Final = ["Method", "Top", "Pairs", "Rate", "Low", "High", "Chance"]


def planted_tokens(pairs: pd.DataFrame, tokens: list[str], sites: pd.DataFrame) -> NDArray[np.bool_]:
    """Which tokens of each pair hold a planted site.

    Parameters
    ----------
    pairs : DataFrame, B rows
        `Protein1`, `Protein2`.
    tokens : list of T str
        Names of the tokens, such as `A_segment0`.
    sites : DataFrame
        `Entry`, `Segment` (0-based).

    Returns
    -------
    planted : ndarray, shape (B, T), bool
    """
    known = set(zip(sites["Entry"], sites["Segment"], strict=True))
    places = {f"segment{segment}": segment for segment in sites["Segment"].unique()}
    partners = {"A": pairs["Protein1"], "B": pairs["Protein2"]}
    columns = [
        [(entry, places.get(token[2:])) in known for entry in partners[token[0]]] for token in tokens
    ]  # token[0] is the side, token[2:] the protein's token
    return np.array(columns, dtype=bool).T.reshape(len(pairs), len(tokens))


def chance_of_a_hit(n_planted: NDArray[np.int64], n_tokens: int, top: int) -> NDArray[np.float64]:
    """Probability that `top` tokens drawn at random hold one of the planted.

    1 − C(T − m, top) / C(T, top), for each number m of planted tokens.
    """
    misses = np.array([comb(n_tokens - int(m), top) for m in n_planted], dtype=np.float64)
    return np.asarray(1 - misses / comb(n_tokens, top))


def planted_truth(tables: Mapping[str, pd.DataFrame], sites: pd.DataFrame) -> pd.DataFrame:
    """How often each method's top tokens hold a planted site, on true positives.

    Parameters
    ----------
    tables : mapping of method name to DataFrame
        Importance tables of the same pairs.
    sites : DataFrame
        `Entry`, `Segment` (0-based).

    Returns
    -------
    table : DataFrame
        `Method`; `Top`, how many tokens count; `Pairs`; `Rate`, the share of pairs that have a planted site among
        these, with its 95 % interval `Low` to `High`; `Chance`, the rate of tokens drawn at random. No rows where the
        true positives among the pairs have no site.
    """
    first = next(iter(tables.values()))
    tokens = token_columns(first)
    planted = planted_tokens(first, tokens, sites)
    used = is_true_positive(first) & planted.any(axis=1)
    if not used.any():
        return pd.DataFrame(columns=COLUMNS)
    pairs, planted, rows = first[used], planted[used], []
    for method, table in tables.items():
        ranked = np.argsort(-table.loc[used, tokens].to_numpy(), axis=1, kind="stable")
        in_rank = np.take_along_axis(planted, ranked, axis=1)
        hits = np.stack([in_rank[:, :top].any(axis=1) for top in TOPS], axis=1)
        for top, *found in zip(TOPS, *rate_intervals(hits, pairs["Protein1"], pairs["Protein2"]), strict=True):
            chance = chance_of_a_hit(planted.sum(axis=1), len(tokens), top).mean()
            rows.append((method, top, len(pairs), *found, chance))
    return pd.DataFrame(rows, columns=COLUMNS)
