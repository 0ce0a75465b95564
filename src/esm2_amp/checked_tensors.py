"""Tensors in safetensors files with a checksum: the format has none, and a changed bit would pass for a number."""

import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

_CHECKSUM: Final = "crc32"
"""In the metadata of a file: of the other metadata, the names and shapes of the tensors, and their bytes."""

_METADATA: Final = "__metadata__"
_LENGTH: Final = 8
"""Bytes of the number before the header that says how long the header is, and what the header's length divides by."""

_CHUNK: Final = 1 << 20


def checked_content(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a file with tensors and their checksum; the same ones always give the same bytes.

    Parameters
    ----------
    tensors : mapping of Tensor
        Contiguous.
    metadata : mapping of str, optional
        What else the header shall say.
    """
    content = memoryview(save(dict(tensors), metadata=dict(metadata or {}) or None))
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(bytes(content[_LENGTH:start]))
    checksum = zlib.crc32(content[start:], _of_header(header))
    header[_METADATA] = {**header.get(_METADATA, {}), _CHECKSUM: f"{checksum:08x}"}
    text = _as_text(header)
    text += b" " * (-len(text) % _LENGTH)
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, content[start:]])


def add_checksum(file: Path) -> None:
    """Write a file of safetensors anew with its checksum."""
    with safe_open(file, framework="pt") as stored:
        metadata = stored.metadata()
    file.write_bytes(checked_content(load_file(file), metadata))


def load_checked(file: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises
    ------
    SafetensorError
        The file is cut short or altered.
    """
    tensors: dict[str, Tensor] = load_file(file)
    check_file(file)
    return tensors


def check_file(file: Path) -> None:
    """Raise SafetensorError where a file doesn't agree with its checksum; one without a checksum passes.

    A file is read once in a process, unless it has changed since.
    """
    state = file.stat()
    if not _agrees(file, state.st_mtime_ns, state.st_size):
        raise SafetensorError("it doesn't agree with its checksum")


@lru_cache(maxsize=1 << 16)
def _agrees(file: Path, written: int, size: int) -> bool:
    """Whether a file of a time and size agrees with its checksum."""
    with file.open("rb") as opened:
        header = _read_header(opened, size)
        recorded = header.get(_METADATA, {}).pop(_CHECKSUM, None)
        if recorded is None:
            return True
        found = _of_header(header)
        while part := opened.read(_CHUNK):
            found = zlib.crc32(part, found)
    return bool(recorded == f"{found:08x}")


def _read_header(opened: BinaryIO, size: int) -> dict[str, Any]:
    length = min(int.from_bytes(opened.read(_LENGTH), "little"), size)
    try:
        header: dict[str, Any] = json.loads(opened.read(length))
    except ValueError as error:
        raise SafetensorError(f"its header can't be read: {error}") from error
    return header


def _of_header(header: Mapping[str, Any]) -> int:
    metadata = header.get(_METADATA) or {}
    return zlib.crc32(_as_text({**header, _METADATA: metadata}))


def _as_text(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
