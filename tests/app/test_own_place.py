"""Runs at the same time, each with its own folder, and what figures call the data."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from conftest import DATA_FOLDER, ROOT, kedro_run
from esm2_amp.app import own_place

EXAMPLES = ROOT / "data/01_raw/examples"
MODEL = (
    f"model={ROOT}/data/06_models/ppi_mini,encoder={ROOT}/data/06_models/esm2_mini,proteins={EXAMPLES}/proteins.fasta"
)

HOLD = """
import sys
from pathlib import Path
from esm2_amp.app.own_place import _locked
lock = _locked(Path(sys.argv[1]), {"pipeline_names": ["training"]})
print("held", flush=True)
sys.stdin.read()
"""


def results_in(folder: Path) -> dict[Path, bytes]:
    """All files of a run but its lock, and but what Kedro-Viz would draw."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and ".run." not in file.name}


@pytest.fixture
def holder(tmp_path):
    """A live process that writes to the folder `place`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "place")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_in_the_same_folder_is_refused_until_the_first_is_dead(holder, tmp_path):
    place = tmp_path / "place"
    options = ("--pipeline=prediction", f"--params=output={place},{MODEL},pairs={EXAMPLES}/pairs.csv")
    refused = kedro_run(tmp_path / "data", *options)
    assert refused.exit_code == 1
    assert f"--pipelines=training`, process {holder.pid} on" in " ".join(refused.output.split())
    assert "--params=output=DIR" in refused.output
    assert not (place / "predicted_pairs.csv").exists()
    holder.kill()
    holder.wait()
    assert kedro_run(tmp_path / "data", *options).exit_code == 0
    assert kedro_run(tmp_path / "data", *options).exit_code == 0  # the run before has given its lock back
    assert (place / "predicted_pairs.csv").exists()


def test_a_run_that_fails_gives_its_folder_back(tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_text("Protein1,Protein2\n,\n")
    for _ in range(2):
        done = kedro_run(tmp_path / "data", "--pipeline=prediction", f"--params=pairs={broken},{MODEL}")
        assert done.exit_code == 1
        assert "Another run" not in done.output


def test_runs_at_the_same_time_give_what_each_gives_alone(tmp_path):
    examples = pd.read_csv(EXAMPLES / "pairs.csv")
    names = ("alone0", "alone1", "live0", "live1")
    processes = []
    for name, seen in zip(names, (examples[:20], examples[20:], examples[:20], examples[20:]), strict=True):
        seen.to_csv(tmp_path / f"{name}.csv", index=False)
        command = [sys.executable, "-m", "kedro", "run", "--env=test", "--pipeline=prediction",
                   f"--params=pairs={tmp_path}/{name}.csv,output={tmp_path}/{name},{MODEL}"]  # fmt: skip
        environment = os.environ | {DATA_FOLDER: str(tmp_path / "data")}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        if name.startswith("alone"):
            process.wait()
        processes.append(process)
    assert [process.wait() for process in processes] == [0] * len(names)
    for number in range(2):
        found = [(tmp_path / f"{name}{number}/predicted_pairs.csv").read_bytes() for name in ("alone", "live")]
        assert found[0] == found[1]


def test_a_folder_of_its_own_takes_all_that_a_run_of_own_proteins_writes(data, demonstration_run, go, tmp_path):
    before = results_in(data)
    shutil.copy(data / "01_raw/planted/proteins.fasta", tmp_path / "mine.fasta")
    output = go(f"--params=proteins={tmp_path / 'mine.fasta'},output={tmp_path / 'mine'}")
    assert "Functional regions are left out: none are given for these proteins" in " ".join(output.split())
    assert "place_annotations" not in output
    after = results_in(data)
    assert after.keys() == before.keys()
    assert [file for file, content in before.items() if after[file] != content and "/store/" not in str(file)] == []
    for earlier, mine in (
        ("08_reporting/model_comparison.csv", "model_comparison.csv"),
        ("06_models/ESM2_AMPS/model/config.json", "06_models/ESM2_AMPS/model/config.json"),
        ("07_model_output/ESM2_AMPS/scored_pairs.csv", "ESM2_AMPS/scored_pairs.csv"),
        ("08_reporting/ESM2_AMPS/explanation/attention_tokens.csv", "ESM2_AMPS/explanation/attention_tokens.csv"),
    ):
        assert (tmp_path / "mine" / mine).read_bytes() == (demonstration_run.folder / earlier).read_bytes()
    assert (tmp_path / "mine/report.html").exists()
    assert str(tmp_path / "mine") in "".join(output.split())


def test_what_an_earlier_run_wrote_there_is_read_there(data, go, tmp_path):
    mine = tmp_path / "mine"
    go("--pipeline=training", "--namespaces=ESM2_MEAN", f"--params=output={mine}")
    go("--pipeline=pair_building", f"--params=output={mine},data_name=mine")
    go("--pipeline=evaluation", f"--params=output={mine}")
    assert (mine / "model_comparison.csv").exists()
    assert json.loads((mine / "05_model_input/split_report.json").read_text())["data_name"] == "mine"


def test_figures_call_the_data_what_they_were_called_when_split(data, go):
    go("--pipeline=pair_building", "--params=data_name=my screen of yeast")
    assert "Test split of my screen of yeast," in " ".join(go("--pipeline=evaluation").split())


@pytest.mark.parametrize(
    ("pipeline", "option", "reader"),
    [
        ("interpretability", "proteins=FILE", "prediction"),
        ("interpretability", "pairs=FILE", "prediction"),
        ("results", "checkpoint=FILE", "prediction"),
        ("model_training", "encoder=facebook/esm2_t6_8M_UR50D", "feature_extraction"),
        ("evaluation", "data_name=x", "pair_building"),
        ("prediction", "training.epochs=3", "model_training"),
        ("prediction", "pair_building.split=random", "pair_building"),
        ("pair_building", "explained_model=ESM2_AMPS", "functional_regions"),
        ("training", "regions=FILE", "functional_regions"),
    ],
)
def test_an_option_that_nothing_reads(pipeline, option, reader, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    done = kedro_run(tmp_path, f"--pipeline={pipeline}", f"--params={option.replace('FILE', str(file))}")
    assert done.exit_code == 1
    message = " ".join(done.output.split())
    assert f"is not read by the pipeline {pipeline}, so it would change nothing" in message
    assert reader in message.partition("it is read by ")[2].split(", ")


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_file_system_without_locks_is_warned_of(error, tmp_path, monkeypatch, caplog):
    def refuse(lock):
        raise error

    monkeypatch.setattr(own_place.FileLock, "acquire", refuse)
    assert own_place._locked(tmp_path, {"pipeline_names": None}) is None
    assert "has no locks: start no second run there" in caplog.text


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("a result")
    done = kedro_run(tmp_path / "data", "--pipeline=prediction", f"--params=output={tmp_path}/out,{MODEL}")
    assert done.exit_code == 1
    assert "can't be written to" in " ".join(done.output.split())
    assert (tmp_path / "out").read_text() == "a result"


def test_a_run_after_an_interrupted_one_in_the_same_process(tmp_path):
    runs = own_place.OneRunAtATime()
    runs._folder = tmp_path
    for _ in range(2):  # no hook is called where a run is interrupted from the keyboard
        runs.before_pipeline_run({"pipeline_names": ["training"]})
    runs.after_pipeline_run()
    assert own_place._locked(tmp_path, {"pipeline_names": ["training"]}) is not None
