"""Parameters of a run on the level of the configuration: what each model gets, and what is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kedro.framework.startup import bootstrap_project

from conftest import DATA_FOLDER, ROOT
from esm2_amp.app.options import check_groups, with_shared_training
from esm2_amp.app.session import Session
from esm2_amp.errors import InputError
from esm2_amp.parameters.model_training import ARCHITECTURES

bootstrap_project(ROOT)


def training_of_models(folder: Path, given: dict, written: str = "") -> dict[str, dict]:
    """Every model's training settings where these parameters are given, and these stand in a file of the user's."""
    conf = Path(shutil.copytree(ROOT / "conf", folder / "conf"))
    (conf / "test/parameters_mine.yml").write_text(written or "{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_FOLDER, str(folder))
        session = Session.create(project_path=ROOT, env="test", runtime_params=given, conf_source=str(conf))
        parameters = session.load_context().params
    assert "training" not in parameters
    return {model: parameters[model]["settings"].training.model_dump() for model in ARCHITECTURES}


def without(settings: dict, *names: str) -> dict:
    return {name: value for name, value in settings.items() if name not in names}


def test_value_for_all_models_replaces_that_of_each_and_nothing_else(tmp_path):
    before = training_of_models(tmp_path / "before", {})
    after = training_of_models(tmp_path / "after", {"training": {"batch_size": 48, "plateau": {"patience": 7}}})
    for model in ARCHITECTURES:
        assert (after[model]["batch_size"], after[model]["plateau"]["patience"]) == (48, 7)
        assert after[model]["plateau"]["factor"] == before[model]["plateau"]["factor"]
        assert without(after[model], "batch_size", "plateau") == without(before[model], "batch_size", "plateau")


@pytest.mark.parametrize(
    ("given", "written", "of_amps", "of_others"),
    [
        ({}, "training: {epochs: 5}", 5, 5),
        ({}, "training: {epochs: 5}\nESM2_AMPS: {settings: {training: {micro_batch_size: 2}}}", 5, 5),
        ({"training": {"epochs": 6}}, "training: {epochs: 5}", 6, 6),
        ({"ESM2_AMPS": {"settings": {"training": {"epochs": 8}}}}, "training: {epochs: 5}", 8, 5),
        ({"training": {"epochs": 6}, "ESM2_AMPS": {"settings": {"training": {"epochs": 8}}}}, "", 8, 6),
    ],
)
def test_last_place_that_gives_a_value_counts(given, written, of_amps, of_others, tmp_path):
    found = {model: settings["epochs"] for model, settings in training_of_models(tmp_path, given, written).items()}
    assert found == dict.fromkeys(ARCHITECTURES, of_others) | {"ESM2_AMPS": of_amps}


def test_wrong_value_for_all_models_is_told_once_with_its_file(tmp_path):
    with pytest.raises(InputError) as raised:
        training_of_models(tmp_path, {}, "training: {epoch: 5}")
    [line] = str(raised.value).splitlines()
    assert line.endswith("test/parameters_mine.yml): training.epoch: There is no parameter of this name, got 5")


def test_all_mistakes_are_told_together_and_by_the_names_in_the_files(tmp_path):
    written = "ESM2_GRU: {settings: {network: {h1: 0}}}\nevaluation: {baselines: {use: [composition, svm]}}"
    with pytest.raises(InputError) as raised:
        training_of_models(tmp_path, {"training": {"epochs": 0}}, written)
    _, *lines = str(raised.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "- training.epochs",
        "- ESM2_GRU.settings.network.h1",
        "- evaluation.baselines.use.1",
    ]


@pytest.mark.parametrize("configured", [{"training": 5}, {"ESM2_AMPS": 5}])
def test_one_value_in_the_place_of_a_group_of_a_file(configured):
    with pytest.raises(InputError, match="is a group of parameters, which are set one by one"):
        check_groups(with_shared_training(configured, {}), {"ESM2_AMPS.settings"})


def test_parameters_given_are_left_as_they_are():
    configured = yaml.safe_load("{training: {epochs: 3}, ESM2_GRU: {settings: {training: {epochs: 9}}}}")
    with_shared_training(configured, {})
    assert configured["ESM2_GRU"]["settings"]["training"] == {"epochs": 9}


HEAVY = ("torch", "lightning", "sklearn", "matplotlib", "transformers", "esm2_amp.pipelines")


@pytest.mark.parametrize("modules", ["esm2_amp.settings, esm2_amp.cli, esm2_amp.__main__, esm2_amp.pipeline_registry"])
def test_start_imports_nothing_heavy(modules):
    program = f"import sys, {modules}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


@pytest.mark.parametrize("option", ["--params=proteens=x", "--params=run=3", "--params=model=AMPS", "--pipeline=train"])
def test_mistyped_option_is_told_before_the_pipelines_are_imported(option):
    command = [sys.executable, "-X", "importtime", "-m", "kedro", "run", option]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "Error: " in done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "esm2_amp.app.session" in imported
    assert not imported.intersection(HEAVY)
