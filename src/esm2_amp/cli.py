"""The project's command line: Kedro's, whose `run` also takes `--verbose`."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError

from esm2_amp import __version__
from esm2_amp.app.given_paths import hide_commas, show_commas


def _show_tracebacks(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    KedroCliError.VERBOSE_ERROR = value


def _with_commas_in_names(option: click.Parameter) -> None:
    """Let `--params` take values with commas between double quotation marks."""
    split = option.callback

    def split_outside_quotes(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if split is None or not isinstance(value, str):
            return value
        try:
            return show_commas(split(context, parameter, hide_commas(value)))
        except click.UsageError as error:
            raise click.UsageError(
                f"{error.message} A value that holds a comma stands between double quotation marks, and the whole "
                """between single ones: --params='proteins="run, 2/my.fasta",seed=1'""",
                context,
            ) from error

    option.callback = split_outside_quotes


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


for _option in kedro_run.params:
    if _option.name == "params":
        _with_commas_in_names(_option)

run = click.Command(
    "run", params=[*kedro_run.params, _VERBOSE], callback=kedro_run.callback, help="Run one or more pipelines."
)
run = click.version_option(__version__, prog_name="esm2_amp")(run)
cli.add_command(run)
