"""From the tokens of a pair to their residues: the exact continuation of Integrated Gradients (METHOD section 10).

A token is the mean of the states of its residues, so what it adds to the logit is the mean of what they add.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from esm2_amp.encoder.embedding import embedding_work, visit_states
from esm2_amp.encoder.loading import Encoder
from esm2_amp.errors import InputError
from esm2_amp.explanation.gradients import Attributions
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.progress import Progress
from esm2_amp.protein import SIDES, segment_bounds

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Profiles = list[tuple[Floats, Floats]]
"""A value of each residue of both partners of each pair, shapes (L of A,) and (L of B,)."""

TOLERANCE: Final = 1e-4
"""Fraction of a pair's logit difference by which the residues of a token may fail to add up to the token."""

_OTHER_VECTORS: Final = 0.05
"""Relative distance between a stored vector and the mean of the states from which it is not rounding any more."""


class ResidueSource(NamedTuple):
    """The proteins whose residues are explained, and how their vectors were made.

    Attributes
    ----------
    sequences : mapping of str to str
        Sequences by the names of the proteins.
    encoder : Encoder
        The ESM-2 that gave the vectors.
    options : EmbeddingParameters
        How it read the sequences.
    device : torch.device
        Where it runs.
    """

    sequences: Mapping[str, str]
    encoder: Encoder
    options: EmbeddingParameters
    device: torch.device

    @classmethod
    def of(cls, features: ProteinFeatures, proteins: pd.DataFrame, encoder: Encoder, device: torch.device) -> Self:
        """The source of stored features.

        Parameters
        ----------
        features : ProteinFeatures
            The features of the explained pairs.
        proteins : DataFrame
            `Entry`, `Sequence`.
        encoder : Encoder
            The encoder that is configured now.
        device : torch.device
            Where residues shall be embedded.

        Raises
        ------
        InputError
            The features were imported, or are of another encoder or of other sequences.
        """
        require_residues(features, encoder)
        sequences = dict(zip(proteins["Entry"], proteins["Sequence"], strict=True))
        for entry, key in zip(features.index["Entry"], features.index["key"], strict=True):
            if entry in sequences and hashlib.sha256(sequences[entry].encode()).hexdigest() != key:
                raise InputError(
                    f"The residues that are explained must be those that were embedded, but {entry!r} has another "
                    "sequence now than its features were computed from; run `kedro run` again from feature_extraction"
                )
        names = EmbeddingParameters.model_fields
        options = {name: value for name, value in features.provenance["options"].items() if name in names}
        return cls(sequences, encoder, EmbeddingParameters(**options), device)

    def of_entries(self, entries: Iterable[str]) -> list[str]:
        """The sequences of some proteins.

        Raises
        ------
        InputError
            A protein has none.
        """
        named = list(entries)
        if missing := [entry for entry in named if entry not in self.sequences]:
            raise InputError(
                f"Residues can be explained only of proteins whose sequence is known, but {missing[0]!r} has none "
                f"({len(missing):,} such proteins); give them by --params=proteins=FILE. The explanation of segments "
                "doesn't need them"
            )
        return [self.sequences[entry] for entry in named]


class ResidueAttributions(NamedTuple):
    """What the residues of B pairs add to the logit.

    Attributes
    ----------
    values : list of B tuples of two ndarray, shapes (L of A,) and (L of B,), float64
        What each residue adds, by all tokens that it belongs to.
    own : ndarray, shape (B, T), float64
        What each token adds that has no residues: cls, eos, and segments of proteins shorter than 10; 0 of others.
    error : ndarray, shape (B,), float64
        Largest difference between what a token adds and the sum over its residues, as a fraction of the pair's
        difference from the baseline's logit.
    rounding : ndarray, shape (P,), float64
        Distance of each protein's stored vectors from the means of its states, as a fraction of their length: the
        largest over the tokens. The states of a token are moved by it, so that they add up all the same.
    """

    values: Profiles
    own: Floats
    error: Floats
    rounding: Floats

    def summary(self) -> dict[str, Any]:
        """How well residues add up to tokens, for a report."""
        return {
            "pairs": len(self.error),
            "residues": sum(len(profile) for profiles in self.values for profile in profiles),
            "tolerance": TOLERANCE,
            "share_within_tolerance": float(np.mean(self.error <= TOLERANCE)),
            "largest_error": float(self.error.max()),
            "largest_rounding_of_a_vector": float(self.rounding.max()),
            "tokens_without_residues": int(self.own.any(axis=0).sum()),
        }


def require_residues(features: ProteinFeatures, encoder: Encoder) -> None:
    """Raise InputError unless the features were computed from sequences by this encoder."""
    if features.provenance["encoder"] == "imported":
        raise InputError(
            "Residues can be explained only where features were computed from sequences, but these were imported; give "
            "the sequences (--params=proteins=FILE) in place of features. The explanation of segments stays as it is"
        )
    if features.provenance["fingerprint"] != encoder.fingerprint:
        raise InputError(
            f"The features come from the encoder {features.provenance['encoder']}, but {encoder.source} has other "
            f"weights; give --params=encoder={features.provenance['encoder']}"
        )


def token_residues(protein_tokens: slice, length: int) -> list[slice]:
    """The residues of which each token of a protein is the mean.

    Parameters
    ----------
    protein_tokens : slice
        Which of a protein's 13 vectors a network reads.
    length : int
        Residues of the protein, L.

    Returns
    -------
    residues : list of slice
        0-based places among the residues for each of the network's tokens; empty for cls and eos, and for segments of
        a protein shorter than 10.
    """
    bounds = segment_bounds(length).tolist()
    cut = [slice(first, end) for first, end in pairwise(bounds)]
    return [slice(0, 0), *cut, slice(0, 0), slice(0, length)][protein_tokens]


def residue_attributions(
    found: Attributions,
    explained: pd.DataFrame,
    pairs: Pairs,
    baseline: Tensor,
    network: PairNetwork,
    source: ResidueSource,
) -> ResidueAttributions:
    """Split what each token adds to a logit among its residues.

    With the mean gradient m of a token, its baseline b and the states h of its n residues, residue r adds
    `m · (h_r − b) / n`. The states are embedded again, protein by protein, and not kept.

    Parameters
    ----------
    found : Attributions
        Of the B pairs, with gradients.
    explained : DataFrame, B rows
        `Protein1`, `Protein2`.
    pairs : Pairs
        The same pairs as the network reads them.
    baseline : Tensor, shape (T, D), float32
        Where the paths of `found` start.
    network : PairNetwork
        The explained network.
    source : ResidueSource
        Sequences and encoder of the proteins.

    Raises
    ------
    InputError
        The network doesn't read means of residues, a sequence isn't known, or the stored vectors aren't those of the
        sequences and the encoder.
    """
    check_network(network)
    if found.gradient is None:
        raise ValueError("the attributions must be computed with keep_gradient=True")
    entries = protein_entries(explained, pairs)
    sequences = source.of_entries(entries)
    split = _Split(found, pairs, baseline.cpu().double().numpy(), network.protein_tokens, entries, source)
    lengths = [len(sequence) for sequence in sequences]
    work = embedding_work(lengths, source.encoder.width, source.options)
    progress = Progress(logger, "embedding residues of explained pairs", sum(lengths), work=work)
    visit_states(source.encoder, sequences, source.options, source.device, split.add, progress.add)
    error = np.abs(split.sums - found.attribution.sum(axis=-1, dtype=np.float64)).max(axis=1)
    error /= np.abs(found.logit - found.baseline_logit)
    return ResidueAttributions(split.values, split.own, error, split.rounding)


def check_network(network: PairNetwork) -> None:
    """Raise InputError unless a network reads vectors of proteins, and not such as are made of them."""
    if network.protein_tokens.stop is None:
        raise InputError(
            "Residues can be explained only of a model that reads the vectors of proteins "
            f"({', '.join(ARCHITECTURES)}), but {type(network).__name__} reads others; explain one of these"
        )


def protein_entries(explained: pd.DataFrame, pairs: Pairs) -> list[str]:
    """The names of the proteins of a table of vectors, by its rows, from those of the pairs."""
    entries = np.empty(len(pairs.table), dtype=object)
    for rows, column in ((pairs.a, "Protein1"), (pairs.b, "Protein2")):
        entries[rows.cpu().numpy()] = explained[column].to_numpy()
    return list(map(str, entries))


class _Split:
    """Splits the tokens of each protein in all pairs and on both sides that it is on."""

    def __init__(
        self, found: Attributions, pairs: Pairs, baseline: Floats, protein_tokens: slice, entries: list[str],
        source: ResidueSource,
    ) -> None:  # fmt: skip
        self._found, self._baseline, self._protein_tokens, self._entries = found, baseline, protein_tokens, entries
        sequences = source.of_entries(entries)
        self._table = pairs.table.cpu()
        self._rows = torch.stack([pairs.a, pairs.b], dim=1).cpu().numpy()  # (B, 2)
        self.values: Profiles = [
            (np.zeros(len(sequences[a])), np.zeros(len(sequences[b]))) for a, b in self._rows.tolist()
        ]
        self.own, self.sums = np.zeros(found.attribution.shape[:2]), np.zeros(found.attribution.shape[:2])
        self.rounding = np.zeros(len(sequences))

    def add(self, protein: int, hidden: Tensor) -> None:
        """Split the tokens of one protein by its states, shape (L + 2, D)."""
        states = hidden[1:-1].cpu().double().numpy()
        vectors = self._table[protein].double().numpy()  # (T / 2, D)
        pair, side = np.nonzero(self._rows == protein)
        of_pairs = np.zeros((len(pair), len(states)))
        for number, residues in enumerate(token_residues(self._protein_tokens, len(states))):
            token = side * len(vectors) + number
            if residues.start == residues.stop:
                own = self._found.attribution[pair, token].sum(axis=-1, dtype=np.float64)
                self.own[pair, token] = self.sums[pair, token] = own
                continue
            of_token, mean = states[residues], states[residues].mean(axis=0)
            self._check_vector(protein, vectors[number], mean)
            gradient = self._found.gradient[pair, token].astype(np.float64)  # type: ignore[index]
            moved = of_token - mean + vectors[number]
            at_baseline = (gradient * self._baseline[token]).sum(axis=-1, keepdims=True)
            added = (gradient @ moved.T - at_baseline) / len(of_token)
            of_pairs[:, residues] += added
            self.sums[pair, token] = added.sum(axis=1)
        for row, at, values in zip(pair, side, of_pairs, strict=True):
            self.values[row][at][:] = values

    def _check_vector(self, protein: int, vector: Floats, mean: Floats) -> None:
        """Record how far a stored vector is from the mean of the states, and raise InputError where it is another."""
        gap = np.linalg.norm(vector - mean) / max(np.linalg.norm(mean), np.finfo(np.float64).tiny)
        self.rounding[protein] = max(self.rounding[protein], gap)
        if gap > _OTHER_VECTORS:
            raise InputError(
                f"The vectors of {self._entries[protein]!r} must be the means of its residues' states, but differ from "
                f"these by {gap:.0%}: they come from another sequence or encoder; run `kedro run` again from "
                "feature_extraction"
            )


def spread_evenly(
    importance: ArrayLike, protein_tokens: slice, lengths_a: Sequence[int], lengths_b: Sequence[int]
) -> Profiles:
    """Spread the weight of tokens, such as attention, evenly over their residues.

    Attention has no continuation to residues. Within a token these values say nothing, and whatever shows them must
    say so.

    Parameters
    ----------
    importance : array_like, shape (B, T)
        Weights of tokens.
    protein_tokens : slice
        Which of a protein's 13 vectors the network reads.
    lengths_a, lengths_b : sequence of B int
        Residues of the partners.

    Returns
    -------
    values : list of B tuples of two ndarray, shapes (L of A,) and (L of B,), float64
        They add up to the weights of the tokens that have residues.
    """
    profiles: Profiles = []
    for weights, *lengths in zip(np.asarray(importance, dtype=np.float64), lengths_a, lengths_b, strict=True):
        sides = []
        for of_side, length in zip(np.split(weights, len(SIDES)), lengths, strict=True):
            values = np.zeros(length)
            for weight, residues in zip(of_side, token_residues(protein_tokens, length), strict=True):
                values[residues] += weight / max(1, residues.stop - residues.start)
            sides.append(values)
        profiles.append((sides[0], sides[1]))
    return profiles


def averaged(profiles: Profiles, width: int) -> Profiles:
    """Profiles with each residue's value replaced by the mean that `smoothed` takes over `width` residues."""
    return [(smoothed(of_a, width), smoothed(of_b, width)) for of_a, of_b in profiles]


def smoothed(profile: ArrayLike, width: int) -> Floats:
    """The mean of each residue and its neighbours, `width` residues in all; of those that there are near the ends.

    Parameters
    ----------
    profile : array_like, shape (L,)
        A value of each residue.
    width : int
        Residues of a mean; of an even number one more is on the left.

    Examples
    --------
    >>> smoothed([0, 0, 3, 0, 0], 3).tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    values = np.asarray(profile, dtype=np.float64)
    before = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, end = np.maximum(places - width // 2, 0), np.minimum(places - width // 2 + width, len(values))
    return np.asarray((before[end] - before[first]) / (end - first))
