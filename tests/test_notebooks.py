"""The notebooks, executed on the finished test run."""

import re
from io import StringIO
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from conftest import DATA_FOLDER, ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def execute(project, data, monkeypatch):
    """Execute a notebook in a copy of the project, as Jupyter does; gives its outputs."""
    monkeypatch.setenv(DATA_FOLDER, str(data))
    monkeypatch.setenv("KEDRO_ENV", "test")

    def run(name: str) -> list[nbformat.NotebookNode]:
        notebook = nbformat.read(project / "notebooks" / name, as_version=4)
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(project / "notebooks")}}).execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert not [output for output in outputs if output.get("name") == "stderr"]
        return outputs

    return run


def shown_as(kind: str, outputs: list[nbformat.NotebookNode]) -> list[str]:
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def tables(outputs: list[nbformat.NotebookNode]) -> list[pd.DataFrame]:
    return [pd.read_html(StringIO(part))[0] for part in shown_as("text/html", outputs) if "<table" in part]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_notebook_is_committed_without_outputs_and_defines_nothing(notebook: Path):
    for cell in nbformat.read(notebook, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert cell.cell_type == "markdown" or not re.search(r"^\s*(def|class|for|while|lambda)\b", cell.source, re.M)


def test_tour_follows_a_pair_from_its_scored_row_to_its_map(execute):
    outputs = execute("01_tour.ipynb")
    evaluated, _, predicted, *_ = tables(outputs)
    assert predicted["Probability"][0] == pytest.approx(evaluated["Probability"][0], rel=1e-4)
    assert len(shown_as("image/png", outputs)) == 2


def test_own_proteins_are_scored(execute, data):
    outputs = execute("02_your_own_proteins.ipynb")
    pasted, best, *_ = tables(outputs)
    assert pasted["Status"].tolist() == ["scored"]
    assert best["CalibratedProbability"].is_monotonic_decreasing
    assert best["Name1"].str.endswith("_HUMAN").all()
    assert len(shown_as("image/png", outputs)) == 1
    predicted = pd.read_csv(data / "07_model_output/predicted_pairs.csv")
    pairs = pd.read_csv(ROOT / "data/01_raw/examples/pairs.csv")
    assert predicted[list(pairs)].equals(pairs)
    assert (predicted["Status"] == "scored").all()


def test_comparison_is_read_from_the_tables_of_the_run(execute, data):
    outputs = execute("03_reading_the_comparison.ipynb")
    of_run = pd.read_csv(data / "08_reporting/model_comparison.csv")
    shown = tables(outputs)[0].droplevel(1, axis=1)
    assert shown.iloc[:, 0].tolist() == of_run["Model"].tolist()
    assert shown["AUROC"].tolist() == of_run["AUROC"].round(3).tolist()
    assert len(shown_as("image/png", outputs)) == 3
    assert len(shown_as("application/vnd.plotly.v1+json", outputs)) == 1


def test_a_protein_is_screened_against_a_proteome(execute):
    outputs = execute("04_screening.ipynb")
    candidates, ranked = tables(outputs)
    assert candidates["Logit"].is_monotonic_decreasing
    assert len(ranked) == 5
    assert ranked["Lower"].is_monotonic_increasing
    assert len(shown_as("image/png", outputs)) == 2
