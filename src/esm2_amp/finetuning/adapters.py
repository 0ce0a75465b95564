"""An ESM-2 with adapters of low rank (LoRA, Hu et al. 2022), by peft."""

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn
from typing_extensions import override

from esm2_amp.encoder.packed_training import packed_states
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.errors import InputError
from esm2_amp.finetuning.pieces import Part
from esm2_amp.parameters.finetuning import AdaptedMap, FinetuningParameters

if TYPE_CHECKING:
    from transformers import EsmModel

_NAMES: Final[dict[AdaptedMap, str]] = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "expansion": "intermediate.dense",
    "contraction": "output.dense",
}
"""What transformers calls the maps of a layer."""

_FREQUENCIES: Final = "rotary_embeddings.inv_freq"


def check_adapters(settings: FinetuningParameters, weights: EsmWeights) -> None:
    """Raise InputError where peft isn't installed, or an encoder can't have such adapters.

    Parameters
    ----------
    settings : FinetuningParameters
        Rank and place of the adapters.
    weights : EsmWeights
        The encoder.
    """
    try:
        import peft  # noqa: F401  an extra
    except ModuleNotFoundError as error:
        raise InputError("finetuning needs peft, which isn't installed: pip install 'esm2_amp[lora]'") from error
    width, layers = weights.architecture.width, weights.architecture.layers
    if settings.rank > width:
        raise InputError(f"finetuning.rank must be at most the encoder's width {width}, got {settings.rank}")
    if settings.layers is not None and settings.layers > layers:
        raise InputError(
            f"finetuning.layers must be at most the encoder's {layers} layers, got {settings.layers}; null adapts all"
        )


class AdaptedEncoder(nn.Module):
    """An ESM-2 whose own weights stay as they are, with trainable adapters beside some of its linear maps.

    Adapters begin as no change: their second matrices are zeros, the first are drawn from the global random state.

    Parameters
    ----------
    weights : EsmWeights
        The encoder, whose rotary frequencies are kept, too. Copied.
    settings : FinetuningParameters
        Rank and place of the adapters, and whether layers are computed again.
    """

    frequencies: Tensor

    def __init__(self, weights: EsmWeights, settings: FinetuningParameters) -> None:
        from peft import LoraConfig, get_peft_model

        super().__init__()
        layers = range(weights.architecture.layers)
        adapted = layers if settings.layers is None else layers[-settings.layers :]
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a factor, which need not be whole
            lora_dropout=settings.dropout,
            target_modules=[f"encoder.layer.{layer}.{_NAMES[name]}" for layer in adapted for name in settings.modules],
        )
        self.adapted = get_peft_model(esm_model(weights), config)  # type: ignore[arg-type]
        self.recompute = settings.recompute
        self.register_buffer("frequencies", weights.inverse_frequencies, persistent=False)

    @override
    def forward(self, part: Part) -> Tensor:
        """Hidden states of the tokens of a part: shape (N, D), float."""
        esm: Any = self.adapted.get_base_model()
        recompute = self.recompute and torch.is_grad_enabled()
        return packed_states(esm, part.tokens, part.sizes, self.frequencies, recompute=recompute)

    def merged(self) -> "EsmModel":
        """The encoder with the adapters' changes added to its weights; these adapters can't be used afterwards."""
        adapted: Any = self.adapted
        merged: EsmModel = adapted.merge_and_unload(safe_merge=True)
        return merged


def esm_model(weights: EsmWeights) -> "EsmModel":
    """Transformers' `EsmModel` with a copy of checked weights; its contact head, of which they have none, is zero."""
    from transformers import EsmModel  # slow to import

    sizes = weights.architecture
    config = small_esm2_config(layers=sizes.layers, width=sizes.width, heads=sizes.heads)
    config.update(
        {
            "vocab_size": sizes.tokens,
            "intermediate_size": sizes.feed_forward,
            "layer_norm_eps": sizes.layer_norm_eps,
            "token_dropout": sizes.token_dropout,
            "emb_layer_norm_before": sizes.emb_layer_norm_before,
            "rope_theta": sizes.rotary_base,
        }
    )
    with torch.random.fork_rng(devices=[]):
        esm: Any = EsmModel(config, add_pooling_layer=False)
    for weight in esm.contact_head.parameters():
        nn.init.zeros_(weight)
    result = esm.load_state_dict({**weights.tensors, _FREQUENCIES: weights.inverse_frequencies}, strict=False)
    left_out = [name for name in result.missing_keys if not name.startswith("contact_head.")]
    assert not left_out, left_out
    assert not result.unexpected_keys, result.unexpected_keys
    return esm  # type: ignore[no-any-return]
