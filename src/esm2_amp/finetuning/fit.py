"""The fine-tuning of an encoder and a network on pairs: resumable, best epoch by validation MCC."""

import copy
import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import torch

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.finetuning.adapters import AdaptedEncoder
from esm2_amp.finetuning.pieces import Sequences
from esm2_amp.finetuning.start import Start
from esm2_amp.finetuning.tuner import EncoderTuner, SequencePairs
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs, hash_pairs, hash_tensors
from esm2_amp.parameters.finetuning import FinetuningParameters
from esm2_amp.parameters.run import Device
from esm2_amp.precision import resolve_training_precision
from esm2_amp.training.batches import Shares
from esm2_amp.training.callbacks import EpochRecord
from esm2_amp.training.fit import best_checkpoints, check_splits, release_optimizers
from esm2_amp.training.resume import checkpoint_to_resume, last_checkpoint
from esm2_amp.training.trainer import quiet_trainer

if TYPE_CHECKING:
    from transformers import EsmModel


class Finetuned(NamedTuple):
    """A tuned encoder and the network that reads its vectors.

    Attributes
    ----------
    encoder : EsmModel
        With the adapters' changes in its weights, on the CPU.
    network : PairNetwork
        In eval mode, on the CPU.
    record : DataFrame
        As `esm2_amp.training.fit.Fit.record`; the learning rate is that of the adapters after the epoch.
    """

    encoder: "EsmModel"
    network: PairNetwork
    record: pd.DataFrame


def finetune(
    start: Start,
    proteins: Sequences,
    training: Pairs,
    validation: Pairs,
    settings: FinetuningParameters,
    *,
    folder: Path,
    device: Device,
    seed: int,
) -> Finetuned:
    """Adapt an encoder and its network to pairs, from the last checkpoint when the same work was interrupted.

    The network was trained on the frozen encoder's vectors before: gradients of a network that knows nothing would
    distort the encoder first (Kumar et al. 2022). Adapters begin as no change, so that the first step sees the logits
    that the network gave before. A fine-tuning that is finished is read from its checkpoints.

    Parameters
    ----------
    start : Start
        Encoder and network; not changed.
    proteins : Sequences
        The sequences that pairs are rows of.
    training, validation : Pairs
        Labelled pairs as rows of the sequences; their table isn't read.
    settings : FinetuningParameters
        Adapters, and how they are trained.
    folder : Path
        Where checkpoints are kept: adapters and network of the three best epochs by validation MCC, and beside these
        the state of the optimiser of the last epoch.
    device : {"auto", "cpu", "cuda", "mps"}
        Where both are trained.
    seed : int
        Seed of the adapters' initial weights, the order of the pairs and the dropout.

    Raises
    ------
    InputError
        A split is of one class only, the accelerator's memory is too small or, as DivergedError, a loss is no longer
        finite.
    """
    check_splits(training, validation)
    precision = resolve_training_precision(settings.precision, resolve_device(device))
    settings = settings.model_copy(update={"precision": precision})
    record, best = EpochRecord("fine-tuning"), best_checkpoints(folder)
    steps = settings.epochs * math.ceil(len(training) / settings.pairs_per_step)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder, network = AdaptedEncoder(start.encoder.weights, settings), copy.deepcopy(start.network)
        tuner = EncoderTuner(encoder, network, proteins, settings, start.training, total_steps=steps, seed=seed)
        swapping = start.training.pair_order == "random"
        steps_whole = Shares(settings.pairs_per_step, settings.pairs_per_step)
        data = SequencePairs(training, validation, steps_whole, seed, swapping=swapping)
        callbacks = [record, best, last_checkpoint(folder)]
        trainer = quiet_trainer(callbacks, folder, device, epochs=settings.epochs, precision=settings.precision)
        fingerprint = _fingerprint(start, proteins, training, validation, settings, seed)
        resume_from = checkpoint_to_resume(folder, fingerprint, "fine-tuning")
        try:
            trainer.fit(tuner, data, ckpt_path=resume_from, weights_only=False)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"The accelerator's memory is too small for finetuning.tokens_at_once={settings.tokens_at_once} "
                f"({error}); lower it, set finetuning.recompute=true or fewer finetuning.layers"
            ) from error
    release_optimizers(trainer)
    selected = _load_trained(tuner, Path(best.best_model_path))
    table = pd.DataFrame(record.rows)
    table["selected"] = table["epoch"] == selected
    tuner.cpu()
    return Finetuned(encoder.merged(), network.eval(), table)


def _load_trained(tuner: EncoderTuner, file: Path) -> int:
    """Load a checkpoint's adapters and network and return its epoch, from 1."""
    checkpoint = torch.load(file, map_location="cpu", weights_only=False)
    trained = {name for name, weight in tuner.named_parameters() if weight.requires_grad}
    assert checkpoint["state_dict"].keys() == trained
    tuner.load_state_dict(checkpoint["state_dict"], strict=False)
    return int(checkpoint["epoch"]) + 1


def _fingerprint(
    start: Start, proteins: Sequences, training: Pairs, validation: Pairs, settings: FinetuningParameters, seed: int
) -> str:
    """A hash of everything that decides the outcome."""
    parts = [
        settings.model_dump_json(),
        start.training.model_dump_json(),
        proteins.windows.model_dump_json(),
        start.encoder.fingerprint,
        hash_tensors(*start.network.state_dict().values()),
        hash_pairs(training, validation),
        hashlib.sha256(" ".join(proteins.sequences).encode()).hexdigest(),
        str(seed),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
