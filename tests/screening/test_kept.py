"""What is kept doesn't depend on the tiles, nor on the order in which they come."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from esm2_amp.errors import InputError
from esm2_amp.screening.kept import (
    COARSE,
    COARSE_EDGES,
    EDGES,
    FINE,
    Keeping,
    Kept,
    Watch,
    keep,
    keys_of_partners,
    partners_of_keys,
)
from esm2_amp.screening.tiles import WantedPairs, sub_grids, tile_shape

LOGITS = st.floats(width=32, allow_nan=False)


def test_bins_are_nested_and_narrow_where_scores_are_many():
    assert len(EDGES) == FINE - 1 and len(COARSE_EDGES) == COARSE - 1
    assert (np.diff(EDGES.astype(np.float64)) > 0).all()
    x = np.random.default_rng(0).normal(0, 5, 10_000).astype(np.float32)
    fine = np.searchsorted(EDGES, x, side="right")
    np.testing.assert_array_equal(fine // (FINE // COARSE), np.searchsorted(COARSE_EDGES, x, side="right"))
    at = np.searchsorted(EDGES, np.float32(8))
    assert EDGES[at + 1] - EDGES[at] < 1.1e-3
    at = np.searchsorted(COARSE_EDGES, np.float32(0.01))
    assert COARSE_EDGES[at + 1] - COARSE_EDGES[at] < 0.0085


@given(st.lists(st.tuples(LOGITS, st.integers(0, 2**31 - 1)), min_size=1, max_size=30))
def test_keys_are_ordered_as_partners_are_and_can_be_read_back(partners):
    logit = torch.tensor([pair[0] for pair in partners], dtype=torch.float32)
    number = torch.tensor([pair[1] for pair in partners])
    keys = keys_of_partners(logit, number).numpy()
    assert np.argsort(-keys.astype(object), kind="stable").tolist() == np.lexsort((number, -logit)).tolist()
    found, scores = partners_of_keys(keys)
    assert found.tolist() == number.tolist()
    np.testing.assert_array_equal(scores, logit)


class Case:
    """Random scores with many ties, and random queries, targets and watched pairs."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.proteins = int(rng.integers(2, 14))
        whole = rng.random() < 0.4
        is_query = np.ones(self.proteins, bool) if whole else rng.random(self.proteins) < 0.4
        is_target = np.ones(self.proteins, bool) if whole else rng.random(self.proteins) < 0.8
        is_query[rng.integers(self.proteins)] = is_target[rng.integers(self.proteins)] = True
        self.wanted = WantedPairs.of(is_query, is_target, self_pairs=bool(rng.integers(2)))
        scores = rng.integers(-3, 4, (self.proteins, self.proteins)).astype(np.float32)
        self.logit = np.triu(scores) + np.triu(scores, 1).T
        pairs = {tuple(sorted(pair)) for pair in rng.integers(self.proteins, size=(6, 2)).tolist()}
        rows = np.array(sorted(pair for pair in pairs if self.wanted.has(*np.array(pair)[:, None])[0]), np.int64)
        masks = (rng.random((3, self.proteins)) < 0.6).tolist()
        watch = Watch(*rows.reshape(-1, 2).T, *(np.array(mask) for mask in masks))
        self.keeping = Keeping(int(rng.integers(1, 5)), float(rng.integers(-3, 5)), watch)
        self.pairs = [  # by the definition, one by one
            (i, j)
            for i in range(self.proteins)
            for j in range(i, self.proteins)
            if ((is_query[i] and is_target[j]) or (is_query[j] and is_target[i])) and (i != j or self.wanted.self_pairs)
        ]

    def kept(self, shape: tuple[int, int], order: np.random.Generator) -> Kept:
        parts = []
        for tile in self.wanted.tiles(shape):
            rows, columns = self.wanted.queries[tile.rows], self.wanted.targets[tile.columns]
            logit = torch.from_numpy(self.logit[np.ix_(rows, columns)])
            parts.append(keep(logit, self.wanted.mask(tile), rows, columns, self.wanted, self.keeping))
        kept = Kept.nothing(self.wanted.queries, self.keeping)
        for number in order.permutation(len(parts)):
            kept.add(parts[number])
        return kept


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 15), st.integers(1, 15))
def test_kept_is_that_of_brute_force_whatever_the_tiles_and_their_order(seed, rows, columns):
    case = Case(seed)
    kept = case.kept((rows, columns), np.random.default_rng(seed))
    logit, top, threshold = case.logit, case.keeping.top, case.keeping.threshold
    assert len(case.wanted) == len(case.pairs) == kept.scores.sum()
    assert case.wanted.partners_of().tolist() == [sum(p in pair for pair in case.pairs) for p in range(case.proteins)]
    partner, score = kept.partners()
    for number, query in enumerate(case.wanted.queries):
        partners = [pair[0] if pair[1] == query else pair[1] for pair in case.pairs if query in pair]
        best = sorted(partners, key=lambda p, q=query: (-logit[q, p], p))[:top]
        assert partner[number].tolist() == best + [-1] * (top - len(best))
        np.testing.assert_array_equal(score[number, : len(best)], logit[query, best])
        bins = np.searchsorted(COARSE_EDGES, logit[query, partners], side="right")
        np.testing.assert_array_equal(kept.counts[number], np.bincount(bins, minlength=COARSE))
    above = kept.pairs_above()
    assert list(zip(above.a, above.b, strict=True)) == [pair for pair in case.pairs if logit[pair] >= threshold]
    assert above.logit.tolist() == [logit[pair] for pair in case.pairs if logit[pair] >= threshold]
    watch = case.keeping.watch
    assert kept.watched.tolist() == logit[watch.a, watch.b].tolist()
    studied = [
        (i, j)
        for i, j in case.pairs
        if ((watch.queries[i] and watch.targets[j]) or (watch.queries[j] and watch.targets[i]))
        and not (watch.trained[i] and watch.trained[j])
    ]
    for counts, pairs in ((kept.scores, case.pairs), (kept.studied, studied)):
        bins = np.searchsorted(EDGES, [logit[pair] for pair in pairs], side="right")
        np.testing.assert_array_equal(counts, np.bincount(bins.astype(int), minlength=FINE))


def test_score_that_is_no_number_is_an_error():
    everybody = np.ones(3, bool)
    wanted = WantedPairs.of(everybody, everybody, self_pairs=False)
    tile = next(wanted.tiles((3, 3)))
    rows, keeping = np.arange(3), Keeping(2, 0.0, Watch.nothing(3))
    logit = torch.zeros(3, 3)
    logit[1, 1] = torch.nan  # isn't wanted
    keep(logit, wanted.mask(tile), rows, rows, wanted, keeping)
    logit[0, 2] = torch.nan
    with pytest.raises(InputError, match=r"proteins 0 and 2 .* is NaN: .* extract the features again"):
        keep(logit, wanted.mask(tile), rows, rows, wanted, keeping)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_parts_of_a_tile_hold_each_wanted_pair_once(rows, columns, pairs, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.2
    count = np.zeros(mask.shape, int)
    for part in sub_grids(mask, pairs):
        assert mask[part].size <= pairs
        count[part] += 1
    assert (count[mask] == 1).all() and count.max(initial=0) <= 1


def test_tiles_stay_within_pairs_and_memory():
    for n_queries, proteins in ((1, 5000), (3, 700), (5000, 5000)):
        is_query = np.arange(proteins) < n_queries
        wanted = WantedPairs.of(is_query, np.ones(proteins, bool), self_pairs=False)
        rows, columns = tile_shape(wanted, 1000)
        assert rows <= n_queries and columns <= proteins and rows * columns <= 1 << 16
        assert rows == min(n_queries, 256) and columns >= min(proteins, 256)
        assert max(tile_shape(wanted, 1 << 24)) <= 16
