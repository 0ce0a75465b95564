"""Loading an ESM-2 from a folder or a model hub, checked, with a fingerprint of what decides its features."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from torch import Tensor
from transformers import EsmConfig, EsmModel
from transformers.utils import logging as transformers_logging

from esm2_amp.encoder.packed import PackedEsm
from esm2_amp.encoder.tokens import check_vocabulary
from esm2_amp.errors import InputError

logger = logging.getLogger(__name__)

FILES = ("config.json", "vocab.txt", "*.safetensors", "*.safetensors.index.json")
"""What an encoder's folder holds."""

RECORDED_FINGERPRINT = "esm2_amp_fingerprint"
"""Entry of a config.json that says which weights belong to it; the project's own encoder has one."""

_UNUSED = ("contact_head.", "pooler.")
_DERIVED = ("rotary_embeddings.inv_freq", "embeddings.position_ids")


class Encoder:
    """An ESM-2 that turns sequences into hidden states.

    Attributes
    ----------
    model : EsmModel
        float32, on the CPU, in evaluation mode, without gradients.
    source : str
        Folder or hub name it was loaded from.
    fingerprint : str
        See `fingerprint`.
    """

    def __init__(self, model: EsmModel, source: str) -> None:
        self.model = model.float().eval().requires_grad_(False)
        self.source = source
        self.fingerprint = fingerprint(model)
        self._packed: tuple[tuple[torch.device, torch.dtype], PackedEsm] | None = None

    @property
    def width(self) -> int:
        """D, the width of the hidden states."""
        return int(self.model.config.hidden_size)

    def packed(self, device: torch.device, dtype: torch.dtype) -> PackedEsm:
        """The forward pass over proteins laid end to end; the last one asked for is kept."""
        if self._packed is None or self._packed[0] != (device, dtype):
            self._packed = None
            self._packed = (device, dtype), PackedEsm(self.model, device, dtype)
        return self._packed[1]


def fingerprint(model: EsmModel) -> str:
    """SHA-256 of what decides a model's hidden states, wherever and in whatever precision it is stored.

    Hashed are the names, shapes and float32 bytes of the weights in use, and the settings that no weight's shape
    shows. The rotary frequencies count to four digits: some files lack them, and the last bits of those computed
    instead differ between processors.
    """
    esm: Any = model
    config = esm.config
    frequencies = [f"{frequency:.3e}" for frequency in esm.rotary_embeddings.inv_freq.tolist()]
    settings = config.num_attention_heads, config.layer_norm_eps, config.token_dropout, frequencies
    digest = hashlib.sha256(repr(settings).encode())
    for name, weight in sorted(_weights(model).items()):
        digest.update(f"{name} {tuple(weight.shape)} float32\n".encode())
        digest.update(weight.float().contiguous().numpy().data)
    return digest.hexdigest()


def load_encoder(source: str) -> Encoder:
    """Load an ESM-2 and check that it is one.

    Parameters
    ----------
    source : str
        A folder with `config.json`, `model.safetensors` (whole or in shards, any float precision) and `vocab.txt`,
        or the name of a model on Hugging Face such as `facebook/esm2_t33_650M_UR50D`.

    Returns
    -------
    encoder : Encoder

    Raises
    ------
    InputError
        When the folder or model can't be had, lacks a file, is damaged, or isn't an ESM-2.
    """
    folder = _folder(source)
    for pattern in FILES[:3]:
        if not any(folder.glob(pattern)):
            raise InputError(
                f"An encoder's folder must hold config.json, vocab.txt and model.safetensors, but {folder} has no "
                f"{pattern.replace('*', 'model')}; copy the whole folder of the model"
            )
    _check_config(folder)
    try:
        check_vocabulary((folder / "vocab.txt").read_text(encoding="utf-8").split(), source)
    except ValueError as error:
        raise InputError(str(error)) from error
    encoder = Encoder(_read_model(folder), source)
    recorded = getattr(encoder.model.config, RECORDED_FINGERPRINT, encoder.fingerprint)
    if recorded != encoder.fingerprint:
        raise InputError(
            f"The weights in {folder} must be those of the fingerprint {recorded[:12]} in its config.json, but have "
            f"{encoder.fingerprint[:12]}: they were altered; restore the folder, or delete {RECORDED_FINGERPRINT} from "
            "config.json if it was on purpose"
        )
    logger.info("Encoder %s: D = %s, fingerprint %s", source, encoder.width, encoder.fingerprint[:12])
    return encoder


def _folder(source: str) -> Path:
    """The local folder of a source, downloaded if it names a model on the hub."""
    local = Path(source).expanduser()
    if local.is_dir():
        return local
    try:
        return Path(snapshot_download(source, allow_patterns=list(FILES)))
    except Exception as error:  # the hub's client raises its own, httpx's, OSErrors and ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The encoder must be a folder or the name of a model on Hugging Face, got '{source}': no such folder, "
            f"and no download ({reason}). Without access to the hub, run `hf download {source} --local-dir DIR` on a "
            "machine that has it, copy the folder here and give it as `--params=encoder=DIR`"
        ) from error


def _check_config(folder: Path) -> None:
    config: dict[str, Any]
    try:
        config, _ = EsmConfig.get_config_dict(folder)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder / 'config.json'} must be a model's configuration in JSON, but can't be read: {error}"
        ) from error
    required = {"model_type": "esm", "position_embedding_type": "rotary"}
    for name, value in required.items():
        if config.get(name) != value:
            raise InputError(
                f"The encoder must be an ESM-2, whose config.json has {name} '{value}', but {folder / 'config.json'} "
                f"has {config.get(name)!r}; give an ESM-2 model as encoder"
            )


def _read_model(folder: Path) -> EsmModel:
    damaged = f"The weights in {folder} must be those of the ESM-2 that its config.json describes, but "
    remedy = "; copy or download the folder again"
    loaded: Any
    try:
        with quiet():
            loaded = EsmModel.from_pretrained(
                folder, add_pooling_layer=False, dtype=torch.float32, output_loading_info=True, use_safetensors=True
            )
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{damaged}they can't be read ({error}){remedy}") from error
    model: EsmModel
    model, report = loaded
    missing = sorted(name for name in report["missing_keys"] if not name.startswith((*_UNUSED, *_DERIVED)))
    if missing:
        raise InputError(f"{damaged}{len(missing)} are missing, first {missing[0]}{remedy}")
    for name, weight in _weights(model).items():
        if not weight.isfinite().all():
            raise InputError(f"{damaged}{name} has values that are no finite numbers{remedy}")
    return model


def _weights(model: EsmModel) -> dict[str, Tensor]:
    return {n: w for n, w in model.state_dict().items() if not n.startswith((*_UNUSED, *_DERIVED))}


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars, nor its report of a masked language model's head that isn't loaded."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()
