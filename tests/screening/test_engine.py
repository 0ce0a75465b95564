"""A screen keeps exactly what brute force keeps, whatever the tiles, whatever happens to the process."""

import numpy as np
import pytest
from test_scorers import logits_of, network_of, vectors_of

from esm2_amp.models.registry import MODELS
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.screening.engine import Work, screen
from esm2_amp.screening.kept import COARSE, EDGES, FINE, Keeping, Kept, Watch
from esm2_amp.screening.tiles import WantedPairs

P = 300


def all_pairs(proteins: int = P, *, self_pairs: bool = False) -> WantedPairs:
    everybody = np.ones(proteins, bool)
    return WantedPairs.of(everybody, everybody, self_pairs=self_pairs)


def parameters(**given) -> ScreeningParameters:
    return ScreeningParameters(**{"top": 7, "threshold": 0.6, "save_every": 0, **given})


def work_of(architecture: str, wanted: WantedPairs, *, top: int = 7, threshold: float = 0.6, watch=None) -> Work:
    watch = watch or Watch.nothing(len(wanted.is_query))
    keeping = Keeping(top, float(np.log(threshold / (1 - threshold))), watch)
    return Work(network_of(architecture), "cpu", "float32", wanted, keeping)


def assert_same(a: Kept, b: Kept) -> None:
    for name in ("counts", "scores", "studied", "watched"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for one, other in zip((*a.pairs_above(), *a.partners()), (*b.pairs_above(), *b.partners()), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("architecture", MODELS)
def test_every_number_is_that_of_brute_force(architecture, tmp_path):
    work = work_of(architecture, all_pairs(), top=P - 1, threshold=0.3)
    table = vectors_of(work.network, P)
    kept = screen(work, table, tmp_path, parameters(top=P - 1, threshold=0.3, pairs_per_tile=1000))
    exact = logits_of(work.network, table)
    exact = (exact + exact.T) / 2
    partner, logit = kept.partners()
    np.testing.assert_allclose(logit, np.take_along_axis(exact, partner, 1), rtol=0, atol=1e-5 * np.abs(exact).max())
    assert np.array_equal(np.sort(partner, axis=1), [[j for j in range(P) if j != i] for i in range(P)])
    found = np.empty((P, P), np.float32)  # from here on by the screen's own logits, so that nothing may differ
    np.put_along_axis(found, partner, logit, 1)
    order = [sorted((j for j in range(P) if j != i), key=lambda j: (-found[i, j], j)) for i in range(P)]
    np.testing.assert_array_equal(partner, order)
    a, b = np.triu_indices(P, 1)
    np.testing.assert_array_equal(found[a, b], found[b, a])
    chosen = found[a, b] >= np.float32(work.keeping.threshold)
    above = kept.pairs_above()
    np.testing.assert_array_equal(above.a, a[chosen])
    np.testing.assert_array_equal(above.b, b[chosen])
    np.testing.assert_array_equal(above.logit, found[a, b][chosen])
    bins = np.searchsorted(EDGES, found[a, b], side="right")
    np.testing.assert_array_equal(kept.scores, np.bincount(bins, minlength=FINE))
    for i in range(P):
        own = np.searchsorted(EDGES, np.delete(found[i], i), side="right") // (FINE // COARSE)
        np.testing.assert_array_equal(kept.counts[i], np.bincount(own, minlength=COARSE))
