"""Embedding on many machines: parts of a long list of proteins, embedded by the workers of a Dask cluster."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from torch import Tensor

from esm2_amp.cluster import results_of_workers
from esm2_amp.devices import resolve_device
from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.errors import InputError
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.run import Device


class Work(NamedTuple):
    """How every worker embeds its parts.

    Attributes
    ----------
    source : str
        The encoder's folder, file or hub name. Each worker loads the encoder once.
    fingerprint : str
        The encoder's fingerprint, which all workers must find.
    options : EmbeddingParameters
        How sequences are embedded.
    device : {"auto", "cpu", "cuda", "mps"}
        Device on each worker's machine.
    """

    source: str
    fingerprint: str
    options: EmbeddingParameters
    device: Device

    @classmethod
    def of(cls, encoder: Encoder, options: EmbeddingParameters, device: Device) -> Self:
        """The work by an encoder whose folder or file lies at the same place on all machines."""
        local = Path(encoder.source).expanduser()
        source = str(local.resolve()) if local.exists() else encoder.source
        return cls(source, encoder.fingerprint, options, device)

    def embed_part(self, number: int, sequences: Sequence[str]) -> tuple[int, Tensor]:
        """The number of a part and its features."""
        encoder = _loaded(self.source)
        if encoder.fingerprint != self.fingerprint:
            raise InputError(
                f"{self.source} must hold the same encoder on all machines, with the fingerprint "
                f"{self.fingerprint[:12]}, but a worker's has {encoder.fingerprint[:12]}; copy the folder to it"
            )
        return number, embed(encoder, sequences, self.options, resolve_device(self.device))


@functools.lru_cache(maxsize=1)
def _loaded(source: str) -> Encoder:
    return load_encoder(source)


def embed_on_cluster(work: Work, parts: Iterable[Sequence[str]], address: str) -> Iterator[tuple[int, Tensor]]:
    """The features of each part, as soon as a worker has computed them.

    The parts of a worker that is lost are submitted to others.

    Parameters
    ----------
    work : Work
        How the parts are embedded.
    parts : iterable of sequence of str
        The sequences of each part, read when a worker is free for them.
    address : str
        Address of a Dask scheduler, such as `tcp://host:8786`.

    Yields
    ------
    number : int
        Number of the part, counted from 0.
    features : Tensor, shape (P, 13, D), float32
        Vectors of the part's P sequences.

    Raises
    ------
    InputError
        As `esm2_amp.cluster.results_of_workers`, or a worker has no such encoder or another one.
    """
    yield from results_of_workers(Work.embed_part, work, enumerate(parts), address, "feature_extraction.cluster")
