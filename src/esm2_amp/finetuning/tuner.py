"""The Lightning modules of fine-tuning: sequences to logits, with gradients down to the encoder's adapters."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader
from typing_extensions import override

from esm2_amp.finetuning.adapters import AdaptedEncoder
from esm2_amp.finetuning.pieces import SLOTS, Part, Sequences, vectors
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import pair_tokens
from esm2_amp.parameters.finetuning import FinetuningParameters
from esm2_amp.parameters.model_training import TrainingParameters
from esm2_amp.progress import Progress
from esm2_amp.training.batches import PairBatch, Shares, pair_batches
from esm2_amp.training.classifier import MeasuredModule, PairData

logger = logging.getLogger(__name__)


class EncoderTuner(MeasuredModule):
    """An encoder's adapters and a network of pairs under AdamW, with a linear warm-up and a linear decay to zero.

    Each protein of a step is embedded once with gradients, in parts of bounded size (gradient caching, Gao et al.
    2021). All parts but the last are first embedded without gradients; then come the loss of all pairs and its
    gradients by the proteins' vectors; then each part is embedded again, and its share of the vectors passes their
    gradients on. They equal those of one pass over the whole step. A step that is one part is embedded once.

    Parameters
    ----------
    encoder : AdaptedEncoder
        Its adapters are trained.
    network : PairNetwork
        The network of pairs, which is trained, too.
    proteins : Sequences
        The sequences that pairs are rows of.
    settings : FinetuningParameters
        How both are trained.
    training : TrainingParameters
        How the network was trained before: its weight decay and micro-batches.
    total_steps : int
        Steps after which the learning rates are zero.
    seed : int
        Dropout of a step is drawn from seed and step alone, so that a resumed run repeats an undisturbed one.
    """

    def __init__(
        self,
        encoder: AdaptedEncoder,
        network: PairNetwork,
        proteins: Sequences,
        settings: FinetuningParameters,
        training: TrainingParameters,
        *,
        total_steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.encoder, self.network, self.proteins = encoder, network, proteins
        self.settings, self.training_before = settings, training
        self.total_steps, self.seed = total_steps, seed
        self.automatic_optimization = False  # a step's number of parts depends on its proteins
        self.strict_loading = False  # checkpoints lack what isn't trained

    def protein_vectors(self, rows: Tensor) -> Tensor:
        """The 13 vectors of some proteins, without gradients: shape (rows, 13, D), float32."""
        proteins = rows.tolist()
        parts = self.proteins.parts(proteins)
        sums = self._sums(len(proteins))
        progress = Progress(logger, "embedding tokens", sum(len(part.tokens) for part in parts))
        with torch.no_grad():
            for part in parts:
                on_device = part.to(self.device)
                sums = on_device.add(self.encoder(on_device), sums)
                progress.add(len(part.tokens))
        return vectors(sums, self.proteins.segment_shares(proteins).to(self.device))

    @override
    def training_step(self, batch: PairBatch, batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self._accumulate(batch, batch_idx)
        self.clip_gradients(optimizer, self.settings.gradient_clip, "norm")
        optimizer.step()
        schedule: Any = self.lr_schedulers()
        schedule.step()

    def _accumulate(self, batch: PairBatch, batch_idx: int) -> None:
        """Add the gradients of the mean loss over a step's pairs to those of the weights."""
        a, b, label = batch
        used, (a, b) = torch.unique(torch.stack([a, b]), return_inverse=True)
        proteins = used.tolist()
        *parts, last = [part.to(self.device) for part in self.proteins.parts(proteins)]
        sums = self._sums(len(proteins))
        with torch.no_grad():
            for number, part in enumerate(parts):
                sums = part.add(self._states(part, batch_idx, number), sums)
        of_last = last.add(self._states(last, batch_idx, len(parts)), torch.zeros_like(sums))
        sums = (sums + of_last.detach()).requires_grad_()
        shares = self.proteins.segment_shares(proteins).to(self.device)
        with self._drawn(batch_idx, len(parts) + 1):
            self._network_gradients(sums, shares, (a, b, label))
        of_last.backward(sums.grad)
        for number, part in enumerate(parts):
            share = part.add(self._states(part, batch_idx, number), torch.zeros_like(sums))
            share.backward(sums.grad)

    def _network_gradients(self, sums: Tensor, shares: Tensor, batch: PairBatch) -> None:
        """Gradients of the mean loss by the network's weights, and by the sums of the proteins' states."""
        label = batch[2]
        size = self.training_before.micro_batch_size or len(label)
        for a, b, truth in zip(*(column.split(size) for column in batch), strict=True):
            logit = self._logits(vectors(sums, shares), a, b)
            self.keep_outcomes("training", logit, truth)
            loss = binary_cross_entropy_with_logits(logit, truth.to(logit.dtype), reduction="sum") / len(label)
            loss.backward()

    def _logits(self, features: Tensor, a: Tensor, b: Tensor) -> Tensor:
        tokens = pair_tokens(features[:, self.network.protein_tokens], a, b)
        logit: Tensor = self.network(tokens)
        return logit.to(tokens.dtype)

    def _sums(self, proteins: int) -> Tensor:
        weight = next(self.network.parameters())
        return weight.new_zeros(proteins, SLOTS, self.network.sizes["width"])

    def _states(self, part: Part, step: int, number: int) -> Tensor:
        """Hidden states of a part, in either pass over it with the same dropout."""
        with self._drawn(step, number):
            states: Tensor = self.encoder(part)
        return states

    @contextmanager
    def _drawn(self, step: int, number: int) -> Iterator[None]:
        """Draw the dropout of a part of a step from the seed; the random state is restored."""
        entropy = np.random.SeedSequence([self.seed, self.current_epoch, step, number])
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
            yield

    @override
    def validation_step(self, batch: PairBatch) -> None:
        a, b, label = batch
        used, (a, b) = torch.unique(torch.stack([a, b]), return_inverse=True)
        features = self.protein_vectors(used)
        for rows in torch.arange(len(label), device=self.device).split(self.settings.pairs_per_step):
            self.keep_outcomes("validation", self._logits(features, a[rows], b[rows]), label[rows])

    @override
    def configure_optimizers(self) -> Any:
        settings, decay = self.settings, self.training_before.weight_decay
        adapters = [weight for weight in self.encoder.parameters() if weight.requires_grad]
        groups = [
            {"params": adapters, "lr": settings.learning_rate, "weight_decay": 0.0},
            {"params": [*self.network.parameters()], "lr": settings.network_learning_rate, "weight_decay": decay},
        ]
        optimizer = torch.optim.AdamW(groups)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)]

    def _rate(self, step: int) -> float:
        warmup = self.settings.warmup_steps
        warm = (step + 1) / max(1, warmup)
        return max(0.0, min(1.0, warm, (self.total_steps - step) / max(1, self.total_steps - warmup)))

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        trained = {name for name, weight in self.named_parameters() if weight.requires_grad}
        state = checkpoint["state_dict"]
        checkpoint["state_dict"] = {name: state[name] for name in state if name in trained}


class SequencePairs(PairData):
    """The training pairs in steps, in a new order each epoch, and all validation pairs at once.

    Parameters
    ----------
    training, validation, shares, seed, swapping
        As for `PairData`; of the pairs only rows and labels are read.
    """

    @override
    def val_dataloader(self) -> DataLoader[PairBatch]:
        return pair_batches(self.validation_pairs, Shares(len(self.validation_pairs), len(self.validation_pairs)))
