"""The package that `kedro package` makes, away from the checkout."""

import filecmp
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import ROOT, copy_project
from esm2_amp import __version__


def said_by(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command says; it must succeed."""
    outcome = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, text=True, stdout=-1, stderr=subprocess.STDOUT, check=False
    )
    if "No matching distribution found for setuptools" in outcome.stdout:
        pytest.skip("needs a package index, to build the wheel in an environment of its own")
    assert outcome.returncode == 0, outcome.stdout
    return outcome.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the package, its dependencies aside, and the unpacked configuration."""
    project, folder = copy_project(tmp_path_factory.mktemp("packaged")), tmp_path_factory.mktemp("elsewhere")
    said_by(sys.executable, "-m", "kedro", "package", cwd=project)
    wheel = next((project / "dist").glob("*.whl"))
    said_by(sys.executable, "-m", "pip", "install", "--no-deps", "--target=site", wheel, cwd=folder)
    said_by("tar", "xzf", project / "dist/conf-esm2_amp.tar.gz", cwd=folder)
    return folder


def esm2_amp(installed: Path, *options: str) -> str:
    """What the packaged command says."""
    command, site = installed / "site/bin/esm2_amp", str(installed / "site")
    return said_by(sys.executable, command, *options, cwd=installed, PYTHONPATH=site)


def test_packaged_command_runs_away_from_the_checkout(installed):
    said = esm2_amp(installed, "--pipeline=planted_data", "--conf-source=conf")
    assert "data/01_raw/planted: motifs.csv, proteins.fasta" in " ".join(said.split())
    assert "Kedro" not in said
    planted = ROOT / "data/01_raw/planted"
    files = [file.name for file in planted.iterdir() if file.suffix != ".md"]
    same, *other = filecmp.cmpfiles(planted, installed / "data/01_raw/planted", files, shallow=False)
    assert (sorted(same), other) == (sorted(files), [[], []])


def test_packaged_command_without_a_configuration_says_what_it_needs(installed, tmp_path):
    command, environment = installed / "site/bin/esm2_amp", os.environ | {"PYTHONPATH": str(installed / "site")}
    words = [sys.executable, command, "predict", "mine.fasta"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Error: {tmp_path}/conf must be a folder of configuration files; start in the project" in done.stderr


def test_lock_holds_a_fitting_version_of_every_requirement():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    extras = [of_extra for group in project["optional-dependencies"].values() for of_extra in group]
    for required in map(Requirement, [*project["dependencies"], *extras]):
        if required.name != project["name"]:
            assert required.specifier.contains(locked[canonicalize_name(required.name)]), required


def test_packaged_command_tells_its_version(installed):
    assert __version__ in esm2_amp(installed, "--version")
