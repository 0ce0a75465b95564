"""Studies: what they find, refuse, and how they survive kills and company."""

import itertools
import json
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from esm2_amp.errors import DivergedError, InputError
from esm2_amp.parameters.hyperparameter_search import SearchParameters, SearchSpace
from esm2_amp.search import study as study_module
from esm2_amp.search.report import best_parameters, epochs_table, keep_fold, kept_folds, study_figures, trials_table
from esm2_amp.search.study import MOST_ATTEMPTS, counted_trials, open_study, run_search

SPACE = SearchSpace.model_validate(
    {"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "h1": {"low": 32, "high": 96, "step": 32}}
)
OPTIONS = {
    "enabled": True,
    "trials": 6,
    "mode": "cross_validation",
    "folds": 2,
    "study": "s",
    "pruning": "none",
}

WORKER = """
import os, sys, time
from pathlib import Path
from esm2_amp.search.report import keep_fold, kept_folds
from esm2_amp.parameters.hyperparameter_search import SearchSpace
from esm2_amp.parameters.hyperparameter_search import SearchParameters
from esm2_amp.search.study import open_study, run_search
import pandas as pd

folder, trials, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
space = SearchSpace.model_validate({space})
parameters = SearchParameters(**{options} | dict(trials=trials))

def objective(trial, values):
    for fold in range(len(kept_folds(trial)), 2):
        with (folder / "fits.txt").open("a") as file:
            file.write(f"{{values['learning_rate']!r}} {{fold}}\\n")
        time.sleep(seconds)
        keep_fold(trial, fold, pd.DataFrame({{"epoch": [1], "validation_mcc": [values["learning_rate"]]}}))
    return values["learning_rate"]

(folder / f"ready_{{os.getpid()}}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
run_search(open_study("M", space, {{"data": "d"}}, folder, parameters), space, objective, folder, parameters, seed=1)
print("ended")
""".format(space=SPACE.model_dump(), options=OPTIONS)  # noqa: UP032


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def options(**changes):
    return SearchParameters(**{**OPTIONS, **changes})


def opened(folder, conditions=None, space=SPACE, **changes):
    return open_study("M", space, conditions or {"data": "d"}, folder, options(**changes))


def searched(folder, objective, **changes):
    study = opened(folder, **changes)
    run_search(study, SPACE, objective, folder, options(**changes), seed=1)
    return study


def near_a_hundredth(trial, values):
    return -abs(values["learning_rate"] - 0.01)


def test_objective_is_maximised(tmp_path):
    study = searched(tmp_path, near_a_hundredth, trials=12)
    best = best_parameters(study)
    table = trials_table(study)
    assert best["value"] == table["Value"].max()
    assert best["parameters"]["learning_rate"] == table.loc[table["Value"].idxmax(), "learning_rate"]
    assert table["Trial"].tolist() == list(range(12))


def test_search_adds_only_the_trials_that_are_missing(tmp_path):
    searched(tmp_path, near_a_hundredth, trials=3)
    calls = []
    study = searched(tmp_path, lambda trial, values: calls.append(values) or 0.0, trials=5)
    assert len(calls) == 2
    assert len(counted_trials(study)) == 5
    searched(tmp_path, lambda *_: pytest.fail("nothing is left to do"), trials=5)


def test_resumed_search_draws_what_an_undisturbed_one_draws(tmp_path):
    whole = trials_table(searched(tmp_path / "whole", near_a_hundredth, trials=8))
    for trials in (2, 5, 8):
        parts = trials_table(searched(tmp_path / "parts", near_a_hundredth, trials=trials))
    pd.testing.assert_frame_equal(parts.drop(columns="Seconds"), whole.drop(columns="Seconds"))


def test_values_are_not_drawn_twice(tmp_path):
    rates = trials_table(searched(tmp_path, near_a_hundredth, trials=12))["learning_rate"]
    assert rates.is_unique


def test_failed_trials_count_with_their_reason_and_search_goes_on(tmp_path, caplog):
    def sometimes_fails(trial, values):
        if trial.number == 1:
            raise DivergedError("its loss is nan")
        if trial.number == 2:
            raise RuntimeError("out of memory")
        return 0.5

    with caplog.at_level(logging.INFO, logger="esm2_amp"):
        study = searched(tmp_path, sometimes_fails, trials=4)
    table = trials_table(study)
    assert table["State"].tolist() == ["complete", "fail", "fail", "complete"]
    assert table["Reason"].tolist() == ["", "its loss is nan", "out of memory", ""]
    assert "trial 1: fail (its loss is nan); best 0.5000 in trial 0; 2 of 4 trials" in caplog.text


def test_study_without_a_value_is_an_error(tmp_path):
    def fails(trial, values):
        raise RuntimeError("out of memory")

    with pytest.raises(InputError, match=r"No trial of the study M\.s came to an end with a value:\n  trial 0: out of"):
        searched(tmp_path, fails, trials=2)


def test_mistakes_of_ours_are_not_swallowed(tmp_path):
    with pytest.raises(KeyError):
        searched(tmp_path, lambda trial, values: values["h7"], trials=2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"space": SearchSpace.model_validate({"h1": {"low": 32, "high": 64, "step": 32}})},
            "space: .*96.* then, .*64.* now",
        ),
        ({"conditions": {"data": "other"}}, 'data: "d" then, "other" now'),
    ],
)
def test_study_of_another_space_or_other_data_is_refused(tmp_path, change, words):
    opened(tmp_path)
    with pytest.raises(InputError, match=rf"(?s)new name \(--params=search.study=s_2\).*{words}"):
        opened(tmp_path, **change)
    opened(tmp_path, study="s_2", **change)


def test_unreachable_storage_is_an_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match=r"search.storage must be the URL .* got 'sqlite:////nowhere/at/all.db'"):
        opened(tmp_path, storage="sqlite:////nowhere/at/all.db")
    with pytest.raises(InputError, match=r"search\.storage must be the URL"):
        opened(tmp_path, storage="no url")


def test_pruned_trials_count_and_are_told_apart(tmp_path):
    def falling(trial, values):
        value = 1.0 / (1 + trial.number)
        for epoch in range(3):
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    assert set(trials_table(searched(tmp_path / "none", falling, trials=10))["State"]) == {"complete"}
    median = trials_table(searched(tmp_path / "median", falling, trials=10, pruning="median"))
    assert median["State"].tolist() == ["complete"] * 5 + ["pruned"] * 5


def test_epochs_of_every_fold_are_kept(tmp_path):
    def two_folds(trial, values):
        for fold in (0, 1):
            keep_fold(trial, fold, pd.DataFrame({"epoch": [1, 2], "validation_mcc": [0.1 * fold, 0.2 * trial.number]}))
        return 0.2 * trial.number

    study = searched(tmp_path, two_folds, trials=3)
    table = epochs_table(study)
    assert table[["Trial", "Fold", "Epoch"]].values.tolist() == [
        [t, f, e] for t in range(3) for f in (0, 1) for e in (1, 2)
    ]
    assert table.query("Trial == 2 and Epoch == 2")["ValidationMCC"].tolist() == [0.4, 0.4]


@pytest.mark.parametrize("trials", [1, 4])
def test_figures_name_the_study(tmp_path, trials):
    for figure in study_figures(searched(tmp_path, near_a_hundredth, trials=trials)).values():
        assert "M.s" in figure.layout.title.text


def worker(folder, trials, seconds):
    arguments = [sys.executable, "-c", WORKER, str(folder), str(trials), str(seconds)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def wait_for_lines(file, count):
    deadline = time.monotonic() + 60
    while not (file.exists() and len(file.read_text().splitlines()) >= count):
        assert time.monotonic() < deadline, "no trial begun in a minute"
        time.sleep(0.02)


def test_killed_three_times_no_trial_is_lost_or_doubled(tmp_path):
    (tmp_path / "go").touch()
    for lines in (2, 5, 8):
        process = worker(tmp_path, 5, 0.15)
        wait_for_lines(tmp_path / "fits.txt", lines)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert worker(tmp_path, 5, 0).wait() == 0
    study = opened(tmp_path, trials=5)
    trials = counted_trials(study)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 5
    assert study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING)) == []
    assert all(len(kept_folds(trial)) == 2 for trial in trials)
    fits = Counter((tmp_path / "fits.txt").read_text().splitlines())
    assert {f"{trial.params['learning_rate']!r} {fold}" for trial in trials for fold in (0, 1)} == set(fits)
    assert sum(fits.values()) <= 10 + 3  # of each kill only the fold at work is fitted again


@pytest.mark.parametrize("moment", ["before it has a worker", "before it draws", "between two values", "after it drew"])
def test_search_that_was_interrupted_tries_the_same_values(tmp_path, monkeypatch, moment):
    expected = trials_table(searched(tmp_path / "undisturbed", near_a_hundredth, trials=14))

    def interrupted_at_fifth(trial, values):
        if trial.number == 5:
            raise KeyboardInterrupt
        return near_a_hundredth(trial, values)

    def draws_and_ends(space, trial):
        if trial.number == 5:
            if moment == "between two values":
                space.root["learning_rate"].suggest(trial, "learning_rate")
            raise KeyboardInterrupt
        return suggest(space, trial)

    calls = itertools.count()

    def ends_as_fifth():
        if next(calls) == 5:
            raise KeyboardInterrupt
        return worker_of_process()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        suggest, worker_of_process = SearchSpace.suggest, study_module._worker
        if moment == "before it has a worker":
            patch.setattr(study_module, "_worker", ends_as_fifth)
        elif moment != "after it drew":
            patch.setattr(SearchSpace, "suggest", draws_and_ends)
        searched(tmp_path / "interrupted", interrupted_at_fifth, trials=14)
    found = trials_table(searched(tmp_path / "interrupted", near_a_hundredth, trials=14))
    different = ["Trial", "Seconds"]
    pd.testing.assert_frame_equal(found.drop(columns=different), expected.drop(columns=different), check_exact=True)


def test_two_processes_share_a_study_and_end_with_the_asked_number(tmp_path):
    processes = [worker(tmp_path, 9, 0.1) for _ in range(2)]
    while len(list(tmp_path.glob("ready_*"))) < 2 and all(process.poll() is None for process in processes):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.wait() for process in processes] == [0, 0]
    trials = counted_trials(opened(tmp_path, trials=9))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 9
    assert len({trial.params["learning_rate"] for trial in trials}) == 9
    fits = Counter((tmp_path / "fits.txt").read_text().splitlines())
    assert len(fits) == 18 and set(fits.values()) == {1}
    assert len({tuple(trial.user_attrs["worker"]) for trial in trials}) == 2


@pytest.mark.parametrize("storage", [None, "sqlite:///{folder}/study.db"])
def test_trial_that_ends_its_process_again_and_again_counts_as_failed(tmp_path, storage):
    storage = storage and storage.format(folder=tmp_path)
    drawn = []

    def ends_its_process(trial, values):
        drawn.append(values)
        raise KeyboardInterrupt

    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path, ends_its_process, trials=2, storage=storage)
    table = trials_table(searched(tmp_path, near_a_hundredth, trials=2, storage=storage))
    assert drawn == [drawn[0]] * MOST_ATTEMPTS
    assert table["State"].tolist() == ["fail", "complete"]
    assert table["Reason"][0] == f"its process ended {MOST_ATTEMPTS} times, perhaps for lack of memory"


def test_trials_of_another_machine_are_left_to_it(tmp_path, caplog):
    opened(tmp_path).ask().set_user_attr("worker", ["elsewhere", 1, 0.0])
    table = trials_table(searched(tmp_path, near_a_hundredth, trials=3))
    assert table["State"].tolist() == ["running", "complete", "complete"]
    assert "trials 0 still run on other machines" in caplog.text


def journal_of_three_trials(folder):
    searched(folder, near_a_hundredth, trials=3)
    return folder / "journal.log"


@pytest.mark.parametrize(
    "damage",
    {
        "cut": lambda journal: journal[:-30],
        "cut before its line break": lambda journal: journal[:-1],
        "cut, then a line break": lambda journal: journal[:-30] + b"\n",
        "NUL bytes": lambda journal: journal + bytes(4096),
        "cut, then NUL bytes": lambda journal: journal[:-30] + bytes(4096),
        "NUL bytes in its place": lambda journal: journal[: journal[:-1].rindex(b"\n") + 1] + bytes(50) + b"\n",
    }.items(),
    ids=lambda damage: damage[0],
)
def test_journal_whose_last_record_was_cut_goes_on(tmp_path, caplog, damage):
    journal = journal_of_three_trials(tmp_path)
    before = trials_table(opened(tmp_path)).drop(columns="Seconds")
    records = journal.read_bytes()
    journal.write_bytes(damage[1](records))
    whole = records if damage[0] == "NUL bytes" else records[: records[:-1].rindex(b"\n") + 1]
    study = opened(tmp_path)
    (opening,) = journal.read_bytes().removeprefix(whole).splitlines()
    assert json.loads(opening)["study_name"] == "M.s"
    words = (
        "journal.log: the last record was cut short or altered, as by a kill or a full disk; it is dropped, the "
        f"{whole.count(10)} before it are kept"
    )
    assert words in caplog.text
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # its process is this one, which lives on
        optuna.Trial(study, trial._trial_id).set_user_attr("worker", [socket.gethostname(), -1, 0.0])
    after = trials_table(searched(tmp_path, near_a_hundredth, trials=5))
    assert after["Value"].tolist()[:3] == before["Value"].tolist()
    assert len(after) == 5


def test_record_that_another_process_left_cut_harms_no_running_search(tmp_path):
    study = opened(tmp_path, trials=3)

    def cut_by_another(trial, values):
        with (tmp_path / "journal.log").open("a") as journal:
            journal.write('{"op_code":8,"worker_id":"of a killed pro')
        return near_a_hundredth(trial, values)

    run_search(study, SPACE, cut_by_another, tmp_path, options(trials=3), seed=1)
    whole = trials_table(searched(tmp_path / "undisturbed", near_a_hundredth, trials=3))
    found = trials_table(opened(tmp_path, trials=3))
    pd.testing.assert_frame_equal(found.drop(columns="Seconds"), whole.drop(columns="Seconds"))


def test_journal_damaged_before_its_last_record_is_refused(tmp_path):
    journal = journal_of_three_trials(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:20] + lines[4]
    journal.write_bytes(b"".join(lines))
    with pytest.raises(
        InputError,
        match=r"journal\.log line 4 must be a record in JSON with its checksum, got b'.*move it away to begin",
    ):
        opened(tmp_path)
    assert journal.read_bytes() == b"".join(lines)


def test_altered_digit_in_the_journal_is_refused(tmp_path):
    journal = journal_of_three_trials(tmp_path)
    records = journal.read_bytes()
    at = records.index(b'"values":[') + 12
    journal.write_bytes(records[:at] + bytes([records[at] ^ 1]) + records[at + 1 :])
    with pytest.raises(InputError, match=r"journal\.log line \d+ must be a record in JSON with its checksum"):
        opened(tmp_path)


def test_full_disk_is_an_error_after_which_the_search_goes_on(tmp_path):
    journal = journal_of_three_trials(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 100, limits[1]))
    try:
        with pytest.raises(InputError, match=r"journal\.log could not be written: File too large; free some space"):
            searched(tmp_path, near_a_hundredth, trials=6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not journal.read_bytes().endswith(b"\n")
    whole = trials_table(searched(tmp_path / "undisturbed", near_a_hundredth, trials=6))
    found = trials_table(searched(tmp_path, near_a_hundredth, trials=6))
    assert found["Value"].tolist() == whole["Value"].tolist()


def test_search_needs_no_links(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    for name in ("symlink", "link"):
        monkeypatch.setattr(os, name, refused)
    assert len(trials_table(searched(tmp_path, near_a_hundredth, trials=3))) == 3
