"""The project's command line: Kedro's, whose `run` also takes `--verbose`."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError

from esm2_amp import __version__


def _show_tracebacks(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    KedroCliError.VERBOSE_ERROR = value


_VERBOSE = click.Option(
    ["--verbose"],
    is_flag=True,
    expose_value=False,
    callback=_show_tracebacks,
    help="Show the traceback of a mistake, too.",
)


@click.group()
def cli() -> None:
    """Commands of the project."""


run = click.Command(
    "run", params=[*kedro_run.params, _VERBOSE], callback=kedro_run.callback, help="Run one or more pipelines."
)
run = click.version_option(__version__, prog_name="esm2_amp")(run)
cli.add_command(run)
