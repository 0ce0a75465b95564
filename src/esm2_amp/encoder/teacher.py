"""The states of a teacher that a smaller encoder learns from, computed as they are needed or read from a store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from esm2_amp.devices import resolve_device
from esm2_amp.encoder.kernels import fast_bfloat16
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.encoder.packed import PackedEsm
from esm2_amp.encoder.pretraining import Corpus
from esm2_amp.errors import InputError
from esm2_amp.parameters.encoder_pretraining import DistillationParameters
from esm2_amp.parameters.run import Device


def normalised(states: Tensor) -> Tensor:
    """Vectors of mean 0 and variance 1 over their last dimension, float32: a layer norm without weights."""
    return F.layer_norm(states.float(), states.shape[-1:])


class Teacher(Protocol):
    """Normalised last hidden states of an ESM-2, for crops of one corpus."""

    @property
    def width(self) -> int:
        """D of the teacher."""

    @property
    def fingerprint(self) -> str:
        """A text that is another where the states are others."""

    def __call__(self, corpus: Corpus, places: Sequence[slice]) -> Tensor:
        """States of the crops at `places`, laid end to end, shape (N, D), float32."""


def load_teacher(
    source: str, corpora: Sequence[Corpus], folder: Path, options: DistillationParameters, device: Device
) -> Teacher:
    """The states of an ESM-2 as a source for training.

    Parameters
    ----------
    source : str
        Folder, file of fair-esm or hub name, as for `load_encoder`.
    corpora : sequence of Corpus
        The proteins whose states may be asked for.
    folder : Path
        Where states are stored, where `options` say so.
    options : DistillationParameters
        Whether states are stored, and the teacher's precision.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the teacher runs.

    Raises
    ------
    InputError
        The teacher isn't an ESM-2.
    """
    resolved = resolve_device(device)
    is_fast = options.precision == "auto" and fast_bfloat16(resolved)
    dtype = torch.bfloat16 if is_fast or options.precision == "bfloat16" else torch.float32
    return ComputedStates(load_encoder(source), resolved, dtype)


class ComputedStates:
    """States that the teacher computes from the crop alone, anew each time.

    Parameters
    ----------
    encoder : Encoder
        The teacher.
    device : torch.device
        Where it runs.
    dtype : torch.dtype
        Type of its matrix multiplications: float32 or bfloat16.
    """

    def __init__(self, encoder: Encoder, device: torch.device, dtype: torch.dtype) -> None:
        self._packed: PackedEsm = encoder.packed(device, dtype)
        self.width, self._source = encoder.width, encoder.source
        self.fingerprint = f"computed {encoder.fingerprint} {dtype}"

    def __call__(self, corpus: Corpus, places: Sequence[slice]) -> Tensor:
        """States of the crops at `places`, laid end to end.

        Parameters
        ----------
        corpus : Corpus
            The proteins.
        places : sequence of slice
            Where the crops lie among its tokens.

        Returns
        -------
        states : Tensor, shape (N, D), float32
            Normalised, crop after crop.

        Raises
        ------
        InputError
            A state is no finite number.
        """
        return checked(normalised(self._packed([corpus.tokens[place] for place in places])), self._source)


def checked(states: Tensor, source: str) -> Tensor:
    """The states of a teacher, where all are finite numbers.

    Raises
    ------
    InputError
        A state isn't.
    """
    if wrong := int((~states.isfinite()).sum()):
        raise InputError(
            f"The hidden states of the teacher {source} must be finite numbers, but {wrong:,} of {states.numel():,} "
            "aren't; set encoder_pretraining.distillation.precision=float32, or give another teacher"
        )
    return states
