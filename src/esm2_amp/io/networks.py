"""Networks as catalog entries, in the formats that Cytoscape and other viewers open."""

from typing import TYPE_CHECKING, NoReturn

from kedro.io import DatasetError
from typing_extensions import override

from esm2_amp.files import replacing_file, write_atomically
from esm2_amp.io.local import LocalDataset

if TYPE_CHECKING:
    import networkx as nx


class GraphMLDataset(LocalDataset["nx.Graph[str]", "nx.Graph[str]"]):
    """A graph with its attributes, in GraphML."""

    @override
    def load(self) -> "nx.Graph[str]":
        import networkx as nx  # slow to import

        return nx.read_graphml(self._filepath)

    @override
    def save(self, data: "nx.Graph[str]") -> None:
        import networkx as nx

        with replacing_file(self._filepath) as part:
            nx.write_graphml_xml(data, part)


class SIFDataset(LocalDataset["nx.Graph[str]", NoReturn]):
    """The edges of a graph in Cytoscape's simple interaction format: a line `P1 pp P2` each, separated by tabs."""

    @override
    def load(self) -> NoReturn:
        raise DatasetError(f"{self._filepath} is only written")

    @override
    def save(self, data: "nx.Graph[str]") -> None:
        write_atomically(self._filepath, "".join(f"{a}\tpp\t{b}\n" for a, b in data.edges).encode())
