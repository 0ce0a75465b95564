"""`python -m esm2_amp` and the `esm2_amp` command: runs the project's pipelines like `kedro run`."""

import os
import sys
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Run a pipeline with the options of `kedro run`."""
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")  # outside the checkout no .telemetry says so
    package_name = Path(__file__).parent.name
    configure_project(package_name)
    run = find_run_command(package_name)
    return run(*args, **{"standalone_mode": not hasattr(sys, "ps1"), **kwargs})


if __name__ == "__main__":
    main()
