"""`python -m esm2_amp` and the `esm2_amp` command: runs the project's pipelines like `kedro run`."""

import os
import sys
from pathlib import Path
from typing import Any

from esm2_amp.app.model_folders import project_folder


def main(*args: Any, **kwargs: Any) -> Any:
    """Run a command of `esm2_amp.cli`; without the name of one, a pipeline with the options of `kedro run`."""
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "true")  # outside the checkout no .telemetry says so
    logging = project_folder() / "conf/logging.yml"
    if logging.is_file():  # Kedro looks for it in the working directory alone, and while it is imported
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(logging))
    from kedro.framework.project import configure_project

    configure_project(Path(__file__).parent.name)
    from esm2_amp.cli import cli

    return cli(*args, **{"standalone_mode": not hasattr(sys, "ps1"), **kwargs})


if __name__ == "__main__":
    main()
