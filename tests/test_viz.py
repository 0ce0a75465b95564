"""Kedro-Viz, as a user sees it: the graph of the pipelines, and what opens on a click."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from browser import Page, needs_chromium, open_page, served
from conftest import DATA_FOLDER
from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION
from esm2_amp.models.registry import MODELS
from esm2_amp.pipeline_registry import PIPELINES

LAYERS = ["raw", "intermediate", "primary", "feature", "model_input", "models", "model_output", "reporting"]
MOST_DRAWN = 40
"""Tasks, groups and datasets of a graph that can be read as it opens."""

FOREIGN = ("fonts.googleapis.com", "/api/metadata", "metadata fetch error")
"""What Kedro-Viz itself asks for in vain in a static site, or offline."""


@pytest.fixture(scope="module")
def viz_environment(demonstration_run) -> dict[str, str]:
    return os.environ | {DATA_FOLDER: str(demonstration_run.folder), "KEDRO_ENV": "test"}


@pytest.fixture(scope="module")
def site(project, viz_environment) -> Path:
    command = [sys.executable, "-m", "kedro", "viz", "build", "--include-previews"]
    done = subprocess.run(command, cwd=project, env=viz_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return project / "build"


@pytest.fixture(scope="module")
def graphs(site) -> dict[str, dict]:
    """What the page draws, by pipeline."""
    return {file.name: json.loads(file.read_text()) for file in (site / "api/pipelines").iterdir()}


@pytest.fixture(scope="module")
def page(site, tmp_path_factory) -> Iterator[Page]:
    with served(site) as address, open_page(tmp_path_factory.mktemp("browser")) as page:
        page.address = address
        yield page


def free_port() -> int:
    """One that Kedro-Viz takes: not above those that are registered."""
    for port in range(20_000, 49_000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def is_there(path: Path) -> bool:
    return path.is_file() or any(path.glob("*"))


def id_of(graphs, name: str) -> str:
    return next(node["id"] for node in graphs["__default__"]["nodes"] if node["name"] == name)


def test_every_node_has_a_name_and_a_neighbour(graphs):
    for pipeline, graph in graphs.items():
        joined = {end for edge in graph["edges"] for end in (edge["source"], edge["target"])}
        for node in graph["nodes"]:
            assert node["name"], (pipeline, node)
            assert node["id"] in joined, (pipeline, node["name"])
            assert node["tags"], (pipeline, node["name"])


def test_layers_follow_each_other(graphs):
    for pipeline, graph in graphs.items():
        layer = {node["id"]: node["layer"] for node in graph["nodes"] if node["type"] == "data"}
        name = {node["id"]: node["name"] for node in graph["nodes"]}
        groups = {node["id"] for node in graph["nodes"] if node["type"] == "modularPipeline"}
        assert set(layer.values()) <= set(LAYERS), pipeline
        makers = {}
        for edge in graph["edges"]:
            if edge["source"] not in groups:  # of a group any input would precede any output
                makers.setdefault(edge["target"], []).append(edge["source"])
        for made, of_made in layer.items():
            for read in (source for task in makers.get(made, ()) for source in makers.get(task, ())):
                if read in layer:
                    assert LAYERS.index(layer[read]) <= LAYERS.index(of_made), (pipeline, name[read], name[made])
    shown = graphs["__default__"]["layers"]
    assert shown == sorted(shown, key=LAYERS.index)
    assert shown[0] == "raw"
    assert shown[-1] == "reporting"


def test_groups_hold_the_steps_of_pipelines_and_of_models(graphs):
    groups = graphs["__default__"]["modular_pipelines"]
    names = {node["id"]: node["name"] for node in graphs["__default__"]["nodes"]}
    inside = {group: {names[child["id"]] for child in found["children"]} for group, found in groups.items()}
    of_results = {f"results.{name}" for name in ("evaluation", "interpretability", "functional_regions", "report")}
    assert {name for name in inside["__root__"] if name in groups} == {
        "features_and_pairs", "model_training", "results",
    }  # fmt: skip
    assert {name for name in inside["results"] if name in groups} == of_results
    assert {"clean_proteins", "clean_pairs", "split_pairs"} <= inside["features_and_pairs"]
    for model in MODELS:
        assert "train_model" in inside[f"model_training.{model}"]
        assert "evaluate_model" in inside[f"results.evaluation.{model}"]
        assert (f"results.interpretability.{model}" in groups) == (model in MODELS_WITH_ATTENTION)


def test_a_step_in_a_group_is_in_none_of_the_graphs_without_one(graphs):
    for pipeline, graph in graphs.items():
        inside = {child["id"] for group in graph["modular_pipelines"].values() for child in group["children"]}
        for node in graph["nodes"]:
            if node["type"] == "task":
                assert node["id"] in inside, (pipeline, node["name"])


def test_nodes_show_their_documentation(graphs, site):
    tasks = {node["id"]: node["name"] for graph in graphs.values() for node in graph["nodes"] if node["type"] == "task"}
    for task, name in tasks.items():
        code = json.loads((site / "api/nodes" / task).read_text())["code"]
        assert '"""' in code, name


def test_whatever_can_be_previewed_is(graphs, site):
    kinds = set()
    for node in graphs["__default__"]["nodes"]:
        shown = json.loads((site / "api/nodes" / node["id"]).read_text())
        if shown.get("preview_type") and is_there(Path(shown["filepath"])):
            assert shown["preview"], node["name"]
            kinds.add(shown["preview_type"])
    assert kinds >= {"TablePreview", "JSONPreview", "PlotlyPreview", "ImagePreview"}
    table = json.loads((site / "api/nodes" / id_of(graphs, "ESM2_AMPS.scored_pairs")).read_text())
    assert len(table["preview"]["data"]) == 10


@needs_chromium
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_graph_opens_with_no_more_than_can_be_read(pipeline, page, graphs):
    graph = graphs[pipeline]
    root = {child["id"] for child in graph["modular_pipelines"]["__root__"]["children"]}
    parameters = {node["id"] for node in graph["nodes"] if node["type"] == "parameters"}
    expected = sorted(node["name"] for node in graph["nodes"] if node["id"] in root - parameters)
    page.go_to(f"{page.address}/?pid={pipeline}")
    drawn = "[...document.querySelectorAll('.pipeline-node__text')].map(node => node.textContent).sort()"
    page.wait_for(f"JSON.stringify({drawn}) === {json.dumps(json.dumps(expected, separators=(',', ':')))}", seconds=120)
    assert page.evaluate("document.querySelectorAll('.pipeline-node').length") == len(expected) <= MOST_DRAWN
    assert len(expected) > 1


@needs_chromium
def test_page_shows_the_layers_in_their_order(page):
    page.go_to(f"{page.address}/?pid=__default__")
    page.wait_for("document.querySelectorAll('.pipeline-layer-name').length > 1", seconds=120)
    layers = page.evaluate("[...document.querySelectorAll('.pipeline-layer-name')].map(layer => layer.textContent)")
    assert {"raw", "feature", "models", "reporting"} <= set(layers)  # others may be inside the groups
    assert layers == sorted(layers, key=LAYERS.index)


@needs_chromium
@pytest.mark.parametrize(
    ("name", "shows"),
    {
        "model_comparison": ".preview-table__row",
        "ESM2_AMPS.metrics": ".pipeline-json__object",
        "ESM2_AMPS.evaluation_plots": ".js-plotly-plot .scatterlayer path",
        "comparison_plots": "img.pipeline-metadata__plot-image--expanded",
    }.items(),
)
def test_preview_opens(name, shows, page, graphs):
    page.go_to(f"{page.address}/?pid=__default__&sid={id_of(graphs, name)}")
    page.click(".pipeline-metadata__link")
    page.wait_for(f"document.querySelector('.pipeline-metadata-modal {shows}')")
    assert page.evaluate("document.querySelector('.pipeline-metadata-modal__title').textContent") == name
    if shows.startswith("img"):
        page.wait_for(f"document.querySelector('.pipeline-metadata-modal {shows}').naturalWidth > 500")
    errors = [text for level, text in page.console if level == "error" and not any(part in text for part in FOREIGN)]
    assert not errors


def test_server_gives_the_same_graph(project, viz_environment, graphs):
    port = free_port()
    command = [sys.executable, "-m", "kedro", "viz", "run", "--no-browser", f"--port={port}", "--env=test"]
    # its server is a child of its own, which would outlive it: the group is ended
    server = subprocess.Popen(command, cwd=project, env=viz_environment, start_new_session=True)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/api/main") as answer:
                    shown = json.load(answer)
                break
            except URLError:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.5)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert {node["name"] for node in shown["nodes"]} == {node["name"] for node in graphs["__default__"]["nodes"]}
