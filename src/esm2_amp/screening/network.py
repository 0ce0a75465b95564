"""The strongest candidates as a network, for viewers such as Cytoscape."""

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import networkx as nx

logger = logging.getLogger(__name__)


def candidate_network(
    candidates: pd.DataFrame, proteins: pd.DataFrame, threshold: float, most_edges: int
) -> "nx.Graph[str]":
    """The best candidates as an undirected graph.

    Parameters
    ----------
    candidates : DataFrame
        Of `candidates.candidate_table`, best first.
    proteins : DataFrame
        `Entry`, and what else is to be an attribute of the nodes.
    threshold : float
        Probability that an edge must reach; where no candidate does, the best ones are taken.
    most_edges : int
        Where more reach it, only so many, the best ones, become edges, which is logged.

    Returns
    -------
    network : Graph
        Nodes are the proteins that have an edge, with the columns of `proteins` and their `Degree`; edges have the
        columns of the candidates. Both lack what is empty. Protein1 is the first node of an edge.
    """
    import networkx as nx  # slow to import

    passed = candidates[candidates["Probability"] >= threshold]
    edges = (passed if len(passed) else candidates).head(most_edges)
    if len(passed) > most_edges:
        logger.info(
            "The network shows the best %s of the %s pairs that reach the threshold (screening.most_edges)",
            f"{most_edges:,}", f"{len(passed):,}",
        )  # fmt: skip
    network: nx.Graph[str] = nx.Graph()
    for row in edges.to_dict("records"):
        protein_1, protein_2 = row.pop("Protein1"), row.pop("Protein2")
        network.add_edge(protein_1, protein_2, **_filled(row))
    of_proteins = proteins.set_index("Entry").loc[list(network)].to_dict("index")
    for entry, attributes in of_proteins.items():
        network.nodes[entry].update(_filled(attributes), Degree=int(network.degree[entry]))
    return network


def _filled(attributes: dict[Any, Any]) -> dict[str, Any]:
    """Attributes as GraphML knows them, in Python's own types, without those that are empty."""
    return {
        str(name): getattr(value, "item", lambda value=value: value)()
        for name, value in attributes.items()
        if not pd.isna(value)
    }
