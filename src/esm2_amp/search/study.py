"""Studies of Optuna that are resumed, shared by processes, and keep every trial (METHOD section 4)."""

import itertools
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import psutil
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from esm2_amp.errors import DivergedError, InputError
from esm2_amp.parameters.hyperparameter_search import SearchParameters, SearchSpace
from esm2_amp.progress import time_left
from esm2_amp.search.journal import Journal

logger = logging.getLogger(__name__)

Objective = Callable[[optuna.Trial, dict[str, Any]], float]
"""From a trial and the values it drew to the number to maximise."""

MOST_ATTEMPTS = 5
"""How often a trial's process may end before the trial counts as failed: it may need more memory than there is."""

_TIME_TO_NAME_WORKER = timedelta(seconds=30)
"""Time within which a process that begins a trial has stored itself as the trial's worker."""

_ENDED = [socket.gethostname(), -1, 0.0]
"""The `worker` of a trial that no process works on any more."""


def open_study(
    model: str, space: SearchSpace, conditions: dict[str, Any], folder: Path, parameters: SearchParameters
) -> optuna.Study:
    """The study of a model, new or from its storage.

    Parameters
    ----------
    model : str
        Name of the model, the first part of the study's.
    space : SearchSpace
        The values that trials may have.
    conditions : dict
        All else that decides a trial's value, such as the settings and a hash of the data, as JSON can hold it.
    folder : Path
        Where the journal lies.
    parameters : SearchParameters
        The study's name, its storage and its pruning.

    Returns
    -------
    study : optuna.Study
        To be maximised.

    Raises
    ------
    InputError
        The storage can't be reached or is damaged, or the study was made for another space or other conditions.
    """
    name = f"{model}.{parameters.study}"
    pruner = optuna.pruners.MedianPruner() if parameters.pruning == "median" else optuna.pruners.NopPruner()
    study = optuna.create_study(
        study_name=name, storage=_storage(folder, parameters), direction="maximize", pruner=pruner, load_if_exists=True
    )
    now = json.loads(json.dumps({"space": space.model_dump(), **conditions}))
    then = study.user_attrs.get("conditions")
    if then is None:
        study.set_user_attr("conditions", now)
    elif then != now:
        changes = [f"{key}: {json.dumps(then.get(key))} then, {json.dumps(now[key])} now"
                   for key in now if then.get(key) != now[key]]  # fmt: skip
        raise InputError.listing(
            f"The study {name} was begun under other conditions, and trials of both can't be compared; give the search "
            f"a new name (--params=search.study={parameters.study}_2), or restore what changed:",
            changes,
        )
    return study


def _storage(folder: Path, parameters: SearchParameters) -> BaseStorage:
    if parameters.storage is None:
        folder.mkdir(parents=True, exist_ok=True)
        return JournalStorage(Journal(folder / "journal.log"))
    try:
        return RDBStorage(parameters.storage)
    except Exception as error:  # SQLAlchemy's and the drivers' errors have no common class
        raise InputError(
            f"search.storage must be the URL of a database that can be reached, got {parameters.storage!r}: {error}; "
            "start the database, install its driver, or leave search.storage out to use a journal file"
        ) from error


def run_search(
    study: optuna.Study,
    space: SearchSpace,
    objective: Objective,
    folder: Path,
    parameters: SearchParameters,
    *,
    seed: int,
) -> None:
    """Add trials until the study has as many as configured, those of other processes counted.

    A trial whose process ended is tried again with the same values; one whose fit diverges or fails counts, with the
    reason. When this returns, no other process of this machine works on the study.

    Parameters
    ----------
    study : optuna.Study
        As `open_study` returns it.
    space : SearchSpace
        The values that trials may have.
    objective : callable
        From a trial and its values to the number to maximise.
    folder : Path
        Where the lock file lies, the same for all processes of this machine.
    parameters : SearchParameters
        The number of trials.
    seed : int
        Seed of the sampler, together with the number of the draw.

    Raises
    ------
    InputError
        No trial ended with a value, or the study couldn't be stored.
    """
    progress = _SearchProgress(study, parameters)
    while True:
        with FileLock(folder / "search.lock"):  # until the trial has the name of its worker
            _retry_lost(study, space, parameters)
            more = len(counted_trials(study)) < parameters.trials
            trial = _next_trial(study, parameters, seed) if more else None
        if trial is not None:
            _evaluate(study, trial, space, objective)
            progress.log(trial.number)
        elif not more and _has_living_trials(study):
            time.sleep(1)
        elif not more:
            break
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        reasons = [f"trial {t.number}: {t.user_attrs.get('reason', t.state.name.lower())}" for t in study.get_trials()]
        raise InputError.listing(f"No trial of the study {study.study_name} came to an end with a value:", reasons)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Without Optuna's own log line per trial, in place of which `run_search` logs one."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def counted_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count: finished or running, and neither lost with their process nor one too many."""
    return [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]


def _counts(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.WAITING and "discarded" not in trial.user_attrs


def _next_trial(study: optuna.Study, parameters: SearchParameters, seed: int) -> optuna.Trial | None:
    """A trial of this process, or None where other processes have begun enough trials in the meantime."""
    trial = study.ask()
    draw = _number_of_draw(study, trial)
    trial.set_user_attr("draw", draw)
    # from the number of the draw, not from the sampler's state: neither a resumed search nor another process repeats it
    study.sampler = optuna.samplers.TPESampler(seed=seed * 1_000_003 + draw)
    trial.set_user_attr("worker", _worker())
    earlier = sum(other.number < trial.number for other in counted_trials(study))
    if earlier < parameters.trials:
        return trial
    _discard(study, trial, "one more than configured")
    return None


def _number_of_draw(study: optuna.Study, trial: optuna.Trial) -> int:
    """The first number that no other trial has drawn by: a search goes on as if those that were lost never were."""
    if "draw" in trial.user_attrs:  # tried again
        return int(trial.user_attrs["draw"])
    others = (other for other in counted_trials(study) if other.number != trial.number)
    taken = {other.user_attrs.get("draw", other.number) for other in others}
    return next(number for number in itertools.count() if number not in taken)


def _discard(study: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    trial.set_user_attr("discarded", reason)
    study.tell(trial.number, state=TrialState.FAIL)


def _worker() -> list[Any]:
    """Host, number and start of this process: numbers are used again after a process has ended."""
    process = psutil.Process()
    return [socket.gethostname(), process.pid, process.create_time()]


def _has_ended(trial: FrozenTrial, parameters: SearchParameters) -> bool:
    """Whether a running trial's process has ended, as far as it ran on this machine."""
    if "worker" not in trial.user_attrs:  # its process ended before it stored that, or, on another machine, is about to
        if parameters.storage is None:
            return True
        return trial.datetime_start is not None and datetime.now() - trial.datetime_start > _TIME_TO_NAME_WORKER
    host, pid, begun = trial.user_attrs["worker"]
    if host != socket.gethostname():
        return False
    return not (psutil.pid_exists(pid) and abs(psutil.Process(pid).create_time() - begun) < 1)


def _has_living_trials(study: optuna.Study) -> bool:
    """Whether a trial runs on this machine; those of other machines, which may never end, are only logged."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    elsewhere = [
        t.number for t in running if t.user_attrs.get("worker", [socket.gethostname()])[0] != socket.gethostname()
    ]
    if elsewhere and len(elsewhere) == len(running):
        logger.warning(
            "%s: trials %s still run on other machines; run again when they have ended, to count them in",
            study.study_name,
            ", ".join(map(str, elsewhere)),
        )
    return len(running) > len(elsewhere)


def _retry_lost(study: optuna.Study, space: SearchSpace, parameters: SearchParameters) -> None:
    """Discard running trials whose process has ended, and let their values be tried again, finished folds kept.

    A trial that ended before all its values were stored is drawn anew, by the number of its draw: values drawn beside
    some that are given would be others.
    """
    known = study.get_trials(deepcopy=False)
    retried = {trial.user_attrs.get("retry_of") for trial in known}
    for lost in known:
        if lost.state != TrialState.RUNNING or not _has_ended(lost, parameters):
            continue
        trial = optuna.Trial(study, lost._trial_id)
        attempt = lost.user_attrs.get("attempt", 1)
        if attempt >= MOST_ATTEMPTS:
            trial.set_user_attr("reason", f"its process ended {attempt} times, perhaps for lack of memory")
            study.tell(lost.number, state=TrialState.FAIL)
            continue
        # first the retry, then the end of the lost one: killed in between, neither is lost nor doubled
        values = lost.system_attrs.get("fixed_params", {}) | lost.params  # the former where it was itself a retry
        if values.keys() == space.root.keys() and lost.number not in retried:
            kept = {name: value for name, value in lost.user_attrs.items() if name != "worker"}
            study.enqueue_trial(values, {**kept, "retry_of": lost.number, "attempt": attempt + 1})
        _discard(study, trial, "its process ended")
        logger.info("%s: trial %d ended with its process, and is tried again", study.study_name, lost.number)


def _evaluate(study: optuna.Study, trial: optuna.Trial, space: SearchSpace, objective: Objective) -> None:
    try:
        value = objective(trial, space.suggest(trial))
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except (DivergedError, RuntimeError) as error:  # PyTorch's out-of-memory is a RuntimeError
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=TrialState.FAIL)
    except BaseException:  # such as an interrupt in a notebook, whose process lives on
        trial.set_user_attr("worker", _ENDED)
        raise
    else:
        study.tell(trial, value)


class _SearchProgress:
    """Logs a line per trial: its value, the best so far, and about how long the rest takes."""

    def __init__(self, study: optuna.Study, parameters: SearchParameters) -> None:
        self._study, self._total = study, parameters.trials
        self._started, self._done_before = time.monotonic(), self._done()

    def _done(self) -> int:
        return sum(trial.state.is_finished() for trial in counted_trials(self._study))

    def log(self, number: int) -> None:
        trial, done = next(t for t in counted_trials(self._study) if t.number == number), self._done()
        outcome = f"MCC {trial.value:.4f}" if trial.value is not None else trial.state.name.lower()
        if reason := trial.user_attrs.get("reason"):
            outcome += f" ({reason})"
        has_best = any(t.state == TrialState.COMPLETE for t in counted_trials(self._study))
        best = f"{self._study.best_value:.4f} in trial {self._study.best_trial.number}" if has_best else "none yet"
        left = time_left(time.monotonic() - self._started, done - self._done_before, self._total - done)
        logger.info(
            "%s: trial %d: %s; best %s; %d of %d trials, %s",
            self._study.study_name,
            number,
            outcome,
            best,
            done,
            self._total,
            left,
        )
