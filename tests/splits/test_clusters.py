"""Splits by clusters of similar proteins: nothing similar is ever in two splits."""

import networkx
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from esm2_amp.parameters.pair_building import SPLITS
from esm2_amp.splits.clusters import cluster_disjoint_split, similarity_clusters
from esm2_amp.splits.splitting import SplitFractions

FRACTIONS = SplitFractions(0.1, 0.2)


@st.composite
def similar_and_pairs(draw):
    n_proteins = draw(st.integers(2, 40))
    protein = st.integers(0, n_proteins - 1)
    similar = draw(st.lists(st.tuples(protein, protein), max_size=30))
    pairs = draw(st.lists(st.tuples(protein, protein), min_size=1, max_size=80))
    return n_proteins, pd.DataFrame(similar, columns=["a", "b"], dtype="int64"), np.array(pairs, dtype=np.int32).T


@given(similar_and_pairs())
@settings(deadline=None)
def test_clusters_are_the_connected_components(case):
    n_proteins, similar, _ = case
    graph = networkx.Graph()
    graph.add_nodes_from(range(n_proteins))
    graph.add_edges_from(similar.itertuples(index=False))
    cluster = similarity_clusters(similar, n_proteins)
    found = {frozenset(np.flatnonzero(cluster == number).tolist()) for number in range(cluster.max() + 1)}
    assert found == {frozenset(component) for component in networkx.connected_components(graph)}
    assert pd.unique(cluster).tolist() == list(range(cluster.max() + 1))


@given(similar_and_pairs(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_no_cluster_and_no_two_similar_proteins_are_in_two_splits(case, seed):
    n_proteins, similar, (a, b) = case
    cluster = similarity_clusters(similar, n_proteins)
    split = cluster_disjoint_split(a, b, cluster, FRACTIONS, seed)
    parts = {part: set(np.concatenate((a[split == part], b[split == part])).tolist()) for part in SPLITS}
    clusters = {part: {int(cluster[protein]) for protein in proteins} for part, proteins in parts.items()}
    assert not clusters["train"] & clusters["validation"]
    assert not clusters["train"] & clusters["test"]
    assert not clusters["validation"] & clusters["test"]
    part_of = {protein: part for part, proteins in parts.items() for protein in proteins}
    for one, other in similar.itertuples(index=False):
        if one in part_of and other in part_of:
            assert part_of[one] == part_of[other]
    assert set(split) <= {*SPLITS, None}


@given(similar_and_pairs(), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_pair_within_a_cluster_is_never_dropped_and_the_same_seed_gives_the_same_split(case, seed):
    n_proteins, similar, (a, b) = case
    cluster = similarity_clusters(similar, n_proteins)
    split = cluster_disjoint_split(a, b, cluster, FRACTIONS, seed)
    assert all(part is not None for part in split[cluster[a] == cluster[b]])
    assert split.tolist() == cluster_disjoint_split(a, b, cluster, FRACTIONS, seed).tolist()


def test_kept_pairs_come_in_about_the_fractions_asked_for():
    rng = np.random.default_rng(1)
    cluster = rng.integers(0, 400, 1500)
    a, b = rng.integers(0, 1500, (2, 30_000))
    split = cluster_disjoint_split(a, b, cluster, FRACTIONS, seed=0)
    kept = pd.Series(split).dropna()
    shares = kept.value_counts(normalize=True).reindex(list(SPLITS))
    np.testing.assert_allclose(shares, FRACTIONS.all, atol=0.03)
    assert len(kept) > 0.3 * len(a)


def test_other_seeds_give_other_splits_and_a_giant_family_is_for_training():
    cluster = np.concatenate((np.zeros(40, dtype=np.int64), np.arange(1, 61)))
    a, b = np.arange(100), np.roll(np.arange(100), 1)
    splits = [cluster_disjoint_split(a, b, cluster, FRACTIONS, seed) for seed in range(4)]
    assert len({tuple(split.astype(str)) for split in splits}) > 1
    assert all((split[1:40] == "train").all() for split in splits)
