"""Steps of several models side by side: what they return, how they end, and when they run one after the other."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from conftest import Demonstration, kedro_run_alone
from esm2_amp import cli
from esm2_amp.app.side_by_side import SideBySideRunner
from esm2_amp.errors import InputError
from esm2_amp.parameters.run import RunParameters
from fault_campaign import differences

RUN = RunParameters(device="cpu", seed=0, data_name="pairs", scoring_batch_size=8)
MODELS = ("ESM2_AMPS", "ESM2_DPM")
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="steps run side by side on Linux alone")


class Unportable(Exception):
    """An exception that can't be pickled."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.function = lambda: words


def own_process(_: Any) -> int:
    return os.getpid()


def all_of(*values: Any) -> list[Any]:
    return list(values)


def begun_in(folder: Path, _: Any) -> int:
    return len(list(folder.iterdir()))


def meet(folder: Path, name: str, _: Any) -> int:
    """Return only after the steps of both models have begun."""
    (folder / name).touch()
    while len(list(folder.iterdir())) < len(MODELS):
        time.sleep(0.01)
    return os.getpid()


def fail_when_both_run(folder: Path, error: Exception, _: Any) -> None:
    meet(folder, "failing", _)
    raise error


def end_from_outside(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def never_end(folder: Path, _: Any) -> None:
    meet(folder, "endless", _)
    while True:
        time.sleep(1)


def raise_from_cause(_: Any) -> None:
    try:
        raise InputError("row 3: no label")
    except InputError as error:
        raise RuntimeError("the file can't be loaded") from error


def of_each(first: Any, second: Any) -> Pipeline:
    """A step of each model, then one that reads what both returned."""
    steps = [
        Node(function, "number", f"of_{model}", name=f"step_{model}", namespace=model)
        for model, function in zip(MODELS, (first, second), strict=True)
    ]
    return Pipeline([*steps, Node(all_of, [f"of_{model}" for model in MODELS], "together", name="together")])


def catalog_of(*, tracking: bool = False, run: RunParameters = RUN, **datasets: Any) -> DataCatalog:
    parameters = MemoryDataset({"tracking": {"enabled": tracking}})
    return DataCatalog(
        {"params:run": MemoryDataset(run), "parameters": parameters, "number": MemoryDataset(3), **datasets}
    )


def run_of(pipeline: Pipeline, catalog: DataCatalog | None = None, max_workers: int | None = 2) -> dict[str, Any]:
    found = SideBySideRunner(max_workers).run(pipeline, catalog or catalog_of())
    return {name: dataset.load() for name, dataset in found.items()}


def test_steps_of_two_models_run_at_once(tmp_path):
    found = run_of(of_each(partial(meet, tmp_path, "first"), partial(meet, tmp_path, "second")))
    assert len({*found["together"], os.getpid()}) == 3


def test_values_reach_later_steps_from_memory_and_from_files(tmp_path):
    file = JSONDataset(filepath=str(tmp_path / "first.json"))
    catalog = catalog_of(of_ESM2_AMPS=file)
    first, second = run_of(of_each(own_process, own_process), catalog)["together"]
    assert first == file.load()
    assert second != os.getpid()


def test_steps_that_most_others_wait_for_are_first(tmp_path):
    waited_for = of_each(partial(meet, tmp_path, "first"), partial(meet, tmp_path, "second"))
    alone = Node(partial(begun_in, tmp_path), "number", "begun", name="a_step_for_nobody", namespace="ESM2_AMPS")
    assert run_of(Pipeline([alone]) + waited_for)["begun"] == 2


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (InputError("row 3: no label"), InputError, "^row 3: no label$"),
        (KeyError("entry"), KeyError, "entry"),
        (Unportable("one, two"), RuntimeError, "Unportable: one, two"),
    ],
)
def test_an_error_ends_the_other_steps(tmp_path, error, kind, words):
    pipeline = of_each(partial(never_end, tmp_path), partial(fail_when_both_run, tmp_path, error))
    with pytest.raises(kind, match=words):
        run_of(pipeline)


def test_an_error_shows_where_in_the_step_it_was_raised(tmp_path):
    (tmp_path / "other").touch()
    with pytest.raises(KeyError) as raised:
        run_of(of_each(own_process, partial(fail_when_both_run, tmp_path, KeyError("entry"))))
    assert "fail_when_both_run" in "".join(raised.value.__notes__)


def test_the_mistake_that_caused_an_error_keeps_its_words():
    with pytest.raises(InputError, match=r"^row 3: no label$"):
        run_of(of_each(own_process, raise_from_cause))


def test_a_step_that_is_killed_is_named_with_a_remedy():
    with pytest.raises(InputError, match=r"step ESM2_DPM.*exit code -9.*--runner-params=max_workers=1"):
        run_of(of_each(own_process, end_from_outside))


@pytest.mark.parametrize(
    ("catalog", "max_workers", "pipeline"),
    [
        (catalog_of(), 1, of_each(own_process, own_process)),
        (catalog_of(tracking=True), 2, of_each(own_process, own_process)),
        (catalog_of(run=RUN.model_copy(update={"devices": 2})), 2, of_each(own_process, own_process)),
        (catalog_of(run=RUN.model_copy(update={"cluster": "tcp://host:1"})), 2, of_each(own_process, own_process)),
        (catalog_of(), 2, Pipeline([Node(own_process, "number", "of", name="step", namespace="ESM2_AMPS")])),
    ],
    ids=["one worker", "tracking", "devices", "cluster", "one model"],
)
def test_steps_run_in_this_process_where_nothing_is_gained(catalog, max_workers, pipeline):
    (found,) = run_of(pipeline, catalog, max_workers).values()
    assert found in (os.getpid(), [os.getpid()] * 2)


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script = (
        "from functools import partial; from pathlib import Path\n"
        "from test_side_by_side import meet, never_end, of_each, run_of\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "run_of(of_each(partial(never_end, folder / 'met'), partial(never_end, folder / 'met')))\n"
    )
    (tmp_path / "met").mkdir()
    places = os.pathsep.join(filter(None, [*sys.path, str(Path(__file__).parent)]))
    run = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": places})
    started = children_of(run)
    run.kill()
    run.wait()
    while any(Path(f"/proc/{process}").exists() for process in started):
        time.sleep(0.01)


def children_of(run: "subprocess.Popen[bytes]") -> list[int]:
    """The two workers of a run, once they are there."""
    listing = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    while len(found := listing.read_text().split()) < len(MODELS):
        assert run.poll() is None
        time.sleep(0.01)
    return [int(process) for process in found]


def test_kedro_run_takes_this_runner_and_another_where_one_is_named():
    runner = {option.name: option for option in cli.run.params}["runner"]
    assert runner.default == f"{SideBySideRunner.__module__}.{SideBySideRunner.__name__}"


def test_the_default_pipeline_writes_the_same_bytes_side_by_side(demonstration_run: Demonstration, tmp_path):
    """But for the files that say where they are."""
    shutil.copytree(demonstration_run.folder / "01_raw", tmp_path / "01_raw")
    done = kedro_run_alone(tmp_path, "--runner-params=max_workers=2")
    assert done.exit_code == 0, done.output
    assert "2 at once" in done.output
    named = {name.partition(" ")[2] for name in differences(tmp_path, demonstration_run.folder)}
    assert {Path(name).name for name in named} <= {"fit.json", "regions_report.json", "report.html"}, named
