"""Pairs that are scored anew with a changed sequence of a partner (METHOD section 10)."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.explanation.changed_sequences import SequenceScorer
from esm2_amp.explanation.residues import ResidueSource, check_network, protein_entries
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs


class Rescorer(NamedTuple):
    """Scores pairs anew, with a changed sequence of a partner.

    Attributes
    ----------
    network : PairNetwork
        The explained model.
    pairs : Pairs
        The pairs as the network reads them.
    entries : list of P str
        Names of the proteins of the pairs' table.
    source : ResidueSource
        Sequences and encoder of the proteins.
    batch_size : int
        Pairs passed through the network at once.
    """

    network: PairNetwork
    pairs: Pairs
    entries: list[str]
    source: ResidueSource
    batch_size: int

    @classmethod
    def of(
        cls, network: PairNetwork, explained: pd.DataFrame, pairs: Pairs, source: ResidueSource, batch_size: int
    ) -> "Rescorer":
        """A rescorer of explained pairs, on the device of the source.

        Parameters
        ----------
        network : PairNetwork
            The explained model.
        explained : DataFrame, B rows
            `Protein1`, `Protein2`.
        pairs : Pairs
            The same pairs as the network reads them.
        source : ResidueSource
            Sequences and encoder of the proteins.
        batch_size : int
            Pairs passed through the network at once.

        Raises
        ------
        InputError
            The network reads no vectors of proteins, or a sequence isn't known.
        """
        check_network(network)
        entries = protein_entries(explained, pairs)
        source.of_entries(entries)
        network = network.to(source.device).eval()
        return cls(network, pairs.to(torch.device("cpu")), entries, source, batch_size)

    def sequence(self, protein: int) -> str:
        """The sequence of the protein in a row of the table."""
        return self.source.sequences[self.entries[protein]]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the partners in the table, shape (B, 2)."""
        return torch.stack([self.pairs.a, self.pairs.b], dim=1).numpy()

    @property
    def scorer(self) -> SequenceScorer:
        """Embeds changed sequences, and scores pairs with them."""
        return SequenceScorer(
            self.network, self.source.encoder, self.source.options, self.source.device, self.batch_size
        )

    def with_partners(self, protein: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Tensor]:
        """The pairs of a protein, B of them: their numbers, its side in each, both (B,), and its partners' vectors."""
        pair, side = np.nonzero(self.rows == protein)
        return pair, side, self.pairs.table[torch.from_numpy(self.rows[pair, 1 - side])]
