"""Threads that a process may keep busy: its affinity, and the caps of control groups."""

import os
import subprocess
import sys

import pytest
from threadpoolctl import ThreadpoolController, threadpool_info

from esm2_amp import threads
from esm2_amp.threads import allowed_threads


@pytest.fixture(autouse=True)
def _many_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def group(root, of_process, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(of_process)
    for name, content in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


@pytest.mark.parametrize(
    ("of_process", "files", "expected"),
    [
        ("0::/\n", {}, 16),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),  # one and a half processors
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}, 16),  # more than there are
        ("0::/slurm/job/step\n", {"slurm/job/cpu.max": "400000 100000\n", "slurm/cpu.max": "max 100000\n"}, 4),
        ("0::/of/the/host\n", {"cpu.max": "300000 100000\n"}, 3),
        ("4:cpu,cpuacct:/job\n1:memory:/job\n", {"cpu/job/cpu.cfs_quota_us": "500000\n"} | {
            "cpu/job/cpu.cfs_period_us": "100000\n"}, 5),
        ("4:cpu,cpuacct:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 16),
        ("1:memory:/job\n", {"cpu/job/cpu.cfs_quota_us": "100000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 16),
    ],
)  # fmt: skip
def test_the_tightest_cap_counts(tmp_path, of_process, files, expected):
    assert allowed_threads(group(tmp_path, of_process, files)) == expected


def test_the_affinity_counts_where_there_are_no_control_groups(tmp_path, monkeypatch):
    assert allowed_threads(tmp_path) == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert allowed_threads(tmp_path) == 2


def test_libraries_are_limited_only_below_a_cap(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    threads.limit_threads()
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setattr(threads, "allowed_threads", lambda: 1)
    before = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    try:
        threads.limit_threads()
        assert all(pool["num_threads"] == 1 for pool in threadpool_info())
        assert [os.environ[name] for name in threads._VARIABLES] == ["1", "1", "7"]
    finally:
        for library in ThreadpoolController().lib_controllers:
            library.set_num_threads(before[library.filepath])


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, None)],
)
def test_threads_wait_shortly_unless_the_user_says_how(given, expected, monkeypatch):
    for variable in threads._WAITING:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    threads.wait_shortly()
    assert os.environ.get("GOMP_SPINCOUNT") == expected
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)


def test_projects_settings_come_before_pytorch():
    """Which reads how its threads wait when it is imported."""
    script = "import sys, os, esm2_amp.settings; print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])"
    environment = {name: value for name, value in os.environ.items() if name not in threads._WAITING}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "10000"]
