"""Reading tensors from files of safetensors and PyTorch, whole or in shards, without running code that a file holds."""

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

_LFS_POINTER = b"version https://git-lfs"


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names.

    Parameters
    ----------
    file : Path
        An existing file of safetensors.

    Raises
    ------
    ValueError
        The file can't be read; the message continues a sentence about the weights.
    """
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, str(error)) from error


def read_pickle(file: Path) -> Any:
    """The content of a file that `torch.save` wrote: tensors, containers and `argparse.Namespace` alone.

    Parameters
    ----------
    file : Path
        An existing file.

    Raises
    ------
    ValueError
        The file is damaged or asks for other objects, of which none is made.
    """
    try:
        with torch.serialization.safe_globals([Namespace]):  # fair-esm's files hold their settings as one
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises whatever its instructions run into
        raise _unreadable(file, _reason(error)) from error


def read_pickled_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a `pytorch_model.bin` by their names.

    Parameters
    ----------
    file : Path
        An existing file.

    Raises
    ------
    ValueError
        As `read_pickle`, and when the file holds something else.
    """
    content = read_pickle(file)
    pairs = content.items() if isinstance(content, dict) else ()
    tensors = {str(name): tensor for name, tensor in pairs if isinstance(tensor, Tensor)}
    if not tensors:
        raise ValueError(f"{file.name} holds {contents(content)}, not a dict of tensors")
    return tensors


def contents(content: Any) -> str:
    """What a file holds, for an error: the type, and of a dict the first names."""
    names = f" ({', '.join(map(str, list(content)[:3]))})" if isinstance(content, dict) and content else ""
    return f"a {type(content).__name__}{names}"


READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    "model.safetensors": read_safetensors,
    "pytorch_model.bin": read_pickled_tensors,
}
"""Files of weights in a folder of Hugging Face, the preferred one first; weights in shards have an `.index.json`."""


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights, whole or in shards."""
    return next(_weight_files(folder), None) is not None


def read_folder(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder of Hugging Face by their names.

    Parameters
    ----------
    folder : Path
        One that `has_weights`.

    Raises
    ------
    ValueError
        A file is missing, damaged or would run code.
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


def _unreadable(file: Path, reason: str) -> ValueError:
    with file.open("rb") as opened:
        if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
            reason = "it is a pointer of Git LFS; fetch the file itself by `git lfs pull` where it was cloned"
    return ValueError(f"they can't be read ({file.name}: {reason})")


def _reason(error: Exception) -> str:
    """Why a pickle wasn't read, without PyTorch's advice to read it unsafely."""
    if wanted := re.search(r"GLOBAL (\S+)", str(error)):
        return (
            f"it asks for the Python object {wanted[1]}, but only tensors are read, since others could run code; "
            "nothing was run. Save the weights as model.safetensors"
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return "it is damaged or no file of PyTorch" if "eights only load" in lines[0] else lines[0]
