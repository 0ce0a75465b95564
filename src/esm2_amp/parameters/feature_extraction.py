"""Parameters of `feature_extraction`."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from esm2_amp.parameters.base import Parameters
from esm2_amp.parameters.run import Precision
from esm2_amp.protein import N_SEGMENTS, window_starts


class EmbeddingParameters(Parameters):
    """How sequences are embedded. The vectors depend on all of these but `tokens_per_batch`.

    Attributes
    ----------
    precision : {"auto", "float32", "bfloat16"}
        Number format of the matrix multiplications; `auto` is bfloat16 where the processor has instructions for it.
        Features are float32 in either case.
    tokens_per_batch : int, optional
        Residues, cls and eos that go through the encoder together. A longer protein goes alone. By default as many as
        stay in a processor's cache, or keep an accelerator busy: see `TOKENS_PER_BATCH`.
    whole_up_to : int
        Residues up to which a protein goes through the encoder whole.
    window, overlap : int
        Residues of the windows of longer proteins, and how many of them neighbours share.
    """

    precision: Precision
    tokens_per_batch: PositiveInt | None = None
    whole_up_to: PositiveInt
    window: PositiveInt
    overlap: NonNegativeInt

    @model_validator(mode="after")
    def _windows_advance(self) -> Self:
        if not self.overlap < self.window <= self.whole_up_to:
            raise ValueError(
                "overlap < window <= whole_up_to must hold, got "
                f"overlap {self.overlap}, window {self.window}, whole_up_to {self.whole_up_to}"
            )
        return self

    def window_starts(self, length: int) -> list[int]:
        """0-based first residues of the windows of a protein of `length` residues; `[0]` where it goes whole."""
        return [0] if length <= self.whole_up_to else window_starts(length, self.window, self.overlap)


class ExtractionParameters(Parameters):
    """Which proteins are embedded, and how.

    Attributes
    ----------
    bad_proteins : {"stop", "drop"}
        Whether proteins that can't be used are an error, or are left out and listed in `dropped_proteins.csv`; their
        pairs are left out of the training, and have this as their status in a prediction.
    shortest_protein : int
        Residues that a protein must have. Below 10, segments may be without residues: their vectors are zero.
    embedding : EmbeddingParameters
        How the encoder reads them.
    stored_as : {"float32", "float16"}
        Number format of the vectors in the store.
    shard_residues : int
        Residues embedded between two writes: the most that a killed run loses. A longer protein has its own shard.
    """

    bad_proteins: Literal["stop", "drop"] = "stop"
    shortest_protein: PositiveInt = N_SEGMENTS
    embedding: EmbeddingParameters
    stored_as: Literal["float32", "float16"]
    shard_residues: int = Field(ge=1)
