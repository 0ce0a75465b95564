"""Embedding on many machines: an encoder that the workers of a Dask cluster load, and the proteins that they embed."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from torch import Tensor

from esm2_amp.cluster import Cluster
from esm2_amp.devices import resolve_device
from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.errors import InputError
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.run import Device


class SharedEncoder(NamedTuple):
    """An encoder that each worker loads from the same place, so that its weights aren't sent.

    Attributes
    ----------
    source : str
        The encoder's folder, file or hub name.
    fingerprint : str
        The encoder's fingerprint, which all workers must find.
    """

    source: str
    fingerprint: str

    @classmethod
    def of(cls, encoder: Encoder) -> Self:
        """An encoder whose folder or file lies at the same place on all machines."""
        local = Path(encoder.source).expanduser()
        return cls(str(local.resolve()) if local.exists() else encoder.source, encoder.fingerprint)

    def load(self) -> Encoder:
        """The encoder on the machine of a worker, which loads it once.

        Raises
        ------
        InputError
            The machine has no such encoder or another one.
        """
        encoder = _loaded(self.source)
        if encoder.fingerprint != self.fingerprint:
            raise InputError(
                f"{self.source} must hold the same encoder on all machines, with the fingerprint "
                f"{self.fingerprint[:12]}, but a worker's has {encoder.fingerprint[:12]}; copy the folder to it"
            )
        return encoder


@functools.lru_cache(maxsize=1)
def _loaded(source: str) -> Encoder:
    return load_encoder(source)


class Work(NamedTuple):
    """How every worker embeds its parts.

    Attributes
    ----------
    encoder : SharedEncoder
        The encoder, which each worker loads once.
    options : EmbeddingParameters
        How sequences are embedded.
    device : {"auto", "cpu", "cuda", "mps"}
        Device on each worker's machine.
    """

    encoder: SharedEncoder
    options: EmbeddingParameters
    device: Device

    def embed_part(self, number: int, sequences: Sequence[str]) -> tuple[int, Tensor]:
        """The number of a part and its features."""
        return number, embed(self.encoder.load(), sequences, self.options, resolve_device(self.device))


def embed_on_cluster(
    encoder: SharedEncoder, options: EmbeddingParameters, parts: Iterable[Sequence[str]], cluster: Cluster
) -> Iterator[tuple[int, Tensor]]:
    """The features of each part, as soon as a worker has computed them.

    The parts of a worker that is lost are submitted to others.

    Parameters
    ----------
    encoder : SharedEncoder
        The encoder, which each worker loads once.
    options : EmbeddingParameters
        How sequences are embedded.
    parts : iterable of sequence of str
        The sequences of each part, read when a worker is free for them.
    cluster : Cluster
        The workers.

    Yields
    ------
    number : int
        Number of the part, counted from 0.
    features : Tensor, shape (P, 13, D), float32
        Vectors of the part's P sequences.

    Raises
    ------
    InputError
        As `esm2_amp.cluster.Cluster.results`, or a worker has no such encoder or another one.
    """
    yield from cluster.results(Work.embed_part, Work(encoder, options, cluster.device), enumerate(parts))
