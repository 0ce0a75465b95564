"""Training a small ESM-2 by masked language modelling, as ESM-2 itself was trained (Lin et al. 2023, section A.2)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset
from typing_extensions import override

from esm2_amp.encoder.optimizers import adamw, muon
from esm2_amp.encoder.tokens import EOS, MASK, PAD, VOCABULARY, encode
from esm2_amp.parameters.encoder_pretraining import OptimizerName
from esm2_amp.protein import RESIDUES, STANDARD_RESIDUES

if TYPE_CHECKING:
    from transformers import EsmConfig

IGNORED = -100
"""Label of positions that don't count in the loss."""

_FIRST_RESIDUE = VOCABULARY.index(STANDARD_RESIDUES[0])


@dataclass(frozen=True)
class Corpus:
    """Proteins as one run of tokens.

    Attributes
    ----------
    tokens : ndarray, shape (sum of L + 2,), uint8
        `<cls> … <eos>` of one protein after another.
    starts : ndarray, shape (P + 1,), int64
        Where each protein begins; the last entry is the total.
    """

    tokens: NDArray[np.uint8]
    starts: NDArray[np.int64]

    @classmethod
    def from_sequences(cls, sequences: Sequence[str]) -> "Corpus":
        """The tokens of sequences of residues."""
        encoded = [encode(sequence) for sequence in sequences]
        starts = np.cumsum([0] + [len(tokens) for tokens in encoded])
        return cls(np.concatenate(encoded), starts)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the proteins in their order."""
        return hashlib.sha256(self.tokens.tobytes()).hexdigest()

    def place(self, protein: int, length: int, generator: np.random.Generator) -> slice:
        """Where a run of at most `length` tokens of one protein lies among the tokens, drawn evenly."""
        start, end = (int(bound) for bound in self.starts[protein : protein + 2])
        spare = max(0, end - start - length)
        first = start + int(generator.integers(spare + 1))
        return slice(first, min(first + length, end))

    def crop(self, protein: int, length: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """A run of at most `length` tokens of one protein, its place drawn evenly."""
        return self.tokens[self.place(protein, length, generator)]


def masked_batch(
    crops: Sequence[NDArray[np.uint8]], generator: np.random.Generator, masked_fraction: float
) -> dict[str, Tensor]:
    """Pad crops and mask residues: of those chosen 80 % become `<mask>`, 10 % another residue, 10 % stay.

    Parameters
    ----------
    crops : sequence of B ndarray, each of shape (tokens,), uint8
        Runs of tokens.
    generator : numpy Generator
        Draws the residues to mask and what replaces them.
    masked_fraction : float
        Share of the residues that are chosen (0.15 in the paper); `<cls>` and `<eos>` never are.

    Returns
    -------
    batch : dict of Tensor, each of shape (B, longest crop), int64
        `input_ids`, `attention_mask` and `labels`, the last `IGNORED` where nothing was chosen.
    """
    shape = len(crops), max(map(len, crops))
    tokens = np.full(shape, PAD, dtype=np.int64)
    for row, crop in zip(tokens, crops, strict=True):
        row[: len(crop)] = crop
    inputs, labels = mask_residues(tokens, generator, masked_fraction)
    return {
        "input_ids": torch.from_numpy(inputs),
        "attention_mask": torch.from_numpy((tokens != PAD).astype(np.int64)),
        "labels": torch.from_numpy(labels),
    }


def mask_residues(
    tokens: NDArray[np.int64], generator: np.random.Generator, masked_fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs and labels of tokens of any shape, see `masked_batch`."""
    chosen = (tokens > EOS) & (generator.random(tokens.shape) < masked_fraction)
    labels = np.where(chosen, tokens, IGNORED)
    fate = generator.random(tokens.shape)
    random_residues = generator.integers(_FIRST_RESIDUE, _FIRST_RESIDUE + len(STANDARD_RESIDUES), tokens.shape)
    inputs = np.select([chosen & (fate < 0.8), chosen & (fate < 0.9)], [MASK, random_residues], tokens)  # noqa: PLR2004
    return inputs, labels


class MaskedCrops(IterableDataset[dict[str, Tensor]]):
    """Training batches of one epoch; each is a function of seed and step alone, so a resumed run repeats none.

    Proteins are drawn in proportion to their length, so that each residue is equally likely to be in a crop.

    Parameters
    ----------
    corpus : Corpus
        The training proteins.
    steps : range
        Numbers of the epoch's batches, counted from the first epoch.
    batch_size : int
        Crops in a batch.
    crop_length : int
        Most tokens of a crop.
    masked_fraction : float
        Share of the residues to be predicted.
    seed : int
        Of all random draws, together with the step.
    """

    def __init__(
        self, corpus: Corpus, steps: range, *, batch_size: int, crop_length: int, masked_fraction: float, seed: int
    ) -> None:
        self.corpus, self.steps = corpus, steps
        self.batch_size, self.crop_length = batch_size, crop_length
        self.masked_fraction, self.seed = masked_fraction, seed

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for step in self.steps:
            generator = np.random.default_rng([self.seed, step])
            crops = [self.corpus.tokens[place] for place in self.places(generator)]
            yield masked_batch(crops, generator, self.masked_fraction)

    def places(self, generator: np.random.Generator) -> list[slice]:
        """Where the crops of a batch lie among the tokens of the corpus."""
        starts = self.corpus.starts
        drawn = generator.integers(starts[-1], size=self.batch_size)
        proteins = np.searchsorted(starts, drawn, side="right") - 1
        return [self.corpus.place(protein, self.crop_length, generator) for protein in proteins]


class PretrainingData(L.LightningDataModule):
    """Random crops for training, and held-out proteins masked in the same way for every epoch.

    Parameters
    ----------
    training, held_out : Corpus
        Proteins to train on, and to measure the loss on.
    steps_per_epoch : int
        Batches of an epoch.
    batch_size, crop_length, masked_fraction, seed
        As for `MaskedCrops`.
    """

    def __init__(
        self,
        training: Corpus,
        held_out: Corpus,
        *,
        steps_per_epoch: int,
        batch_size: int,
        crop_length: int,
        masked_fraction: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.training, self.held_out, self.steps_per_epoch = training, held_out, steps_per_epoch
        self.options: dict[str, Any] = {
            "batch_size": batch_size,
            "crop_length": crop_length,
            "masked_fraction": masked_fraction,
            "seed": seed,
        }

    @override
    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        return DataLoader(MaskedCrops(self.training, self.epoch_steps(), **self.options), batch_size=None)

    def epoch_steps(self) -> range:
        """Numbers of the batches of the epoch that the trainer is in."""
        assert self.trainer is not None
        first = self.trainer.current_epoch * self.steps_per_epoch
        return range(first, first + self.steps_per_epoch)

    @override
    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        generator, fraction = np.random.default_rng(self.options["seed"]), self.options["masked_fraction"]
        batches = [
            masked_batch([self.held_out.tokens[place] for place in places], generator, fraction)
            for places in self.held_out_places(generator)
        ]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]

    def held_out_places(self, generator: np.random.Generator) -> Iterator[list[slice]]:
        """Where the crops of each held-out batch lie among the tokens of the held-out proteins."""
        proteins, size = range(len(self.held_out.starts) - 1), self.options["batch_size"]
        for first in proteins[::size]:
            yield [
                self.held_out.place(protein, self.options["crop_length"], generator)
                for protein in proteins[first : first + size]
            ]


class MaskedLanguageModel(L.LightningModule):
    """`EsmForMaskedLM` under AdamW or Muon, with a linear warm-up and a linear decay to zero.

    Parameters
    ----------
    config : EsmConfig
        Architecture of the encoder.
    learning_rate : float
        Learning rate at the end of the warm-up.
    weight_decay : float
        Weight decay of matrices; biases and norms have none.
    warmup_steps : int
        Steps in which the learning rate rises.
    total_steps : int
        Steps after which the learning rate is zero.
    seed : int
        Seed of the initial weights.
    optimizer : {"adamw", "muon"}
        What makes the steps, see `esm2_amp.encoder.optimizers`.
    """

    def __init__(
        self,
        config: "EsmConfig",
        *,
        learning_rate: float,
        weight_decay: float,
        warmup_steps: int,
        total_steps: int,
        seed: int,
        optimizer: OptimizerName = "adamw",
    ) -> None:
        from transformers import EsmForMaskedLM  # slow to import

        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = EsmForMaskedLM(config)
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        self.optimizer = optimizer

    @property
    def further_settings(self) -> str:
        """What decides the outcome of a training beside initial weights and schedule; empty for AdamW."""
        return "" if self.optimizer == "adamw" else self.optimizer

    @override
    def training_step(self, batch: dict[str, Tensor]) -> Tensor:
        loss: Tensor = self.network(**batch).loss
        self.log("training_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["labels"]))
        return loss

    @override
    def validation_step(self, batch: dict[str, Tensor]) -> None:
        masked = int((batch["labels"] != IGNORED).sum())
        self.log("held_out_loss", self.network(**batch).loss, prog_bar=True, batch_size=masked)

    @override
    def configure_optimizers(self) -> Any:
        if self.optimizer == "muon":
            matrices = [weight for weight in self.network.esm.encoder.layer.parameters() if weight.ndim > 1]
            inner = set(matrices)
            others = [weight for weight in self.parameters() if weight not in inner]
            optimizer: Optimizer = muon(matrices, others, self.learning_rate, self.weight_decay)
        else:
            optimizer = adamw(self.parameters(), self.learning_rate, self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        warm = (step + 1) / max(1, self.warmup_steps)
        left = (self.total_steps - step) / max(1, self.total_steps - self.warmup_steps)
        return max(0.0, min(warm, left))


def small_esm2_config(*, layers: int, width: int, heads: int) -> "EsmConfig":
    """Configuration of ESM-2's architecture (rotary positions, token dropout, pre-norm) at another size.

    Parameters
    ----------
    layers : int
        Number of transformer layers.
    width : int
        D; the feed-forward width is 4 D.
    heads : int
        Attention heads of a layer.
    """
    from transformers import EsmConfig  # slow to import

    return EsmConfig(
        vocab_size=len(VOCABULARY),
        mask_token_id=MASK,
        pad_token_id=PAD,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        position_embedding_type="rotary",
        token_dropout=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=1026,
        layer_norm_eps=1e-5,
        tie_word_embeddings=True,
    )


class Perplexities(NamedTuple):
    """Perplexities of held-out residues by models that only count.

    Attributes
    ----------
    frequencies : float
        From the amino-acid frequencies of the training proteins.
    bigram : float
        From the frequency of a residue after the one before it, over residues that have one before them.
    """

    frequencies: float
    bigram: float


def counted_perplexities(training: Corpus, held_out: Corpus) -> Perplexities:
    """Perplexities of held-out residues from counts in training proteins, with one added to each count.

    Parameters
    ----------
    training, held_out : Corpus
        Proteins in which residues are counted, and those whose residues are predicted.
    """
    once = np.bincount(_residues(training.tokens), minlength=len(RESIDUES))
    twice = np.bincount(_neighbours(training), minlength=len(RESIDUES) ** 2).reshape(len(RESIDUES), -1)
    seen = np.bincount(_residues(held_out.tokens), minlength=len(RESIDUES))
    seen_twice = np.bincount(_neighbours(held_out), minlength=twice.size).reshape(twice.shape)
    return Perplexities(_perplexity(once, seen), _perplexity(twice, seen_twice))


def _residues(tokens: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Numbers of the residues among tokens, counted from 0."""
    numbers = tokens.astype(np.int64) - _FIRST_RESIDUE
    return numbers[(numbers >= 0) & (numbers < len(RESIDUES))]


def _neighbours(corpus: Corpus) -> NDArray[np.int64]:
    """Each two residues that follow one another, as one number."""
    numbers = corpus.tokens.astype(np.int64) - _FIRST_RESIDUE
    known = (numbers >= 0) & (numbers < len(RESIDUES))
    both = known[:-1] & known[1:]  # two proteins have an <eos> and a <cls> between them
    return numbers[:-1][both] * len(RESIDUES) + numbers[1:][both]


def _perplexity(counted: NDArray[np.int64], seen: NDArray[np.int64]) -> float:
    smoothed = counted + 1.0
    probability = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return float(np.exp(-(seen * np.log(probability)).sum() / seen.sum()))
