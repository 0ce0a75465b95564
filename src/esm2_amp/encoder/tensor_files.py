"""Reading tensors from files of safetensors and PyTorch, whole or in shards; code in a file is never run."""

import json
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names.

    Raises
    ------
    ValueError
        When it can't be read; the message goes on a sentence about the weights.
    """
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"they can't be read ({file.name}: {error})") from error


def read_pickle(file: Path) -> Any:
    """What `torch.save` wrote, of tensors, containers and `argparse.Namespace` alone.

    Raises
    ------
    ValueError
        When the file is damaged or asks for other objects, of which none is made.
    """
    try:
        with torch.serialization.safe_globals([Namespace]):  # fair-esm's files hold their settings as one
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its instructions run into
        raise ValueError(f"they can't be read ({file.name}: {_reason(error)})") from error


def read_pickled_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a `pytorch_model.bin` by their names.

    Raises
    ------
    ValueError
        As `read_pickle`, and when the file holds something else.
    """
    content = read_pickle(file)
    if not isinstance(content, dict):
        raise ValueError(f"{file.name} holds a {type(content).__name__}, not a dict of tensors")
    return {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    "model.safetensors": read_safetensors,
    "pytorch_model.bin": read_pickled_tensors,
}
"""Files of weights in a folder of Hugging Face, the one to prefer first; in shards, each has an `.index.json`."""


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights, whole or in shards."""
    return next(_weight_files(folder), None) is not None


def read_folder(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder of Hugging Face.

    Raises
    ------
    ValueError
        When a file is missing, damaged or would run code.
    """
    file, read = next(_weight_files(folder))
    if file.suffix != ".json":
        return read(file)
    tensors: dict[str, Tensor] = {}
    for shard in _shards(file):
        tensors |= read(folder / shard)
    return tensors


def _weight_files(folder: Path) -> Iterator[tuple[Path, Callable[[Path], dict[str, Tensor]]]]:
    for name, read in READERS.items():
        for file in (folder / name, folder / f"{name}.index.json"):
            if file.is_file():
                yield file, read


def _shards(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"they can't be read ({index.name} is no index of shards: {error!r})") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not (index.parent / name).is_file():
            raise ValueError(f"the file {name} is missing, which {index.name} names")
    return names


def _reason(error: Exception) -> str:
    """Why a pickle wasn't read, without PyTorch's advice to read it unsafely."""
    if wanted := re.search(r"GLOBAL (\S+)", str(error)):
        return (
            f"it asks for the Python object {wanted[1]}, but only tensors are read, since others could run code; "
            "nothing was run. Save the weights as model.safetensors"
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "it is damaged or no file of PyTorch" if "eights only load" in lines[0] else lines[0]
