"""A small ESM-2 that learns the hidden states of a larger one, beside masked language modelling (METHOD section 11)."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from typing_extensions import override

from esm2_amp.encoder.packed_training import crop_means, packed_states
from esm2_amp.encoder.pretraining import (
    IGNORED,
    Corpus,
    MaskedCrops,
    MaskedLanguageModel,
    PretrainingData,
    mask_residues,
)
from esm2_amp.encoder.teacher import Teacher, normalised
from esm2_amp.encoder.tokens import MASK

if TYPE_CHECKING:
    from transformers import EsmConfig

Batch = dict[str, Any]
"""`input_ids`, `labels` (N,), int64; `sizes`, the tokens of each crop; `states` (N, D), those of the teacher."""


def packed_batch(
    corpus: Corpus, places: Sequence[slice], teacher: Teacher, generator: np.random.Generator, masked_fraction: float
) -> Batch:
    """Crops laid end to end, the longest first, with residues masked as `masked_batch` does.

    Parameters
    ----------
    corpus : Corpus
        The proteins.
    places : sequence of slice
        Where the crops lie among its tokens.
    teacher : Teacher
        Reads the crops as they are, without masks.
    generator : numpy Generator
        Draws the residues to mask and what replaces them.
    masked_fraction : float
        Share of the residues that are chosen.

    Returns
    -------
    batch : dict
        `input_ids` and `labels`, Tensor of shape (N,), int64; `sizes`, list of int; `states`, Tensor of shape (N, D),
        float32, the teacher's.
    """
    ordered = sorted(places, key=lambda place: place.start - place.stop)
    tokens: NDArray[np.int64] = np.concatenate([corpus.tokens[place] for place in ordered]).astype(np.int64)
    inputs, labels = mask_residues(tokens, generator, masked_fraction)
    return {
        "input_ids": torch.from_numpy(inputs),
        "labels": torch.from_numpy(labels),
        "sizes": [place.stop - place.start for place in ordered],
        "states": teacher(corpus, ordered),
    }


class PackedCrops(MaskedCrops):
    """Batches of `packed_batch`; the crops of a step are those of `MaskedCrops`.

    Parameters
    ----------
    corpus, steps
        As for `MaskedCrops`.
    teacher : Teacher
        The source of the states.
    **options
        As for `MaskedCrops`.
    """

    def __init__(self, corpus: Corpus, steps: range, teacher: Teacher, **options: Any) -> None:
        super().__init__(corpus, steps, **options)
        self.teacher = teacher

    @override
    def __iter__(self) -> Iterator[Batch]:
        for step in self.steps:
            generator = np.random.default_rng([self.seed, step])
            places = self.places(generator)
            yield packed_batch(self.corpus, places, self.teacher, generator, self.masked_fraction)


class DistillationData(PretrainingData):
    """The crops of `PretrainingData`, packed, with the teacher's states.

    Parameters
    ----------
    training, held_out
        As for `PretrainingData`.
    teacher : Teacher
        The source of the states.
    **options
        As for `PretrainingData`.
    """

    def __init__(self, training: Corpus, held_out: Corpus, teacher: Teacher, **options: Any) -> None:
        super().__init__(training, held_out, **options)
        self.teacher = teacher

    @override
    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(PackedCrops(self.training, self.epoch_steps(), self.teacher, **self.options), batch_size=None)

    @override
    def val_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(self._held_out_batches, batch_size=None)  # type: ignore[arg-type]

    @cached_property
    def _held_out_batches(self) -> list[Batch]:
        generator, fraction = np.random.default_rng(self.options["seed"]), self.options["masked_fraction"]
        batches = [
            packed_batch(self.held_out, places, self.teacher, generator, fraction)
            for places in self.held_out_places(generator)
        ]
        constant = torch.cat([batch["states"] for batch in batches]).mean(dim=0)
        return [batch | {"constant": constant} for batch in batches]


class Objective(NamedTuple):
    """The parts of the loss beside the masked-language loss, which has the weight 1.

    Attributes
    ----------
    states : float
        Weight of the mean squared difference between the states of each residue.
    means : float
        Weight of the mean squared difference between the means over all tokens of each crop; features of proteins are
        such means.
    normalised : bool
        Whether the student's mapped states are normalised as the teacher's are. Without, they may be short where the
        teacher's state can't be known, and their means over crops are nearer to the teacher's.
    """

    states: float
    means: float
    normalised: bool = True


class DistilledLanguageModel(MaskedLanguageModel):
    """A masked language model whose last hidden states, through one linear map, shall equal the teacher's.

    Where a residue is masked the teacher's state isn't asked for: the teacher has read the residue, which decides most
    of its state.

    Parameters
    ----------
    config : EsmConfig
        Architecture of the encoder.
    teacher : Teacher
        Its width and fingerprint are read.
    objective : Objective
        Parts of the loss.
    **schedule
        As for `MaskedLanguageModel`.
    """

    def __init__(self, config: "EsmConfig", teacher: Teacher, objective: Objective, **schedule: Any) -> None:
        super().__init__(config, **schedule)
        self.objective, self._teacher = objective, teacher.fingerprint
        with torch.random.fork_rng():
            torch.manual_seed(schedule["seed"])
            self.map = nn.Linear(config.hidden_size, teacher.width)

    @property
    @override
    def further_settings(self) -> str:
        return f"{super().further_settings} {self._teacher} {tuple(self.objective)}"

    @override
    def training_step(self, batch: Batch) -> Tensor:
        hidden = packed_states(self.network.esm, batch["input_ids"], batch["sizes"])
        mapped = self.map(hidden).float()
        difference = (normalised(mapped) if self.objective.normalised else mapped) - batch["states"]
        parts = {
            "loss": self._language_loss(hidden, batch["labels"]),
            "distance": difference[batch["input_ids"] != MASK].square().mean(),
            "mean_distance": crop_means(difference, batch["sizes"]).square().mean(),
        }
        for name, value in parts.items():
            self.log(f"training_{name}", value, on_step=False, on_epoch=True, batch_size=len(batch["sizes"]))
        language, states, means = parts.values()
        loss: Tensor = language + self.objective.states * states + self.objective.means * means
        return loss

    @override
    def validation_step(self, batch: Batch) -> None:
        inputs, labels = batch["input_ids"], batch["labels"]
        hidden = packed_states(self.network.esm, inputs, batch["sizes"])
        chosen = int((labels != IGNORED).sum())
        self.log("held_out_loss", self._language_loss(hidden, labels), batch_size=chosen)
        whole = torch.where(labels == IGNORED, inputs, labels)
        states = normalised(self.map(packed_states(self.network.esm, whole, batch["sizes"])))
        for name, mapped in {"cosine": states, "constant_cosine": batch["constant"][None]}.items():
            cosine = F.cosine_similarity(mapped, batch["states"]).mean()
            self.log(f"held_out_{name}", cosine, batch_size=len(inputs))

    def _language_loss(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of the residues to be predicted."""
        chosen = labels != IGNORED
        logits = self.network.lm_head(hidden[chosen])
        return F.cross_entropy(logits.float(), labels[chosen])
