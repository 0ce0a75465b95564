"""How long commands take to start, in processor time beside that of importing PyTorch.

    python tests/benchmarks/bench_startup.py
    python tests/benchmarks/bench_startup.py --repeats 7

Each command runs in a process of its own, its caches of bytecode warm, in turns with the others so that all meet the
same machine. Medians of user and system time of the process and its children, and their ratio to the import's.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import report

ROOT = Path(__file__).parents[2]
KEDRO = [sys.executable, "-m", "kedro"]
COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "kedro registry list": [*KEDRO, "registry", "list"],
    "kedro run --params=proteens=x (a typing mistake)": [*KEDRO, "run", "--params=proteens=x"],
    "kedro run --pipeline=train (a typing mistake)": [*KEDRO, "run", "--pipeline=train"],
    "kedro run --pipeline=prediction (the examples)": [*KEDRO, "run", "--pipeline=prediction"],
}


def processor_seconds(command: list[str], project: Path) -> float:
    """User and system time of a command, which may end in the error that it is about."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(project / "src")}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if "Traceback" in done.stderr or (done.returncode and "Error: " not in done.stderr):
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("conf", "src"):
            shutil.copytree(ROOT / name, project / name)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(ROOT / name, project)
        for name in ("01_raw", "06_models"):  # read; what a run writes goes into the temporary folder
            (project / "data").mkdir(exist_ok=True)
            (project / "data" / name).symlink_to(ROOT / "data" / name)
        rounds = [
            {name: processor_seconds(command, project) for name, command in COMMANDS.items()}
            for _ in range(repeats + 1)
        ][1:]  # the first warms caches, and embeds the examples' proteins
    seconds = {name: median(one[name] for one in rounds) for name in COMMANDS}
    unit = seconds["import torch"]
    report(f"{'command':50} {'seconds':>8} {'of the import':>14}")
    for name, taken in seconds.items():
        report(f"{name:50} {taken:8.2f} {taken / unit:14.2f}")


if __name__ == "__main__":
    main()
