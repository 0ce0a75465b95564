"""The project's command line: Kedro's `run`, which also takes `--verbose`, and short commands for what users do most.

`kedro predict` and `esm2_amp predict` are the same command. Each short command runs pipelines of the registry with
options that `kedro run` takes as well: there is no second way of running.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError

from esm2_amp import __version__
from esm2_amp.app.given_paths import hide_commas, show_commas
from esm2_amp.errors import did_you_mean
from esm2_amp.pipeline_registry import PIPELINES


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
_OPTIONS = {option.name: option for option in kedro_run.params}
_PARAMS = _OPTIONS["params"]
_with_commas_in_names(_PARAMS)
_RUNNER = _OPTIONS["runner"]
_RUNNER.default = "esm2_amp.app.side_by_side.SideBySideRunner"


class _Run(click.Command):
    """Kedro's `run`, whose help lists the pipelines, and the files and choices that `--params` takes."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lists below the options."""
        for heading, rows in {
            "Pipelines": list(PIPELINES.items()),
            "Files and choices, as --params=proteins=my.fasta,seed=1": list(_run_options()),
        }.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
        formatter.write_paragraph()
        formatter.write_text(
            "Every value of conf/base/parameters_*.yml can be set as well, as --params=evaluation.replicates=500. "
            "Short commands for the commonest runs: esm2_amp --help."
        )
        formatter.write_paragraph()


def _run_options() -> Iterator[tuple[str, str]]:
    """Names of what a run accepts after `--params=`, and the sentences that document them."""
    from esm2_amp.app.options import RunOptions

    attributes = (inspect.getdoc(RunOptions) or "").split("----------\n", 1)[1]
    for names, words in re.findall(r"^(\S.*) : .*\n((?:    .*\n?)+)", attributes, flags=re.MULTILINE):
        yield names, " ".join(words.split()).replace("`", "")


class _Commands(click.Group):
    """Commands of which `run` is meant where options alone are given."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put `run` before options that aren't those of the group."""
        if args and args[0].startswith("-") and args[0] not in ("--help", "--version"):
            args = ["run", *args]
        return super().parse_args(context, args)

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """The command of that name; the message about an unknown one names the nearest."""
        if self.get_command(context, args[0]) is None:
            known = self.list_commands(context)
            context.fail(f"There must be one of the commands {', '.join(known)}, got {args[0]!r}"
                         f"{did_you_mean(args[0], known)}")  # fmt: skip
        return super().resolve_command(context, args)


@click.group(cls=_Commands, no_args_is_help=True)
@click.version_option(__version__, prog_name="esm2_amp")
def cli() -> None:
    """Predict and explain protein-protein interactions from sequences.

    esm2_amp predict my.fasta my_pairs.csv -o scores.csv

    esm2_amp screen proteome.fasta --queries my_protein.fasta -o screen

    esm2_amp explain my.fasta my_pairs.csv -o why
    """


run = _Run("run", params=[*kedro_run.params, _VERBOSE], callback=kedro_run.callback, help="Run one or more pipelines.")
run = click.version_option(__version__, prog_name="esm2_amp")(run)
cli.add_command(run)


def _more_params() -> click.Option:
    """The option `--params` of `run` as short commands show it."""
    option = copy(_PARAMS)
    assert isinstance(option, click.Option)
    option.help = "Further options, as NAME=VALUE,NAME=VALUE: kedro run --help lists them."
    return option


def _short_command(*pipelines: str) -> Callable[[Callable[..., dict[str, Any]]], click.Command]:
    """Make a command of a function from its arguments to the options of a run, with those that all commands share."""

    def command_of(options_of: Callable[..., dict[str, Any]]) -> click.Command:
        @click.pass_context
        def invoke(context: click.Context, /, env: str, params: dict[str, Any], device: str, **arguments: Any) -> Any:
            given = {**options_of(**arguments), "device": device}
            given = {name: value for name, value in given.items() if value is not None}
            return context.invoke(run, pipelines=list(pipelines), env=env, params={**given, **params})

        command = cli.command(options_of.__name__, help=options_of.__doc__)(invoke)
        declared: list[click.Parameter] = getattr(options_of, "__click_params__", [])[::-1]
        shared = [
            click.Option(["--device"], help="auto, cpu, cuda or mps."),
            click.Option(["--env", "-e"], help="Folder of conf/ whose settings hold, such as esm2_650m."),
            _more_params(),
            _VERBOSE,
        ]
        command.params = [*declared, *shared]
        return command

    return command_of


_PROTEINS = click.argument("proteins")
_PAIRS = click.argument("pairs")
_PAIRS_OR_ALL = click.argument("pairs", required=False)
_MODEL = click.option("-m", "--model", help="A model that you trained, as ESM2_AMPS, or a model's folder.")
_ENCODER = click.option("--encoder", help="Folder, fair-esm file or hub name of the ESM-2 that the model reads.")
_REGIONS = click.option("--regions", help="Annotations of the proteins from UniProt or InterPro.")
_FOLDER = click.option("-o", "--output", required=True, help="Folder for everything that is written.")


@_short_command("prediction")
@_PROTEINS
@_PAIRS_OR_ALL
@_MODEL
@_ENCODER
@click.option("-o", "--output", help="File for the scores: .csv, .csv.gz or .parquet.")
def predict(**arguments: Any) -> dict[str, Any]:
    """Score the pairs of a file, or all pairs of a few proteins.

    esm2_amp predict my.fasta my_pairs.csv -o scores.csv

    esm2_amp predict two_proteins.fasta
    """
    return {"predicted_pairs": arguments.pop("output"), **arguments}


@_short_command("screening")
@_PROTEINS
@click.option("--queries", help="The proteins whose partners are sought: FASTA, or a list of ids among the proteins.")
@click.option("--known", "known_pairs", help="Pairs that interact, to measure how many of them are found.")
@_MODEL
@_ENCODER
@_FOLDER
def screen(**arguments: Any) -> dict[str, Any]:
    """Find the best partners of some proteins, or of each, among all.

    esm2_amp screen proteome.fasta --queries my_protein.fasta -o screen
    """
    return arguments


@_short_command("explanation")
@_PROTEINS
@_PAIRS
@_REGIONS
@_MODEL
@_ENCODER
@_FOLDER
def explain(**arguments: Any) -> dict[str, Any]:
    """Show which segments and residues the scores of pairs rest on.

    esm2_amp explain my.fasta my_pairs.csv --regions uniprot.tsv -o why
    """
    return arguments


@_short_command("evaluation")
@_PROTEINS
@_PAIRS
@_MODEL
@_ENCODER
@_FOLDER
def evaluate(**arguments: Any) -> dict[str, Any]:
    """Measure a model on labelled pairs.

    esm2_amp evaluate my.fasta labelled_pairs.csv -m ppi_mini -o measured
    """
    return {**arguments, "model": arguments["model"] or "ppi_mini"}


@_short_command("training", "evaluation", "report")
@_PROTEINS
@_PAIRS
@click.option("--split", default="protein_disjoint", show_default=True, help="How pair_building splits the pairs.")
@click.option("--epochs", type=int, help="Epochs of every model.")
@_ENCODER
@_FOLDER
def train(split: str, epochs: int | None, **arguments: Any) -> dict[str, Any]:
    """Train all models on labelled pairs, and evaluate them.

    esm2_amp train my.fasta labelled_pairs.csv -o trained

    esm2_amp predict new.fasta new_pairs.csv -m ESM2_AMPS --params=output=trained
    """
    given = {**arguments, "pair_building": {"split": split}}
    return {**given, "training": {"epochs": epochs}} if epochs else given
