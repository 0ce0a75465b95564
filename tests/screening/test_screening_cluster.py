"""A screen by the workers of a Dask cluster: the same bytes as here, whatever happens to a worker."""

import pytest
from test_engine import P, all_pairs, parameters, work_of
from test_scorers import vectors_of

from esm2_amp.screening.engine import screen


@pytest.fixture
def whole(tmp_path) -> bytes:
    """What a screen by one process keeps."""
    work = work_of("ESM2_AMPS", all_pairs())
    (tmp_path / "whole").mkdir()
    screen(work, vectors_of(work.network, P), tmp_path / "whole", parameters(pairs_per_tile=50, save_every=60))
    return (tmp_path / "whole/screen.npz").read_bytes()


def test_two_workers_keep_the_same_bytes(cluster, whole, tmp_path):
    work = work_of("ESM2_AMPS", all_pairs())
    screen(work, vectors_of(work.network, P), tmp_path, parameters(pairs_per_tile=50), cluster)
    assert (tmp_path / "screen.npz").read_bytes() == whole


def test_tiles_of_a_killed_worker_go_to_another(cluster, losing_a_worker, whole, tmp_path):
    work = work_of("ESM2_AMPS", all_pairs())
    screen(work, vectors_of(work.network, P), tmp_path, parameters(pairs_per_tile=50), cluster)
    assert len(losing_a_worker) > 2
    assert (tmp_path / "screen.npz").read_bytes() == whole
