"""Files of a screen: queries that users bring, tables by name, networks."""

import networkx as nx
import pandas as pd
import pytest
from kedro.io import DatasetError

from esm2_amp.io.networks import GraphMLDataset, SIFDataset
from esm2_amp.io.queries import QueriesDataset
from esm2_amp.io.table_folders import TableFolderDataset


@pytest.mark.parametrize(
    ("name", "content", "entries", "sequences", "rows"),
    [
        ("q.fasta", ">sp|P01308|INS_HUMAN Insulin\nMK\nTA\n>X\nMM\n", ["P01308", "X"], ["MKTA", "MM"], [1, 4]),
        ("q.txt", ">X\nMM\n", ["X"], ["MM"], [1]),
        ("q.txt", "P01308\n\nsp|P0DP23|CALM1_HUMAN note\n", ["P01308", "P0DP23"], ["", ""], [1, 3]),
        ("q.csv", "Entry,Sequence\nP1,MK\nP2,\n", ["P1", "P2"], ["MK", ""], [2, 3]),
        ("q.csv", "Entry,Gene\nP1,INS\n", ["P1"], [""], [2]),
        ("q.csv", "P01308\nP0DP23\n", ["P01308", "P0DP23"], ["", ""], [1, 2]),
    ],
)
def test_queries_as_people_write_them(name, content, entries, sequences, rows, tmp_path):
    (tmp_path / name).write_text(content)
    table = QueriesDataset(str(tmp_path / name)).load()
    assert table.frame["Entry"].tolist() == entries
    assert table.frame["Sequence"].tolist() == sequences
    assert table.frame.index.tolist() == rows


def test_no_queries_and_an_empty_file(tmp_path):
    assert QueriesDataset().load() is None
    (tmp_path / "q.txt").write_text("\n")
    with pytest.raises(DatasetError, match=r"q.txt is empty"):
        QueriesDataset(str(tmp_path / "q.txt")).load()


def test_tables_by_name_take_the_place_of_earlier_ones(tmp_path):
    dataset = TableFolderDataset(filepath=str(tmp_path / "partners"))
    table = pd.DataFrame({"Rank": [1, 2], "Partner": ["A", "B"]})
    dataset.save({"P1": table, "sp|P2/3": table})
    assert sorted(file.name for file in (tmp_path / "partners").iterdir()) == ["P1.csv", "sp_P2_3.csv"]
    dataset.save({"P4": table})
    pd.testing.assert_frame_equal(dataset.load()["P4"], table, check_dtype=False)
    assert list(dataset.load()) == ["P4"]
    dataset.save({})
    assert dataset.load() == {}


def test_network_in_both_formats(tmp_path):
    network = nx.Graph()
    network.add_edge("P1", "P2", logit=1.5, known=True)
    network.add_node("P1", degree=1)
    dataset = GraphMLDataset(filepath=str(tmp_path / "n.graphml"))
    dataset.save(network)
    found = dataset.load()
    assert dict(found.nodes(data=True)) == dict(network.nodes(data=True))
    assert list(found.edges(data=True)) == list(network.edges(data=True))
    SIFDataset(filepath=str(tmp_path / "n.sif")).save(network)
    assert (tmp_path / "n.sif").read_text() == "P1\tpp\tP2\n"
