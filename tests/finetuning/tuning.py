"""Small encoders, networks and pairs to fine-tune."""

import numpy as np
import torch
from transformers import EsmModel

from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.finetuning.adapters import AdaptedEncoder
from esm2_amp.finetuning.pieces import Sequences
from esm2_amp.finetuning.tuner import EncoderTuner
from esm2_amp.models.registry import build_network
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.finetuning import FinetuningParameters
from esm2_amp.parameters.model_training import DPMParameters, TrainingParameters, TransformerParameters
from esm2_amp.protein import STANDARD_RESIDUES

WIDTH = 16
WINDOWS = EmbeddingParameters(precision="float32", whole_up_to=24, window=16, overlap=6)
NETWORKS = {
    "ESM2_DPM": DPMParameters(architecture="ESM2_DPM", h1=12, h2=8, h3=4),
    "ESM2_AMPS": TransformerParameters(
        architecture="ESM2_AMPS", h1=8, h2=4, layers=1, heads=2, feed_forward=16, dropout=0.0
    ),
}
SETTINGS = {
    "rank": 2, "alpha": 4.0, "dropout": 0.0, "modules": "query key value", "layers": None, "learning_rate": 1e-2,
    "network_learning_rate": 1e-3, "warmup_steps": 2, "pairs_per_step": 8, "epochs": 3, "gradient_clip": 1.0,
    "tokens_at_once": 60, "recompute": False, "precision": "32-true", "licence": "unknown",
}  # fmt: skip
ALL_MAPS = "query key value attention_output expansion contraction"


def settings_of(**changed) -> FinetuningParameters:
    return FinetuningParameters(**SETTINGS | changed)


def training_of(**changed) -> TrainingParameters:
    return TrainingParameters(**{"learning_rate": 1e-3, "weight_decay": 0.01, "epochs": 2} | changed)


def small_encoder(seed=0, *, layers=2, half=False) -> Encoder:
    """An ESM-2 with weights large enough for attention to matter; halved, its rotary frequencies are rounded."""
    torch.manual_seed(seed)
    esm = EsmModel(small_esm2_config(layers=layers, width=WIDTH, heads=2), add_pooling_layer=False)
    for name, weight in esm.named_parameters():
        torch.nn.init.normal_(weight, 1.0 if name.endswith("orm.weight") else 0.0, 0.25)
    return Encoder(EsmWeights.from_model(esm.half() if half else esm), "small")


def small_network(name="ESM2_DPM", seed=0):
    torch.manual_seed(seed)
    return build_network(NETWORKS[name], WIDTH).eval()


def random_sequences(lengths, seed=0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(STANDARD_RESIDUES), length)) for length in lengths]


def cut(sequences, tokens_at_once=60) -> Sequences:
    return Sequences([f"P{n}" for n in range(len(sequences))], sequences, WINDOWS, tokens_at_once)


def tuner_of(sequences, settings, name="ESM2_DPM", *, encoder=None, **training) -> EncoderTuner:
    """In double precision, with adapters that already change something."""
    torch.manual_seed(1)
    adapted = AdaptedEncoder((encoder or small_encoder()).weights, settings)
    for weight in adapted.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, 0.0, 0.2)
    proteins = cut(sequences, settings.tokens_at_once)
    made = EncoderTuner(
        adapted, small_network(name), proteins, settings, training_of(**training), total_steps=10, seed=5
    )
    return made.double().train()
