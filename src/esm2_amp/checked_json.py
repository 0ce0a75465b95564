"""JSON with a checksum of what it says, where another digit would pass for the true one.

It is a field of its own, so that the file stays JSON that people read. It is of the values: how they are laid out, and
in which order they stand, makes no difference.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

CHECKSUM: Final = "crc32"
"""The field with the checksum of the others."""


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file with its checksum, which is the last field.

    Parameters
    ----------
    content : mapping
        What JSON can hold.

    Examples
    --------
    >>> with_checksum({"trial": 3})
    {'trial': 3, 'crc32': 'c64a9345'}
    """
    plain = json.loads(json.dumps(content))  # keys as text, tuples as lists
    return {**plain, CHECKSUM: _crc32(plain)}


def without_checksum(content: Any) -> Any:
    """The content of a file as `with_checksum` was given it; what has no checksum is returned as it is.

    Raises
    ------
    ValueError
        The content doesn't agree with its checksum.
    """
    if not isinstance(content, dict) or not content:
        return content
    name = CHECKSUM if CHECKSUM in content else next(reversed(content))  # its name may be what was changed
    plain = {other: value for other, value in content.items() if other != name}
    agrees = content[name] == _crc32(plain)
    if agrees != (name == CHECKSUM):
        raise ValueError(f"it doesn't agree with its {CHECKSUM}, a line to take out where it was changed on purpose")
    return plain if agrees else content


def read_json(file: Path) -> Any:
    """What a JSON file says, without its checksum.

    Raises
    ------
    ValueError
        It is no JSON in UTF-8, or doesn't agree with its checksum.
    """
    return without_checksum(json.loads(file.read_text(encoding="utf-8")))


def _crc32(plain: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(plain, sort_keys=True, separators=(',', ':')).encode()):08x}"
