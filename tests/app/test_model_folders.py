"""Which folder `model=` means."""

import json
import shutil
from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project

from conftest import DATA_FOLDER, ROOT
from esm2_amp.app.model_folders import check_model, model_folder
from esm2_amp.app.session import Session
from esm2_amp.errors import InputError

bootstrap_project(ROOT)


@pytest.fixture
def project(tmp_path):
    """Folders as those of models: some in the data folder of an environment, some that come with the project."""
    places = [
        "data/06_models/ppi_mini/model",
        "data/06_models/ESM2_GRU/model",
        "data/bernett/06_models/released/model",
        "data/bernett/06_models/ESM2_AMPS/model",
        "elsewhere/copied",
    ]
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "config.json").write_text(json.dumps({"architecture": "ESM2_AMPS"}))
    encoder = tmp_path / "data/06_models/esm2_mini"
    encoder.mkdir()
    (encoder / "config.json").write_text(json.dumps({"model_type": "esm"}))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "data", "folder"),
    [
        ("ESM2_AMPS", "data/bernett", "data/bernett/06_models/ESM2_AMPS/model"),
        ("ESM2_GRU", "data/bernett", "data/bernett/06_models/ESM2_GRU/model"),  # not yet trained there
        ("ppi_mini", "data", "data/06_models/ppi_mini/model"),
        ("ppi_mini", "data/bernett", "data/06_models/ppi_mini/model"),
        ("released", "data/bernett", "data/bernett/06_models/released/model"),
        ("elsewhere/copied", "data", "elsewhere/copied"),
        ("data/bernett/06_models/released", "data", "data/bernett/06_models/released/model"),
        ("data/bernett/06_models/released/model", "data", "data/bernett/06_models/released/model"),
    ],
)
def test_folder_of_a_name(name, data, folder, project):
    assert model_folder(name, data, project) == Path(folder)
    check_model(name, data, project)


def test_folder_of_an_absolute_path(project):
    assert model_folder(str(project / "elsewhere/copied"), "data") == project / "elsewhere/copied"


def test_nearer_folder_of_the_same_name_is_taken(project):
    shutil.copytree(project / "data/06_models/ppi_mini", project / "data/bernett/06_models/ppi_mini")
    assert model_folder("ppi_mini", "data/bernett", project) == Path("data/bernett/06_models/ppi_mini/model")


@pytest.mark.parametrize("name", ["releasd", "esm2_mini", "elsewhere"])
def test_unknown_name_is_told_with_those_that_exist(name, project):
    words = r"A model must be one of ESM2_AMPS, .*, ESM2_SIAM, ppi_mini, released, or the folder of a model, got"
    with pytest.raises(InputError, match=words) as raised:
        check_model(name, "data/bernett", project)
    assert ("(did you mean released?)" in str(raised.value)) == (name == "releasd")


@pytest.mark.parametrize(
    ("environment", "given", "folder", "architecture"),
    [
        ("base", {}, "data/06_models/ppi_mini/model", None),
        ("base", {"model": "ppi_mini_amps"}, "data/06_models/ppi_mini_amps/model", None),
        ("base", {"model": "data/06_models/ppi_mini_amps"}, "data/06_models/ppi_mini_amps/model", None),
        ("base", {"model": "ESM2_GRU"}, "data/06_models/ESM2_GRU/model", "ESM2_GRU"),
        ("bernett", {}, "data/bernett/06_models/ESM2_AMPS/model", None),
        ("bernett", {"model": "ppi_mini"}, "data/06_models/ppi_mini/model", None),
        ("bernett", {"model": "ESM2_GRU", "checkpoint": "a.pth"}, "a.pth", "ESM2_GRU"),
    ],
)
def test_model_of_prediction(environment, given, folder, architecture, monkeypatch):
    monkeypatch.chdir(ROOT)  # where the path of a checkpoint starts
    context = Session.create(project_path=ROOT, env=environment, runtime_params=given).load_context()
    entry = context.catalog.config_resolver.resolve_pattern("prediction.model")
    assert (entry["filepath"], entry["architecture"]) == (str(ROOT / folder), architecture)


@pytest.mark.parametrize(
    ("given", "folder", "name"),
    [
        ({}, "06_models/ESM2_AMPS/model", "ESM2_AMPS"),
        ({"model": "ESM2_DPM"}, "06_models/ESM2_DPM/model", "ESM2_DPM"),
        ({"model": str(ROOT / "data/06_models/ppi_mini")}, ROOT / "data/06_models/ppi_mini/model", "ppi_mini"),
    ],
)
def test_model_of_a_release(given, folder, name, tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_FOLDER, str(tmp_path))
    context = Session.create(project_path=ROOT, env="test", runtime_params=given).load_context()
    entry = context.catalog.config_resolver.resolve_pattern("release.model")
    assert entry["filepath"] == str(tmp_path / folder)
    assert context.params["model_release"].name == name
