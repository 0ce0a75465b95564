"""What isn't public in Kedro, in the versions that are installed."""

from importlib.metadata import version

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro_viz.models.flowchart.node_metadata import DataNodeMetadata
from kedro_viz.models.flowchart.nodes import GraphNode
from matplotlib.figure import Figure

from esm2_amp.io.figures import FigureDataset
from esm2_amp.io.kedro_adapter import dataset_path

READ_FROM = {"kedro": "1.7.0", "kedro-datasets": "9.6.0", "kedro-viz": "12.5.0"}
MOVED = "{} differs from what esm2_amp.io.kedro_adapter was written for: ".format(
    ", ".join(f"{name} {version(name)} (read from {read})" for name, read in READ_FROM.items())
)


@pytest.mark.parametrize(
    "kind",
    [
        *("pandas.CSVDataset", "pandas.ParquetDataset", "pandas.ExcelDataset", "json.JSONDataset", "text.TextDataset"),
        *("pickle.PickleDataset", "plotly.JSONDataset", "matplotlib.MatplotlibDataset"),
        *("esm2_amp.io.pairs.PairsDataset", "esm2_amp.io.models.ModelDataset"),
    ],
)
def test_path_of_every_kind_of_file_in_the_catalog(tmp_path, kind):
    catalog = DataCatalog.from_config({"entry": {"type": kind, "filepath": str(tmp_path / "entry")}})
    path = dataset_path(catalog.get("entry"))
    assert path == tmp_path / "entry", f"{MOVED}a {kind} keeps its path elsewhere"


def test_path_of_a_folder_of_files(tmp_path):
    config = {"type": "partitions.PartitionedDataset", "path": str(tmp_path), "dataset": "text.TextDataset"}
    path = dataset_path(DataCatalog.from_config({"entry": config}).get("entry"))
    assert path == tmp_path, f"{MOVED}a PartitionedDataset keeps its path elsewhere"


def test_path_is_the_file_that_is_written(tmp_path):
    assert dataset_path(FigureDataset(filepath=str(tmp_path / "figure"))) == tmp_path / "figure.png"


def test_datasets_without_a_file_have_no_path():
    left_out = DataCatalog.from_config({"pairs": {"type": "esm2_amp.io.pairs.PairsDataset", "filepath": None}})
    assert [dataset_path(dataset) for dataset in (left_out.get("pairs"), MemoryDataset(1), None)] == [None] * 3


def test_kedro_viz_takes_the_preview_for_an_image(tmp_path):
    dataset, figure = FigureDataset(filepath=str(tmp_path / "figure")), Figure(figsize=(1, 1))
    figure.subplots()
    dataset.save(figure)
    node = GraphNode.create_data_node("id", "figure", None, set(), dataset, set())
    shown = DataNodeMetadata(data_node=node)
    assert shown.preview_type == "ImagePreview", f"{MOVED}Kedro-Viz recognises images in another way"
    assert shown.preview == dataset.preview()
