"""ESM-2 as fair-esm, its authors' package, stores it: one file such as `esm2_t33_650M_UR50D.pt`."""

import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from esm2_amp.encoder.tensor_files import contents, read_pickle
from esm2_amp.encoder.weights import EMBEDDINGS, Architecture, EsmWeights

HEADS = {320: 20, 480: 20, 640: 20, 1280: 20, 2560: 40, 5120: 40}
"""Attention heads of the published ESM-2 (Lin et al. 2023) by width, for files without settings."""

_EMBEDDINGS = "embed_tokens.weight"
_LAYER_NAMES = {
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "LayerNorm": "final_layer_norm",
}
_FREQUENCIES = "layers.0.self_attn.rot_emb.inv_freq"

_OTHER_MODELS = {
    r"(^|\.)embed_positions\.": "ESM-1b or ESM-1v (their positions are learnt)",
    r"(^|\.)row_self_attention\.": "the MSA Transformer",
    r"(^|\.)bias_k$": "ESM-1",
    r"(^|\.)transformer\.blocks\.": "ESM-C or ESM3",
    r"^trunk\.": "ESMFold",
}
"""Patterns of names of weights that an ESM-2 lacks, and the models that have them."""


def read_fair_esm(file: Path) -> EsmWeights:
    """The weights of an ESM-2 in fair-esm's file.

    Parameters
    ----------
    file : Path
        A dict with the weights as `model`, and perhaps the settings as `cfg` or `args`; or the weights alone.

    Returns
    -------
    weights : EsmWeights
        By the names of transformers.

    Raises
    ------
    ValueError
        The file is damaged, would run code, or holds something else; the message continues a sentence about the
        weights.
    """
    content = read_pickle(file)
    state = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not any(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"the file holds {contents(content)} without weights under 'model'")
    own = _without_prefix({str(name): value for name, value in state.items() if isinstance(value, Tensor)})
    architecture = _architecture(own, _settings(content))
    names = {name: _fair_name(name) for name in architecture.weight_shapes()}
    if missing := sorted(name for name in names.values() if name not in own):
        raise ValueError(f"{len(missing)} are missing, first {missing[0]}")
    tensors = {ours: own[theirs] for ours, theirs in names.items()}
    if _FREQUENCIES in own:
        tensors["rotary_embeddings.inv_freq"] = own[_FREQUENCIES]
    return EsmWeights.from_tensors(tensors, architecture)


def _without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the encoder, without `encoder.sentence_encoder.` or another prefix of each name."""
    if any(name.endswith(EMBEDDINGS) for name in state):
        raise ValueError("they have Hugging Face's names; give the folder that holds them and their config.json")
    for pattern, model in _OTHER_MODELS.items():
        if any(re.search(pattern, name) for name in state):
            raise ValueError(f"they are those of {model}, and an ESM-2 is needed")
    if all("contact_head." in name for name in state):
        raise ValueError(
            "they are those of its regression for contacts alone, which fair-esm keeps beside an ESM-2, in a file that "
            "has -contact-regression in its name and isn't needed"
        )
    prefixes = [name.removesuffix(_EMBEDDINGS) for name in state if name.endswith(_EMBEDDINGS)]
    if len(prefixes) != 1:
        found = f"{len(prefixes)} tables" if prefixes else "no table"
        raise ValueError(f"they hold {found} {_EMBEDDINGS} (names {', '.join(list(state)[:3])} …)")
    return {name.removeprefix(prefixes[0]): w for name, w in state.items() if name.startswith(prefixes[0])}


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings stored beside the weights, which some files lack."""
    settings: dict[str, Any] = {}
    for holder in (content.get("args"), content.get("cfg")):
        outer = _as_dict(holder)
        settings |= _as_dict(outer["model"]) if "model" in outer else outer
    return settings


def _as_dict(holder: Any) -> dict[str, Any]:
    if isinstance(holder, Namespace):
        return vars(holder)
    return holder if isinstance(holder, dict) else {}


def _architecture(own: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Architecture:
    tokens, width = own[_EMBEDDINGS].shape
    numbers = [int(found[1]) for name in own if (found := re.match(r"layers\.(\d+)\.", name))]
    heads = settings.get("encoder_attention_heads")
    if heads is None and _FREQUENCIES in own:
        heads = width // (2 * len(own[_FREQUENCIES]))
    heads = HEADS.get(width) if heads is None else heads
    if not isinstance(heads, int) or heads < 1:
        raise ValueError(
            f"their number of attention heads isn't known: cfg has no encoder_attention_heads, and the width {width} "
            f"is none of ESM-2's published ({', '.join(map(str, HEADS))})"
        )
    expansion = own.get("layers.0.fc1.weight")
    return Architecture(
        layers=1 + max(numbers, default=0),
        heads=heads,
        width=width,
        feed_forward=4 * width if expansion is None else len(expansion),
        tokens=tokens,
        token_dropout=bool(settings.get("token_dropout", True)),
    )


def _fair_name(name: str) -> str:
    """The name in fair-esm of a weight of `EsmModel`."""
    stem, _, kind = name.rpartition(".")
    if name == EMBEDDINGS:
        return _EMBEDDINGS
    if found := re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", stem):
        return f"layers.{found[1]}.{_LAYER_NAMES[found[2]]}.{kind}"
    return f"{stem.removeprefix('encoder.')}.{kind}"
