"""Splits that keep similar proteins together: no protein of one split resembles one of another."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from esm2_amp.parameters.pair_building import SPLITS
from esm2_amp.splits.splitting import SplitFractions


def similarity_clusters(similar: pd.DataFrame, n_proteins: int) -> NDArray[np.int64]:
    """Clusters by single linkage: two proteins are in one cluster when a chain of similar proteins joins them.

    Clusters around representatives, as MMseqs2 and CD-HIT make them, are smaller, but leave similar proteins in
    different clusters.

    Parameters
    ----------
    similar : DataFrame
        Columns `a`, `b`, rows of similar proteins, as from `esm2_amp.splits.similarity.similar_proteins`.
    n_proteins : int
        P.

    Returns
    -------
    cluster : ndarray, shape (P,), int64
        Numbered from 0 in the order of their first proteins.
    """
    ends = (similar["a"].to_numpy(), similar["b"].to_numpy())
    graph = coo_array((np.ones(len(similar), dtype=np.int8), ends), shape=(n_proteins, n_proteins))
    _, component = connected_components(graph, directed=False)
    cluster: NDArray[np.int64] = pd.factorize(component)[0].astype(np.int64)
    return cluster


def cluster_disjoint_split(
    a: NDArray[np.int32], b: NDArray[np.int32], cluster: NDArray[np.int64], fractions: SplitFractions, seed: int
) -> NDArray[np.object_]:
    """Assign whole clusters of proteins to splits, and keep the pairs whose partners fell into the same one.

    The clusters, largest first and equal ones in random order, go one by one to the split that lacks most proteins. Its
    shares of the proteins are those of `esm2_amp.splits.splitting.protein_disjoint_split`. So large families tend to
    be for training, and no split has more than its share by a whole cluster.

    Parameters
    ----------
    a, b : ndarray, shape (pairs,), int32
        Rows of the partners.
    cluster : ndarray, shape (P,), int64
        Of every protein, as from `similarity_clusters`.
    fractions : SplitFractions
        Shares of validation and test pairs.
    seed : int
        Seed of what is drawn at random.

    Returns
    -------
    split : ndarray of str or None, shape (pairs,)
        None where the pair is dropped.
    """
    size = np.bincount(cluster[np.unique(np.concatenate((a, b)))], minlength=cluster.max() + 1)
    shares = np.sqrt(fractions.all)
    lacking = shares / shares.sum() * size.sum()
    order = np.random.default_rng(seed).permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    part_of_cluster = np.empty(len(size), dtype=np.int8)
    for number in order:
        part = int(lacking.argmax())
        part_of_cluster[number] = part
        lacking[part] -= size[number]
    part_a, part_b = part_of_cluster[cluster[a]], part_of_cluster[cluster[b]]
    split = np.array(SPLITS, dtype=object)[part_a]
    split[part_a != part_b] = None
    return split
