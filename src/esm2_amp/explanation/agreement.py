"""Whether methods rank the tokens of a pair alike (METHOD section 6)."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from esm2_amp.explanation.results import Explanations, importances, token_columns


def rank_correlation(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Spearman's correlation of each row of one array with the same row of another: twice (B, T) → (B,).

    It is NaN where all values of a row are equal.
    """
    ranks = (rankdata(values, axis=1) for values in (first, second))
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return np.asarray((x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1)))


def method_agreement(explanations: Explanations) -> pd.DataFrame:
    """Rank correlations between each two methods.

    Parameters
    ----------
    explanations : dict of Explanation
        Explanations of the same pairs, by method.

    Returns
    -------
    agreement : DataFrame
        A row for each two methods, in both orders and with themselves: `MethodA`, `MethodB`; `OfMeans`, the correlation
        between their mean importances over pairs; `OfPairs`, the median over pairs of the correlations within a pair;
        NaN where a method has no values of single pairs.
    """
    of_pairs = importances(explanations)
    tokens = token_columns(next(iter(of_pairs.values())))
    means = {name: found.tokens.set_index("Token")["Importance"].loc[tokens] for name, found in explanations.items()}
    rows = []
    for first in explanations:
        for second in explanations:
            of_means = rank_correlation([means[first]], [means[second]])[0]
            within = np.nan
            if first in of_pairs and second in of_pairs:
                within = float(np.nanmedian(rank_correlation(of_pairs[first][tokens], of_pairs[second][tokens])))
            rows.append((first, second, of_means, within))
    return pd.DataFrame(rows, columns=["MethodA", "MethodB", "OfMeans", "OfPairs"])
