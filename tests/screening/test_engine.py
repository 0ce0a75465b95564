"""A screen keeps exactly what brute force keeps, whatever the tiles, whatever happens to the process."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_scorers import logits_of, network_of, vectors_of

from conftest import fill_disk_after
from esm2_amp.errors import InputError
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.screening.candidates import ranks_of
from esm2_amp.screening.engine import Work, background_of, screen
from esm2_amp.screening.kept import COARSE, COARSE_EDGES, EDGES, FINE, Keeping, Kept, Watch, candidate_pairs
from esm2_amp.screening.tiles import WantedPairs

P = 90


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


@pytest.mark.parametrize(
    ("architecture", "proteins"),
    [("ESM2_DPM", 300), ("ESM2_MEAN", 300), ("ESM2_SIAM", 300), ("ESM2_AMPS", 60), ("ESM2_GRU", 60)],
)
def test_every_number_is_that_of_brute_force(architecture, proteins, tmp_path):
    network = network_of(architecture)
    table = vectors_of(network, proteins)
    exact = logits_of(network, table)
    exact = (exact + exact.T) / 2
    threshold = float(1 / (1 + np.exp(-np.quantile(exact, 0.9))))
    work = work_of(architecture, all_pairs(proteins), top=proteins - 1, threshold=threshold)
    kept = screen(work, table, tmp_path, parameters(save_every=60, pairs_per_tile=1000))
    partner, logit = kept.partners()
    np.testing.assert_allclose(logit, np.take_along_axis(exact, partner, 1), rtol=0, atol=1e-5 * np.abs(exact).max())
    found = np.full((proteins, proteins), np.nan, np.float32)  # by the screen's own logits nothing may differ
    np.put_along_axis(found, partner, logit, 1)
    assert np.isnan(found.diagonal()).all() and np.isnan(found).sum() == proteins
    order = [sorted(set(range(proteins)) - {i}, key=lambda j, i=i: (-found[i, j], j)) for i in range(proteins)]
    np.testing.assert_array_equal(partner, order)
    a, b = np.triu_indices(proteins, 1)
    np.testing.assert_array_equal(found[a, b], found[b, a])
    chosen = found[a, b] >= np.float32(work.keeping.threshold)
    assert 0.05 < chosen.mean() < 0.15
    above = kept.pairs_above()
    np.testing.assert_array_equal(above.a, a[chosen])
    np.testing.assert_array_equal(above.b, b[chosen])
    np.testing.assert_array_equal(above.logit, found[a, b][chosen])
    np.testing.assert_array_equal(
        kept.scores, np.bincount(np.searchsorted(EDGES, found[a, b], side="right"), minlength=FINE)
    )
    for i in range(proteins):
        own = np.searchsorted(EDGES, np.delete(found[i], i), side="right") // (FINE // COARSE)
        np.testing.assert_array_equal(kept.counts[i], np.bincount(own, minlength=COARSE))


def test_tiles_change_nothing_but_rounding(tmp_path):
    work = work_of("ESM2_DPM", all_pairs())
    table = vectors_of(work.network, P)
    kept = [
        screen(work, table, tmp_path / str(pairs), parameters(save_every=60, pairs_per_tile=pairs))
        for pairs in (40, 997, 10**6)
    ]
    for other in kept[1:]:
        np.testing.assert_allclose(other.partners()[1], kept[0].partners()[1], rtol=0, atol=1e-6)


def test_queries_are_paired_with_the_proteome_and_not_with_other_new_proteins(tmp_path):
    is_query, is_target = np.zeros(P, bool), np.ones(P, bool)
    is_query[[3, 40, P - 2, P - 1]], is_target[P - 2 :] = True, False
    work = work_of("ESM2_MEAN", WantedPairs.of(is_query, is_target, self_pairs=False), top=P)
    kept = screen(work, vectors_of(work.network, P), tmp_path, parameters())
    partner, _ = kept.partners()
    expected = [set(range(P)) - {3}, set(range(P)) - {40}, set(range(P - 2)), set(range(P - 2))]
    assert [set(row[row >= 0].tolist()) for row in partner] == expected
    among_queries = 5  # 3 with 40, and each of these with both new ones
    assert kept.scores.sum() == len(work.wanted) == 2 * (P - 1) + 2 * (P - 2) - among_queries


def test_partners_of_queries_have_their_share_among_a_sample(tmp_path):
    is_query = np.arange(P) < 2
    work = work_of("ESM2_MEAN", WantedPairs.of(is_query, np.ones(P, bool), self_pairs=False), top=5)
    table = vectors_of(work.network, P)
    kept = screen(work, table, tmp_path, parameters())
    exact = logits_of(work.network, table)
    for size in (30, 10**6):
        background = background_of(work, table, kept, tmp_path, parameters(background=size), seed=1)
        pairs = candidate_pairs(kept)
        assert set(background.queries) == {*pairs.a.tolist(), *pairs.b.tolist()} - {0, 1}
        others = np.setdiff1d(np.arange(P), [*pairs.a, *pairs.b])
        drawn = np.random.default_rng(1).choice(others, min(size, len(others)), replace=False)
        _, of_b = ranks_of(pairs, kept, background)
        for a, b, share in zip(pairs.a, pairs.b, of_b.above, strict=True):
            if b > 1:
                bins = np.searchsorted(COARSE_EDGES, exact[b, drawn].astype(np.float32), side="right")
                own = np.searchsorted(COARSE_EDGES, np.float32(exact[a, b]), side="right")
                assert share == pytest.approx((bins > own).mean(), abs=2 / len(bins))  # rounding at the edges of bins
    assert background_of(work, table, kept, tmp_path, parameters(background=0), seed=1) is None


class StopError(Exception):
    """What an interrupted screen ends with."""


def test_an_interrupted_screen_goes_on_from_its_last_tile(tmp_path, monkeypatch, caplog):
    work = work_of("ESM2_DPM", all_pairs())
    table = vectors_of(work.network, P)
    whole = screen(work, table, tmp_path / "whole", parameters(pairs_per_tile=100))
    add, added = Kept.add, []

    def stop_at(kept, part):
        if len(added) == 5:
            raise StopError
        added.append(part)
        add(kept, part)

    monkeypatch.setattr(Kept, "add", stop_at)
    with pytest.raises(StopError):
        screen(work, table, tmp_path / "stopped", parameters(pairs_per_tile=100))
    done = sum(int(part.scores.sum()) for part in added)
    monkeypatch.setattr(Kept, "add", add)
    with caplog.at_level("INFO"):
        after = screen(work, table, tmp_path / "stopped", parameters(pairs_per_tile=100))
    assert f"{done:,} of {len(work.wanted):,} pairs were scored by an earlier run" in caplog.text
    assert_same(after, whole)
    files = [(tmp_path / name / "screen.npz").read_bytes() for name in ("whole", "stopped")]
    assert files[0] == files[1]


def screen_alone(folder: Path) -> None:
    """Screen in a process of its own, slowly enough to be killed."""
    work = work_of("ESM2_AMPS", all_pairs())
    screen(work, vectors_of(work.network, P), folder / "state", parameters(pairs_per_tile=50))


def test_a_screen_killed_ten_times_ends_with_the_same_bytes(tmp_path, killed):
    rng = np.random.default_rng(0)
    for name in ("whole", "killed"):
        (tmp_path / name / "state").mkdir(parents=True)
    screen_alone(tmp_path / "whole")
    folder = tmp_path / "killed"
    kills = killed(screen_alone, folder, watch=folder / "state", delays=rng.uniform(0, 0.1, 10))
    assert kills >= 5
    assert (folder / "state/screen.npz").read_bytes() == (tmp_path / "whole/state/screen.npz").read_bytes()


@pytest.mark.parametrize("change", ["weights", "features", "top", "threshold", "watch", "queries", "tiles"])
def test_another_screen_does_not_go_on_from_the_state_of_this_one(change, tmp_path, caplog):
    wanted, options = all_pairs(), parameters()
    work = work_of("ESM2_MEAN", wanted)
    table = vectors_of(work.network, P)
    screen(work, table, tmp_path, options)
    one = np.array([0]), np.array([1])
    others = {
        "weights": lambda: Work(network_of("ESM2_MEAN", seed=1), "cpu", "float32", wanted, work.keeping),
        "top": lambda: work_of("ESM2_MEAN", wanted, top=3),
        "threshold": lambda: work_of("ESM2_MEAN", wanted, threshold=0.7),
        "watch": lambda: work_of("ESM2_MEAN", wanted, watch=Watch(*one, *[np.ones(P, bool)] * 3)),
        "queries": lambda: work_of("ESM2_MEAN", WantedPairs.of(np.arange(P) < 5, np.ones(P, bool), self_pairs=False)),
    }
    work = others[change]() if change in others else work
    table = table + 1 if change == "features" else table
    options = parameters(pairs_per_tile=500) if change == "tiles" else options
    with caplog.at_level("INFO"):
        screen(work, table, tmp_path, options)
    assert "is of other proteins, another model or other parameters: it is replaced" in caplog.text
    assert "by an earlier run" not in caplog.text


def test_a_damaged_state_is_replaced(tmp_path, caplog):
    work = work_of("ESM2_MEAN", all_pairs())
    table = vectors_of(work.network, P)
    whole = screen(work, table, tmp_path, parameters())
    state = tmp_path / "screen.npz"
    state.write_bytes(state.read_bytes()[:1000])
    assert_same(screen(work, table, tmp_path, parameters()), whole)
    assert "can't be read" in caplog.text


def test_more_partners_than_may_be_kept_are_refused_at_once(tmp_path):
    work = work_of("ESM2_MEAN", all_pairs())
    with pytest.raises(InputError, match=r"7 best partners of 90 proteins are up to 630 pairs.*screening.top=6"):
        screen(work, vectors_of(work.network, P), tmp_path, parameters(most_candidates=600))
    assert not (tmp_path / "screen.npz").exists()


def test_a_threshold_that_too_many_reach_is_refused_with_one_that_fits(tmp_path):
    work = work_of("ESM2_MEAN", all_pairs(), threshold=0.0001)
    table = vectors_of(work.network, P)
    with pytest.raises(
        InputError, match=r"About 4,005 of the 4,005 pairs would reach .*most_candidates is 700"
    ) as told:
        screen(work, table, tmp_path, parameters(most_candidates=700))
    assert not (tmp_path / "screen.npz").exists()
    threshold = float(re.search(r"screening\.threshold=([\d.]+) or higher", str(told.value))[1])
    kept = screen(work_of("ESM2_MEAN", all_pairs(), threshold=threshold), table, tmp_path, parameters())
    assert 500 < kept.n_above < 900


def test_a_screen_that_keeps_too_much_after_all_stops_with_a_threshold_that_fits(tmp_path, monkeypatch):
    monkeypatch.setattr("esm2_amp.screening.engine.sample_of_logits", lambda *_: np.full(9, -50, np.float32))
    work = work_of("ESM2_MEAN", all_pairs(), threshold=0.0001)
    table = vectors_of(work.network, P)
    with pytest.raises(
        InputError, match=r"of the first [\d,]+ of 4,005 pairs reach screening.threshold 0.0001"
    ) as told:
        screen(work, table, tmp_path, parameters(most_candidates=700, pairs_per_tile=200))
    threshold = float(re.search(r"screening\.threshold=([\d.]+) or higher", str(told.value))[1])
    kept = screen(work_of("ESM2_MEAN", all_pairs(), threshold=threshold), table, tmp_path, parameters())
    assert 300 < kept.n_above < 1500


def test_a_full_disk_is_foreseen(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 10))
    work = work_of("ESM2_MEAN", all_pairs())
    with pytest.raises(InputError, match=r"needs about 1 MB below .*, where 0 MB are free; .*output=DIR"):
        screen(work, vectors_of(work.network, P), tmp_path, parameters())


def test_a_disk_that_is_full_in_a_tile_leaves_what_was_written_before(tmp_path, monkeypatch):
    work = work_of("ESM2_MEAN", all_pairs())
    table = vectors_of(work.network, P)
    fill_disk_after(3, monkeypatch)
    with pytest.raises(InputError, match=r"could not be written: No space left .* what was finished before is kept"):
        screen(work, table, tmp_path, parameters(pairs_per_tile=200))
    assert [file.name for file in tmp_path.iterdir()] == ["screen.npz"]
    with np.load(tmp_path / "screen.npz") as state:
        assert state["done"].sum() == 3
