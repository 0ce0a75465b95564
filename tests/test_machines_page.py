"""The page on machines: its commands, settings, scripts and recipes are those of the project and its tools."""

import ast
import re
import shlex
import tomllib

import pytest
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from conftest import ROOT, context_of

PAGE = (ROOT / ".readme/machines.md").read_text()
BLOCKS = {
    language: [block for of, block in re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.M | re.S) if of == language]
    for language in ("bash", "python", "dockerfile")
}
LINES = [line for block in BLOCKS["bash"] for line in block.splitlines()]
RUNS = [line.removeprefix(".venv/bin/") for line in LINES if "kedro run" in line]
ROWS = [row.split("|")[1:-1] for row in PAGE.splitlines() if row.startswith("| `")]

bootstrap_project(ROOT)


def parameter(name, parameters):
    """A value by its dotted name, in the groups of a configuration."""
    group, *inner = name.split(".")
    value = parameters["ESM2_AMPS"]["settings"].training if group == "training" else parameters[group]
    for part in inner:
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("command", RUNS)
def test_runs_name_pipelines_environments_and_parameters(command):
    options = dict(word.removeprefix("--").split("=", 1) for word in shlex.split(command)[2:])
    parameters, _ = context_of(options.get("env", "base"), ROOT)
    assert options.get("pipeline", "__default__") in pipelines
    for given in options.get("params", "").split(","):
        name, _, value = given.partition("=")
        if "." in name:
            assert type(parameters[name.split(".")[0]]).model_validate(
                with_value(parameters[name.split(".")[0]], name.split(".")[1:], value)
            )


def with_value(group, names, value):
    content = group.model_dump()
    inner = content
    for name in names[:-1]:
        inner = inner[name]
    assert names[-1] in inner
    inner[names[-1]] = value
    return content


def test_the_table_has_the_values_of_the_configuration():
    assert len(ROWS) == 4
    names = ("base", "bernett", "esm2_8m", "esm2_650m", "bernett_mini")
    environments = {env: context_of(env, ROOT)[0] for env in names}
    for setting, _, default, of_recipes in ROWS:
        name = setting.strip(" `")
        first = re.findall(r"`([^`]+)`", default)[0]
        recipe = re.findall(r"`([^`]+)`", of_recipes)[0]
        assert parameter(name, environments["base"]) == first
        assert {parameter(name, environments[env]) for env in ("bernett", "esm2_8m", "esm2_650m")} == {recipe}
    assert parameter("training.precision", environments["bernett_mini"]) == "auto"


def test_the_batch_script_asks_for_the_devices_that_the_run_uses():
    script = next(block for block in BLOCKS["bash"] if "#SBATCH" in block)
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", script, flags=re.M))
    run = dict(re.findall(r"run\.(\w+)=(\w+)", script))
    assert asked["nodes"] == run["num_nodes"]
    assert asked["gpus-per-node"] == asked["ntasks-per-node"] == run["devices"]
    assert script.splitlines()[0] == "#!/bin/bash"


def test_the_recipe_for_dask_jobqueue_starts_a_cluster_on_slurm():
    (recipe,) = BLOCKS["python"]
    calls = {node.func.id: node for node in ast.walk(ast.parse(recipe))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in calls["SLURMCluster"].keywords}
    jobqueue = pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue")
    cluster = jobqueue.SLURMCluster(**given | {"scheduler_options": {"port": 0}})
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    assert "#SBATCH --gpus=1" in script
    assert ".venv/bin/python -m distributed.cli.dask_worker" in script
    assert script.count("--nthreads 1") >= 1


def test_the_container_has_the_python_and_the_versions_of_the_project():
    (recipe,) = BLOCKS["dockerfile"]
    python = re.findall(r"^FROM python:([\d.]+)-slim$", recipe, flags=re.M)[0]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == f">={python}"
    for file in re.findall(r"--constraint (\S+)", recipe):
        assert (ROOT / file).exists()
    assert '["kedro", "run"]' in recipe
    for line in LINES:
        if line.startswith(("docker run", "apptainer run")):
            assert ":/esm2_amp/data" in line


def test_extras_that_the_page_installs_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r'pip install -e "\.\[(\w+)\]"', PAGE)) <= set(extras)


def test_the_readme_leads_here():
    assert "(.readme/machines.md)" in (ROOT / "README.md").read_text()
