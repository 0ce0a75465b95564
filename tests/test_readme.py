"""The README's commands, options and paths are those of the project.

`kedro run` lines go through all that a run does before its first step; what the steps do is in test_runs.py. The two
marked commands are executed by .ci/run, in a fresh environment.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from Bio import SeqIO
from click.testing import CliRunner
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from kedro.runner import SequentialRunner
from packaging.requirements import Requirement

import esm2_amp
from conftest import ROOT, Demonstration, context_of, kedro_run
from esm2_amp import cli
from esm2_amp.app.options import RunOptions
from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION
from esm2_amp.models.registry import MODELS
from output_tables import problems_of_tables

README = (ROOT / "README.md").read_text()
PAGES = {file.name: file.read_text() for file in sorted((ROOT / ".readme").glob("*.md"))}
OF_CLUSTERS = "machines.md"
"""The page whose commands are of schedulers and containers; test_machines_page.py has their tests."""
ALL = "\n".join([README, *(text for name, text in PAGES.items() if name != OF_CLUSTERS)])
BLOCKS = re.findall(r"^```bash\n(.*?)^```", ALL, flags=re.M | re.S)
LINES = [line.split(" #")[0] for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [command.replace(".venv/bin/", "").strip() for line in LINES for command in re.split(r"&&|;", line)]
COMMANDS = list(dict.fromkeys(command for command in COMMANDS if command and not command.startswith("#")))
RUNS = [command for command in COMMANDS if re.match(r"(kedro run|esm2_amp)\b", command)]
INSTALLATIONS = [command for command in COMMANDS if command.startswith("pip install")]
ELSEWHERE = ("python3 -m venv", "pytest", "git clone", "cd ", ". ", "source ", "tar ")
"""Executed by .ci/run, or no command of the project."""
COLUMNS_SHOWN = ("Probability", "CalibratedProbability", "Spread", "Unlikeness")
OTHERS = [c for c in COMMANDS if c not in RUNS and c not in INSTALLATIONS and not c.startswith(ELSEWHERE)]
FILES = {
    "proteins": "proteins.fasta",
    "pairs": "train_pairs.csv",
    "validation_pairs": "validation_pairs.csv",
    "test_pairs": "test_pairs.csv",
    "regions": "regions.tsv",
    "queries": "proteins.fasta",
    "known_pairs": "train_pairs.csv",
}

bootstrap_project(ROOT)


class Rehearsal(SequentialRunner):
    """Runs no step."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}


def in_test_environment(options: list[str], data: Path, folder: Path) -> list[str]:
    """The options with the tests' environment and files in place of the README's."""
    kept = []
    for option in options:
        name, _, value = option.partition("=")
        if name == "--env":
            assert (ROOT / "conf" / value).is_dir(), option
        elif name == "--params":
            kept.append("--params=" + ",".join(with_test_file(part, data, folder) for part in value.split(",")))
        elif name != "--conf-source":
            kept.append(option)
    return kept


def with_test_file(parameter: str, data: Path, folder: Path) -> str:
    name, _, value = parameter.partition("=")
    if name in FILES:
        return f"{name}={data / '01_raw/planted' / FILES[name]}"
    if name in ("output", "predicted_pairs"):
        return f"{name}={folder / Path(value).name}"
    if name in ("features", "checkpoint", "entry_list", "top_segments", "low_segments"):
        (folder / Path(value).name).touch()
        return f"{name}={folder / Path(value).name}"
    return parameter


def options_of_short_command(words: list[str]) -> list[str]:
    """The options of `kedro run` that a short command stands for."""
    given: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.run, "callback", lambda **options: given.update(options))
        done = CliRunner().invoke(cli.cli, words)
    assert done.exit_code == 0, done.output
    params = ",".join(f"{name}={value}" for name, value in flat(given["params"]))
    return [f"--pipelines={','.join(given['pipelines'])}", f"--params={params}"]


def flat(params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", found) for inner, found in flat(value))
        else:
            yield name, value


@pytest.fixture(scope="module")
def finished(demonstration_run: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished run's data folder: a rehearsal locks it."""
    return Path(shutil.copytree(demonstration_run.folder, tmp_path_factory.mktemp("finished") / "data"))


@pytest.mark.parametrize("command", RUNS)
def test_run_is_accepted(command, finished: Path, tmp_path):
    program, *words = shlex.split(command)
    options = options_of_short_command(words) if program == "esm2_amp" else words[1:]
    options = in_test_environment(options, finished, tmp_path)
    exit_code, output = kedro_run(finished, "--runner=test_readme.Rehearsal", *options)
    assert exit_code == 0, output


@pytest.mark.parametrize("command", INSTALLATIONS)
def test_installed_extra_is_one(command):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in re.findall(r"\[([\w,]+)\]", command):
        assert set(extra.split(",")) <= set(extras)
    for file in re.findall(r"-[cr] (\S+)", command):
        assert (ROOT / file).is_file()
    named = [word.strip("'\"") for word in command.split()[2:] if not word.startswith("-")]
    assert all(word.startswith((".", "esm2_amp", '".')) or Requirement(word) for word in named)


@pytest.mark.parametrize("command", OTHERS)
def test_other_command_is_kedros(command):
    kedro, *words = shlex.split(command)
    assert kedro == "kedro"
    if words[0] == "mlflow":
        pytest.importorskip("kedro_mlflow", reason="needs the extra esm2_amp[mlflow]")
    names = [word for word in words if not word.startswith("-")]
    asked = [sys.executable, "-m", "kedro", *names, "--help"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    for option in set(words) - set(names):
        assert option.partition("=")[0] in told.stdout


def rows_of_table(heading: str, page: str = README) -> list[list[str]]:
    """The names in code style in the first cell of each row below a heading."""
    section = page.split(f"# {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in section.splitlines() if row.startswith("|")]


def test_tables_name_pipelines_models_and_parameters():
    assert {name for names in rows_of_table("Pipelines") for name in names} <= set(pipelines)
    assert {name for names in rows_of_table("Models and their evidence") for name in names} >= set(MODELS)
    parameters, _ = context_of("base", ROOT)
    parameters |= {"training": parameters["ESM2_AMPS"]["settings"].training}  # the group stands for each model's
    rows = rows_of_table("Inputs and options", PAGES["inputs.md"])
    named = {part for names in rows for name in names for part in name.split(",")}
    for part in named - {"--params="}:
        group, *inner = part.partition("=")[0].split(".")
        value = parameters[group] if group not in RunOptions.model_fields else None
        for name in inner:
            value = value[name] if isinstance(value, dict) else getattr(value, name)


def test_paths_exist_or_are_data_sets():
    _, catalog = context_of("base", ROOT)
    data_sets = [
        catalog.get(name) for name in {name for pipeline in pipelines.values() for name in pipeline.datasets()}
    ]
    paths = {str(getattr(one, "_filepath", getattr(one, "_path", ""))).removeprefix(f"{ROOT}/") for one in data_sets}
    paths |= {str(parent) for path in paths for parent in Path(path).parents}
    for named in set(re.findall(r"`((?:conf|data|docs|notebooks|src|tests|training)/[^`\s]*)`", ALL)):
        path = named.replace("<model>", MODELS_WITH_ATTENTION[0])
        there = any(any(folder.glob(path.rstrip("/"))) for folder in (ROOT, ROOT / "src/esm2_amp"))
        assert there or path.rstrip("/") in paths, path


def test_links_lead_to_files():
    pages = {ROOT: README} | {ROOT / ".readme" / name: text for name, text in PAGES.items()}
    for place, text in pages.items():
        folder = place if place.is_dir() else place.parent
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", text):
            assert (folder / target).exists(), f"{place.name}: {target}"


def test_readme_is_short():
    assert len(README.split()) <= 1800


def test_tables_of_a_run_are_those_of_the_page_on_outputs(demonstration_run: Demonstration):
    assert not problems_of_tables(demonstration_run.folder)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["Model", "auroc"], "auroc is in another style"),
        (["Model", "Auroc"], "Auroc is in another style"),
        (["Model", "region_type"], "region_type is in another style"),
        (["Model", "Coverage (%)"], "Coverage (%) is in another style"),
        (["Model", "Kind"], "Kind isn't on the page of outputs"),
        (["Model", "Metric"], "ModelA, of the page of outputs, is missing"),
    ],
)
def test_a_table_of_another_style_is_found(columns, words, tmp_path):
    file = tmp_path / "08_reporting/model_differences.csv"
    file.parent.mkdir()
    pd.DataFrame([[0.1234567] * len(columns)], columns=columns).to_csv(file, index=False)
    found = problems_of_tables(tmp_path)
    assert f"08_reporting/model_differences.csv: {words}" in found
    assert "08_reporting/model_differences.csv: 0.1234567 has too many digits" in found


@pytest.mark.parametrize("page", ["README.md", "measurements.md"])
def test_ladder_has_the_figures_of_the_shipped_models(page):
    text = README if page == "README.md" else PAGES[page]
    headings, columns = {"accuracy": "accuracy", "MCC": "mcc", "AUROC": "auroc", "AUPR": "aupr"}, {}
    for name, network in {"ppi_mini": "ESM2_SIAM", "ppi_mini_amps": "ESM2_AMPS"}.items():
        card = json.loads((ROOT / "data/06_models" / name / "model/card.json").read_text())
        metrics = card["evaluation"]["metrics"]
        columns |= {f"`{network}` on `esm2_mini`": metrics[network], "composition, boosted": metrics["composition"],
                    "mean vectors of `esm2_mini`": metrics["mean_vector_logistic"]}  # fmt: skip
    for words, metrics in columns.items():
        row = next(line for line in text.splitlines() if line.startswith("|") and words in line)
        shown = headings if row.count("|") == len(headings) + 2 else {k: v for k, v in headings.items() if k != "MCC"}
        for cell, metric in zip(row.split("|")[2:-1], shown.values(), strict=True):
            value, low, high = metrics[metric]
            assert cell.strip().strip("*") == f"{value:.3f} ({low:.3f}–{high:.3f})", words


OF_ESM2_8M = {
    "five `ESM2_SIAM`": "ESM2_SIAM",
    "five `ESM2_DPM`": "ESM2_DPM",
    "three `ESM2_AMPS`": "ESM2_AMPS",
    "`ESM2_MEAN`": "ESM2_MEAN",
    "mean vectors of": "mean_vector_logistic",
}


@pytest.mark.parametrize("page", ["README.md", "measurements.md"])
def test_ladder_has_the_figures_of_models_on_esm2_8m(page):
    """`esm2_8m.csv` is the `model_comparison.csv` of `--env=esm2_8m` on the gold standard."""
    text = README if page == "README.md" else PAGES[page]
    measured = pd.read_csv(ROOT / "tests/data/measured/esm2_8m.csv").set_index("Model")
    found = re.findall(r"^\| ([^|]*?)(?: on)? ESM-2 8M(?:, logistic regression)? \| (.*) \|$", text, flags=re.M)
    assert len(found) == (1 if page == "README.md" else len(OF_ESM2_8M))
    for words, cells in found:
        row = measured.loc[OF_ESM2_8M[words]]
        metrics = ["Accuracy", "AUROC", "AUPR"] if cells.count("|") == 2 else ["Accuracy", "MCC", "AUROC", "AUPR"]
        expected = [f"{row[name]:.3f} ({row[f'{name}Low']:.3f}–{row[f'{name}High']:.3f})" for name in metrics]
        assert cells.split(" | ") == expected, words


def test_planted_truth_has_the_measured_figures():
    script = ROOT / "tests/benchmarks/bench_planted_truth.py"
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert found.stdout in PAGES["explanations.md"]


@pytest.mark.parametrize(
    ("name", "shape"), [("`esm2_mini`", "esm2_mini"), ("ESM-2 8M", "t6_8M"), ("ESM-2 35M", "t12_35M")]
)
def test_times_of_extraction_are_those_of_the_measured_rates(name, shape):
    measured = pd.read_csv(ROOT / "tests/data/measured/extraction.csv").set_index(["Shape", "Row"])["TokensPerSecond"]
    published, *ours = (measured[shape, row] for row in ("protloc_mex_X float32", "ours float32", "ours bfloat16"))
    tokens = 20_000 * (560 + len(("cls", "eos")))
    assert f"| {name} | {' | '.join(f'{tokens / rate / 60:.0f} min' for rate in ours)} |" in README
    beside = " | ".join(f"{rate:,.0f} ({rate / published:.1f} times)" for rate in ours)
    assert f"| {name} | {published:,.0f} | {beside} |" in PAGES["measurements.md"]


def test_readme_shows_the_best_rows_of_the_first_command():
    proteins = ROOT / "data/01_raw/examples/proteins.fasta"
    entries = [record.id.split("|")[1] for record in SeqIO.parse(proteins, "fasta")]
    predicted = esm2_amp.predict(proteins, list(combinations(entries, 2)), model="ppi_mini")
    best = predicted.sort_values("Probability", ascending=False).head(5)
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$", README, flags=re.M)
    assert f"the five best of the {len(predicted)} rows" in " ".join(README.split())
    names = predicted["Protein1"] + "-" + predicted["Protein2"]
    ranks = dict(zip(names, predicted["Probability"].rank(ascending=False).astype(int), strict=True))
    known = (ROOT / "data/01_raw/examples/README.md").read_text()
    pairs, told = re.findall(r"\((\w{6}),\s(\w{6})\)", known), re.findall(r"(\d+)(?:st|nd|rd|th)\b", known)
    assert sorted(ranks.get(f"{a}-{b}") or ranks[f"{b}-{a}"] for a, b in pairs) == list(map(int, told))
    for shown, (_, row) in zip(rows, best.iterrows(), strict=True):
        values = (
            f"{row['Probability']:.3f} {row['CalibratedProbability']:.3f} {row['Spread']:.2f} {row['Unlikeness']:.0f}"
        )
        assert shown == (row["Protein1"], row["Protein2"], *values.split())
    card = json.loads((ROOT / "data/06_models/ppi_mini/model/card.json").read_text())
    precision = card["evaluation"]["metrics"]["ESM2_SIAM"]["precision_at_1_100"][0]
    assert f"interacting, {100 * precision:.1f} % would be right there" in " ".join(README.split())
