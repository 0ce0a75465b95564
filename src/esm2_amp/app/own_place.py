"""Where a run writes: the data folder, or the folder of `output=`, which no other run uses at the same time."""

import errno
import json
import logging
import os
import re
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from esm2_amp.checked_json import read_json
from esm2_amp.errors import InputError
from esm2_amp.files import reading, write_atomically

logger = logging.getLogger(__name__)

_RESULTS: Final = re.compile(r"0[78]_[a-z_]+(?:$|/(?:(?:explanation|functional_regions|pair_evaluation|screening)/)?)")
"""Layers whose files stand directly in the folder of `output=`."""

_NO_LOCKS: Final = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}
"""Errors of a file system that has no locks."""

_SHARED_BY_PROCESSES: Final = {"hyperparameter_search"}
"""Pipelines whose processes share one study, and so one folder."""


class OwnPlace:
    """Gives a run the folder of `output=`."""

    def __init__(self) -> None:
        self._data = self._output = Path()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Note the data folder, and the folder of the run."""
        self._data, self._output = _folders(context)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Let the catalog write to the folder; what lies there already is read there, too."""
        if self._output != self._data:
            move_outputs(pipeline, catalog, self._data, self._output)
        if not any(name.endswith("pairs_raw") for name in pipeline.inputs()):
            _name_the_data_as_stored(pipeline, catalog, run_params["runtime_params"])


class OneRunAtATime:
    """Keeps other runs out of the folder that a run writes to."""

    def __init__(self) -> None:
        self._folder = Path()
        self._lock: FileLock | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Note the folder of the run."""
        _, self._folder = _folders(context)

    @hook_impl(trylast=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Lock the folder, when the run has passed all other checks."""
        self._unlock()  # of a run that was interrupted in this process, as in a notebook
        if not _SHARED_BY_PROCESSES.issuperset(run_params["pipeline_names"] or ["__default__"]):
            self._lock = _locked(self._folder, run_params)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Unlock the folder."""
        self._unlock()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Unlock the folder."""
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _folders(context: KedroContext) -> tuple[Path, Path]:
    """The data folder, and the folder that a run writes to: that of `output=`, by default the data folder."""
    loader = context.config_loader
    data = context.project_path / loader["globals"]["data"]
    return data, Path(loader.runtime_params.get("output") or data)


def move_outputs(pipeline: Pipeline, catalog: DataCatalog, data: Path, output: Path) -> None:
    """Let the catalog entries of a pipeline write to another folder than the data folder.

    Results (`07_model_output`, `08_reporting`) stand directly in it, other layers in folders of their names. An entry
    that the pipeline only reads is read there where an earlier run has written it, else from the data folder. The
    store of features stays where it is, since all runs may share it.

    Parameters
    ----------
    pipeline : Pipeline
        Whose outputs are moved.
    catalog : DataCatalog
        Changed in place.
    data, output : Path
        The data folder, and the folder in its place.
    """
    from esm2_amp.io.models import FolderDataset  # imports torch

    for name in sorted(pipeline.datasets()):
        catalog.get(name)  # an entry that serves every model is among those of the catalog from here on
    entries = catalog.to_config()[0]
    for name in sorted(pipeline.datasets()):
        entry = dict(entries.get(name, {}))
        entry |= entry.pop("kwargs", {})  # as Kedro notes down what a class that inherits its `__init__` was made with
        entry.pop("args", None)
        moved = {
            key: path
            for key, value in entry.items()
            if key != "path" and (path := _moved(value, data, output)) is not None
        }
        written = name in pipeline.all_outputs() or isinstance(catalog[name], FolderDataset)
        if moved and (written or all(Path(path).exists() for path in moved.values())):
            catalog[name] = AbstractDataset.from_config(name, {**entry, **moved})


def _moved(value: Any, data: Path, output: Path) -> str | None:
    """The place in the output folder of what lies in a layer of the data folder; None for everything else."""
    if not isinstance(value, str | Path) or not Path(value).is_relative_to(data):
        return None
    return str(output / _RESULTS.sub("", Path(value).relative_to(data).as_posix(), count=1))


def _name_the_data_as_stored(pipeline: Pipeline, catalog: DataCatalog, given: Mapping[str, Any]) -> None:
    """Let figures call the data what they were called when the pairs were split, whatever this run's configuration."""
    from esm2_amp.io.kedro_adapter import dataset_path

    path = dataset_path(catalog.get("split_report"))
    stored = None
    if path and path.exists():
        with reading(path):
            stored = read_json(path).get("data_name")
    names = ["params:run"] if "top_segments" in given else ["params:run", "params:functional_regions"]
    for name in names if stored else ():
        if name in pipeline.inputs():
            catalog[name] = MemoryDataset(catalog.load(name).model_copy(update={"data_name": stored}))


def _locked(folder: Path, run_params: Mapping[str, Any]) -> FileLock | None:
    """The lock of a folder, taken. The operating system frees it when the process ends, however it ends.

    Raises
    ------
    InputError
        Another run has it, or the folder can't be written to.
    """
    lock, holder = FileLock(folder / ".run.lock", timeout=0), folder / ".run.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        try:
            first = json.loads(holder.read_text(encoding="utf-8"))["run"]
        except (OSError, ValueError, KeyError):
            first = "which has only just begun"
        raise InputError(
            f"Another run is writing to {folder}: {first}; wait for its end, or give this run a folder of its own by "
            "--params=output=DIR"
        ) from None
    except (OSError, NotImplementedError) as error:  # filelock raises one or the other, depending on its version
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise InputError(
                f"{folder} can't be written to ({error.strerror}); free it, or give another folder by "
                "--params=output=DIR"
            ) from error
        logger.warning("The file system of %s has no locks: start no second run there meanwhile", folder)
        return None
    command = f"`kedro run --pipelines={','.join(run_params['pipeline_names'] or ['__default__'])}`"
    begun = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    words = f"{command}, process {os.getpid()} on {socket.gethostname()}, begun at {begun}"
    write_atomically(holder, json.dumps({"run": words}).encode())
    return lock
