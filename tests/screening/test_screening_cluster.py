"""A screen by the workers of a Dask cluster: the same bytes as here, whatever happens to a worker."""

import os
import signal

import pytest
from dask.distributed import LocalCluster
from test_engine import P, all_pairs, parameters, work_of
from test_scorers import vectors_of

from esm2_amp.screening import engine
from esm2_amp.screening.engine import screen


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as started:
        yield started


@pytest.fixture
def whole(tmp_path) -> bytes:
    """What a screen by one process keeps."""
    work = work_of("ESM2_AMPS", all_pairs())
    (tmp_path / "whole").mkdir()
    screen(work, vectors_of(work.network, P), tmp_path / "whole", parameters(pairs_per_tile=50, save_every=60))
    return (tmp_path / "whole/screen.npz").read_bytes()


def test_two_workers_keep_the_same_bytes(cluster, whole, tmp_path):
    work = work_of("ESM2_AMPS", all_pairs())
    options = parameters(pairs_per_tile=50, cluster=cluster.scheduler_address)
    screen(work, vectors_of(work.network, P), tmp_path, options)
    assert (tmp_path / "screen.npz").read_bytes() == whole


def test_tiles_of_a_killed_worker_go_to_another(cluster, whole, tmp_path, monkeypatch):
    results, killed = engine.results_of_workers, []

    def killing(*given):
        for number, result in enumerate(results(*given)):
            if number == 2:
                process = next(iter(cluster.workers.values())).pid
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            yield result

    monkeypatch.setattr(engine, "results_of_workers", killing)
    work = work_of("ESM2_AMPS", all_pairs())
    options = parameters(pairs_per_tile=50, cluster=cluster.scheduler_address)
    screen(work, vectors_of(work.network, P), tmp_path, options)
    assert killed
    assert (tmp_path / "screen.npz").read_bytes() == whole
