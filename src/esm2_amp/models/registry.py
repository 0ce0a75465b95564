"""Every network by name, with the configuration that sizes it: one explicit table."""

from typing import NamedTuple

from esm2_amp.errors import InputError
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.amp import ESM2AMPCSE, ESM2AMPS
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.dpm import ESM2DPM
from esm2_amp.models.gru import ESM2GRU
from esm2_amp.models.mean import ESM2MEAN
from esm2_amp.models.siam import ESM2SIAM
from esm2_amp.parameters.model_training import (
    AEDNNParameters,
    DPMParameters,
    GRUParameters,
    MeanParameters,
    NetworkParameters,
    SiameseParameters,
    TransformerParameters,
)


class ModelEntry(NamedTuple):
    """A network's class and the class of its configuration."""

    network: type[PairNetwork]
    config: type[NetworkParameters]


MODELS: dict[str, ModelEntry] = {
    "ESM2_AMPS": ModelEntry(ESM2AMPS, TransformerParameters),
    "ESM2_AMP_CSE": ModelEntry(ESM2AMPCSE, TransformerParameters),
    "ESM2_DPM": ModelEntry(ESM2DPM, DPMParameters),
    "ESM2_GRU": ModelEntry(ESM2GRU, GRUParameters),
    "ESM2_MEAN": ModelEntry(ESM2MEAN, MeanParameters),
    "ESM2_SIAM": ModelEntry(ESM2SIAM, SiameseParameters),
}

LATENT_MODELS: dict[str, ModelEntry] = {"AE_DNN": ModelEntry(AEDNN, AEDNNParameters)}
"""Networks that read latents instead of features. They serve explanations, and aren't offered as models of pairs."""


def network_class(architecture: str) -> type[PairNetwork]:
    """The class of that name in the registry, or an InputError that lists the names."""
    entry = MODELS.get(architecture) or LATENT_MODELS.get(architecture)
    if entry is None:
        raise InputError(f"A model must be one of {', '.join(MODELS)}, got {architecture!r}")
    return entry.network


def build_network(config: NetworkParameters, width: int) -> PairNetwork:
    """A freshly initialised network for features of width D, sized by one of the configurations of `MODELS`."""
    sizes = config.model_dump()
    return network_class(sizes.pop("architecture"))(width=width, **sizes)
