"""Paths after `--params=`, which start from where the user stands, and values that hold commas."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FILES: Final = (
    "proteins", "pairs", "validation_pairs", "test_pairs", "features", "regions", "entry_list", "top_segments",
    "low_segments", "queries", "known_pairs",
)  # fmt: skip
"""Options that name a file which must be there."""

_PATHS: Final = (*FILES, "checkpoint", "release", "output", "predicted_pairs")
_MODEL: Final = "model"
"""The option that names a folder where there is one, else a model among those of the project."""

_COMMA: Final = "\ue000"
"""Stands for a comma between quotation marks while Kedro splits at the others."""


def from_here(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options with their paths as absolute ones, `~` replaced.

    Parameters
    ----------
    given : dict
        The parameters of the command line.

    Examples
    --------
    >>> from_here({"seed": 1, "model": "ppi_mini"})
    {'seed': 1, 'model': 'ppi_mini'}
    """
    return {name: _absolute(name, value) for name, value in given.items()}


def _absolute(name: str, value: Any) -> Any:
    if not isinstance(value, str) or not value or name not in (*_PATHS, _MODEL):
        return value
    path = Path(value).expanduser()
    is_path = name in _PATHS or value.startswith("~") or ("/" in value and path.exists())
    return str(Path.cwd() / path) if is_path else value


def file_name(value: str) -> str:
    """What the resolver `${file_name:...}` gives: the last part of an absolute path, every other text as it is.

    Examples
    --------
    >>> file_name("/home/ada/new_pairs.csv"), file_name("yeast 2024/25")
    ('new_pairs.csv', 'yeast 2024/25')
    """
    return Path(value).name if Path(value).is_absolute() else value


def hide_commas(text: str) -> str:
    """Values between double quotation marks without the marks, their commas hidden from Kedro, which splits there.

    Examples
    --------
    >>> show_commas({"proteins": hide_commas('"run, 2/up.fasta"')})
    {'proteins': 'run, 2/up.fasta'}
    """
    parts = text.split('"')
    if len(parts) % 2 == 0:  # a single mark is part of a name
        return text
    return "".join(part.replace(",", _COMMA) if at % 2 else part for at, part in enumerate(parts))


def show_commas(value: Any) -> Any:
    """What Kedro made of the options, with the hidden commas back in their places."""
    if isinstance(value, dict):
        return {name: show_commas(inner) for name, inner in value.items()}
    return value.replace(_COMMA, ",") if isinstance(value, str) else value
