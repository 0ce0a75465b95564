"""Every network by name, with the configuration that sizes it: one explicit table."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from esm2_amp.errors import InputError
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.amp import ESM2AMPCSE, ESM2AMPS
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.dpm import ESM2DPM
from esm2_amp.models.gru import ESM2GRU
from esm2_amp.models.mean import ESM2MEAN
from esm2_amp.parameters import Parameters

Size = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class NetworkConfig(Parameters):
    """Sizes of a network; the width D is not among them, the features bring it."""


class MeanConfig(NetworkConfig):
    """Sizes of `ESM2MEAN`."""

    architecture: Literal["ESM2_MEAN"]
    h1: Size
    h2: Size


class GRUConfig(NetworkConfig):
    """Sizes of `ESM2GRU`."""

    architecture: Literal["ESM2_GRU"]
    h1: Size
    h2: Size
    layers: Size = 6
    dropout: Dropout = 0.3


class TransformerConfig(NetworkConfig):
    """Sizes of `ESM2AMPS` and `ESM2AMPCSE`."""

    architecture: Literal["ESM2_AMPS", "ESM2_AMP_CSE"]
    h1: Size
    h2: Size
    layers: Size = 6
    heads: Size = 8
    feed_forward: Size = 2048
    dropout: Dropout = 0.3


class DPMConfig(NetworkConfig):
    """Sizes of `ESM2DPM`."""

    architecture: Literal["ESM2_DPM"]
    h1: Size
    h2: Size
    h3: Size


class AEDNNConfig(NetworkConfig):
    """Sizes of `AEDNN`."""

    architecture: Literal["AE_DNN"] = "AE_DNN"
    h1: Size
    h2: Size


AnyNetworkConfig = Annotated[
    TransformerConfig | GRUConfig | MeanConfig | DPMConfig | AEDNNConfig, Field(discriminator="architecture")
]


class ModelEntry(NamedTuple):
    """A network's class and the class of its configuration."""

    network: type[PairNetwork]
    config: type[NetworkConfig]


MODELS: dict[str, ModelEntry] = {
    "ESM2_AMPS": ModelEntry(ESM2AMPS, TransformerConfig),
    "ESM2_AMP_CSE": ModelEntry(ESM2AMPCSE, TransformerConfig),
    "ESM2_DPM": ModelEntry(ESM2DPM, DPMConfig),
    "ESM2_GRU": ModelEntry(ESM2GRU, GRUConfig),
    "ESM2_MEAN": ModelEntry(ESM2MEAN, MeanConfig),
}

LATENT_MODELS: dict[str, ModelEntry] = {"AE_DNN": ModelEntry(AEDNN, AEDNNConfig)}
"""Networks that read latents instead of features: means of explanation, not offered as models of pairs."""


def network_class(architecture: str) -> type[PairNetwork]:
    """The network of that name; InputError with the known names for any other."""
    entry = MODELS.get(architecture) or LATENT_MODELS.get(architecture)
    if entry is None:
        raise InputError(f"A model must be one of {', '.join(MODELS)}, got {architecture!r}")
    return entry.network


def build_network(config: NetworkConfig, width: int) -> PairNetwork:
    """A freshly initialised network.

    Parameters
    ----------
    config : one of the configurations of `MODELS`
    width : int
        D of the features it will read.
    """
    sizes = config.model_dump()
    return network_class(sizes.pop("architecture"))(width=width, **sizes)
