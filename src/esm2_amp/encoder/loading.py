"""Loading an ESM-2 from a folder, a file of fair-esm or a model hub, checked."""

import json
import logging
from pathlib import Path
from typing import Any

import torch

from esm2_amp.encoder.fair_esm import read_fair_esm
from esm2_amp.encoder.packed import PackedEsm
from esm2_amp.encoder.tensor_files import READERS, has_weights, read_folder
from esm2_amp.encoder.tokens import VOCABULARY
from esm2_amp.encoder.weights import Architecture, EsmWeights
from esm2_amp.errors import InputError

logger = logging.getLogger(__name__)

RECORDED_FINGERPRINT = "esm2_amp_fingerprint"
"""Entry of a config.json with the fingerprint of the weights that belong to it; the project's own encoder has one."""

_HUB_FILES = ["config.json", "vocab.txt"]
_HUB_WEIGHTS = [["*.safetensors", "*.safetensors.index.json"], ["pytorch_model*.bin", "pytorch_model.bin.index.json"]]
"""Patterns of the files to download, the second list where a model has no files of the first."""

_FAIR_ESM_ENDINGS = (".pt", ".pth")

_SHOWN_FILES = 5

_OTHER_MODELS = {
    "bert": "ProtBert or another BERT",
    "t5": "ProtT5 or another T5",
    "albert": "ProtAlbert or another ALBERT",
    "xlnet": "ProtXLNet or another XLNet",
    "electra": "ProtElectra or another ELECTRA",
    "esmc": "ESM-C",
    "esm3": "ESM3",
}
"""Other protein language models, by the model_type of their config.json."""


class Encoder:
    """An ESM-2 that turns sequences into hidden states.

    Parameters
    ----------
    weights : EsmWeights
        Kept as the attribute `weights`.
    source : str
        Folder, file or hub name they were loaded from; kept as the attribute `source`.
    """

    def __init__(self, weights: EsmWeights, source: str) -> None:
        self.weights, self.source = weights, source
        self._packed: tuple[tuple[torch.device, torch.dtype], PackedEsm] | None = None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the weights and settings that decide the hidden states, see `EsmWeights.fingerprint`."""
        return self.weights.fingerprint

    @property
    def width(self) -> int:
        """D, the width of the hidden states."""
        return self.weights.architecture.width

    def packed(self, device: torch.device, dtype: torch.dtype) -> PackedEsm:
        """The forward pass over proteins laid end to end; that of the last device and dtype is kept."""
        if self._packed is None or self._packed[0] != (device, dtype):
            self._packed = None
            self._packed = (device, dtype), PackedEsm(self.weights, device, dtype)
        return self._packed[1]


def load_encoder(source: str) -> Encoder:
    """Load an ESM-2 and check that it is one.

    Parameters
    ----------
    source : str
        A folder with `config.json` and `model.safetensors` or `pytorch_model.bin` (whole or in shards, any float
        precision, of an ESM-2 with or without the heads of a task); a file of fair-esm such as
        `esm2_t33_650M_UR50D.pt`; or the name of a model on Hugging Face such as `facebook/esm2_t33_650M_UR50D`.

    Returns
    -------
    encoder : Encoder
        The weights, checked.

    Raises
    ------
    InputError
        The folder, file or model isn't there, lacks a file, is damaged, or isn't an ESM-2.
    """
    local = Path(source).expanduser()
    if local.is_file() or local.suffix in _FAIR_ESM_ENDINGS:
        encoder = Encoder(_load_file(local), source)
    else:
        encoder = Encoder(_load_folder(local if local.is_dir() else _download(source), source), source)
    logger.info("Encoder %s: D = %s, fingerprint %s", source, encoder.width, encoder.fingerprint[:12])
    return encoder


def _load_file(file: Path) -> EsmWeights:
    if file.suffix not in _FAIR_ESM_ENDINGS:
        folder = file.parent
        remedy = (
            f"give the folder {folder}"
            if (folder / "config.json").exists()
            else "features of proteins are given as --params=features=FILE, models of pairs as model= or checkpoint="
        )
        raise InputError(
            f"An encoder must be a folder, or a file of fair-esm that ends in .pt, but {file} is another file; {remedy}"
        )
    if not file.is_file():
        raise InputError(f"The encoder {file} must be a file of fair-esm, but there is none; give its whole path")
    try:
        weights = read_fair_esm(file)
    except ValueError as error:
        raise InputError(
            f"The weights in {file} must be those of an ESM-2 as fair-esm stores it, but {error}; give the file of an "
            "ESM-2, such as esm2_t33_650M_UR50D.pt, or the folder of one, such as that of facebook/esm2_t33_650M_UR50D"
        ) from error
    _check_tokens(weights.architecture.tokens, str(file))
    return weights


def _load_folder(folder: Path, source: str) -> EsmWeights:
    if not (folder / "config.json").exists():
        raise _incomplete(folder, "config.json")
    config = _read_config(folder / "config.json")
    if not has_weights(folder):
        raise _incomplete(folder, next(iter(READERS)))
    try:
        architecture = Architecture.from_config(config)
    except ValueError as error:
        raise InputError(
            f"{folder / 'config.json'} must describe an ESM-2, but {error}; copy the folder again"
        ) from error
    _check_vocabulary(folder, architecture.tokens, source)
    try:
        weights = EsmWeights.from_tensors(read_folder(folder), architecture)
    except ValueError as error:
        raise InputError(
            f"The weights in {folder} must be those of the ESM-2 that its config.json describes, but {error}; copy or "
            "download the folder again"
        ) from error
    recorded = str(config.get(RECORDED_FINGERPRINT, weights.fingerprint))
    if recorded != weights.fingerprint:
        raise InputError(
            f"The weights in {folder} must be those of the fingerprint {recorded[:12]} in its config.json, but have "
            f"{weights.fingerprint[:12]}: they were altered; restore the folder, or delete {RECORDED_FINGERPRINT} from "
            "config.json if it was on purpose"
        )
    return weights


def _incomplete(folder: Path, missing: str) -> InputError:
    """An error for a folder that lacks a file, by what it holds instead."""
    if any(folder.glob("data/weights/esm*.pth")):
        return InputError(
            f"The encoder must be an ESM-2, but {folder} holds ESM-C or ESM3 (data/weights); give an ESM-2 model such "
            "as facebook/esm2_t33_650M_UR50D as encoder"
        )
    held = sorted(file.name for file in folder.iterdir())
    remedy = "copy the whole folder of the model"
    if fair_esm := [name for name in held if name.endswith(_FAIR_ESM_ENDINGS) and "contact-regression" not in name]:
        remedy = f"give the file, if it is fair-esm's: {folder / fair_esm[0]}"
    elif inner := [*folder.glob("*/config.json"), *folder.glob("snapshots/*/config.json")]:
        remedy = f"give {inner[0].parent}, if that is the encoder"
    return InputError(
        f"An encoder's folder must hold config.json and {' or '.join(READERS)} (or their shards with the index), but "
        f"{folder} has no {missing}; {remedy} (the folder holds {', '.join(held[:_SHOWN_FILES]) or 'nothing'}"
        f"{' …' if held[_SHOWN_FILES:] else ''})"
    )


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"it is a {type(config).__name__}")
    except (OSError, ValueError) as error:
        raise InputError(f"{file} must be a model's configuration in JSON, but can't be read: {error}") from error
    required = {"model_type": "esm", "position_embedding_type": "rotary"}
    for name, value in required.items():
        if config.get(name) != value:
            raise InputError(
                f"The encoder must be an ESM-2, whose config.json has {name} '{value}', but {file} has "
                f"{config.get(name)!r}{_kind_of(config)}; give an ESM-2 model such as facebook/esm2_t33_650M_UR50D as "
                "encoder"
            )
    return config


def _kind_of(config: dict[str, Any]) -> str:
    """The model that a configuration describes, for an error; empty where its type is unknown."""
    model_type = config.get("model_type")
    if model_type == "esm":
        return ", as ESM-1b and ESM-1v have"
    return f", that of {_OTHER_MODELS[model_type]}" if model_type in _OTHER_MODELS else ""


def _check_vocabulary(folder: Path, tokens: int, source: str) -> None:
    """Raise InputError unless the tokens are ESM-2's, by vocab.txt or, without one, by their number."""
    file = folder / "vocab.txt"
    if not file.exists():
        _check_tokens(tokens, source)
        return
    try:
        vocabulary = tuple(file.read_text(encoding="utf-8").split())
    except UnicodeDecodeError as error:
        raise InputError(f"{file} must be text, a token a line, but can't be read: {error}") from error
    if vocabulary != VOCABULARY:
        raise InputError(
            f"The encoder {source} must have ESM-2's vocabulary of {len(VOCABULARY)} tokens, got {len(vocabulary)} "
            f"tokens beginning {list(vocabulary[:6])} in vocab.txt; give an ESM-2 model as encoder"
        )


def _check_tokens(tokens: int, source: str) -> None:
    if tokens != len(VOCABULARY):
        raise InputError(
            f"The encoder {source} must have ESM-2's vocabulary of {len(VOCABULARY)} tokens, got {tokens} tokens; give "
            "an ESM-2 model as encoder"
        )


def _download(source: str) -> Path:
    """The local folder of a model on the hub, downloaded where the cache lacks it."""
    from huggingface_hub import snapshot_download  # slow to import

    try:
        for weights in _HUB_WEIGHTS:
            folder = Path(snapshot_download(source, allow_patterns=[*_HUB_FILES, *weights]))
            if has_weights(folder):
                break
    except Exception as error:  # the hub's client raises its own, httpx's, OSErrors and ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The encoder must be a folder, a file of fair-esm or the name of a model on Hugging Face, got '{source}': "
            f"no such folder, and no download ({reason}). Without access to the hub, run `hf download {source} "
            "--local-dir DIR` on a machine that has it, copy the folder here and give it as `--params=encoder=DIR`"
        ) from error
    return folder
