"""A user's mistakes in plain words; of a wrong parameter its whole name, what it should be, what it is."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import yaml
from kedro.config import MissingConfigException
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from esm2_amp.errors import InputError

_ROOM = 80
"""Characters for a wrong value."""


def place_and_words(group: str, value: Any, mistake: ErrorDetails) -> tuple[str, str]:
    """The whole name of a wrong parameter, and what is wrong with it.

    Parameters
    ----------
    group : str
        Name of the group that was checked.
    value : object
        The group's values as they are configured.
    mistake : dict
        One of `ValidationError.errors()`.

    Returns
    -------
    name, words : str
        The name is that in the configuration: of a union's tags, which pydantic puts among the names, it is free.

    Examples
    --------
    >>> from pydantic import ValidationError
    >>> from esm2_amp.parameters.tracking import TrackingParameters
    >>> try:
    ...     TrackingParameters.model_validate({"enabled": "perhaps"})
    ... except ValidationError as error:
    ...     place_and_words("tracking", {"enabled": "perhaps"}, error.errors()[0])
    ('tracking.enabled', "Input should be a valid boolean, unable to interpret input, got 'perhaps'")
    """
    names = [group] if group else []
    for row, part in enumerate(mistake["loc"]):
        if part in _keys(value):
            value = value[part]
        elif mistake["type"] != "missing" or row < len(mistake["loc"]) - 1:
            continue
        names.append(str(part))
    words = mistake["msg"].removeprefix("Value error, ")
    words = words.replace("Extra inputs are not permitted", "There is no parameter of this name")
    if mistake["type"] not in ("value_error", "missing"):
        words = f"{words}, got {_short(mistake['input'])}"
    return ".".join(names), words


def one_or_a_list(mistakes: Iterable[tuple[str, str]]) -> str:
    """Mistakes after a colon: one in the same line, several in a line each, the same one once."""
    lines = list(dict.fromkeys(": ".join(filter(None, mistake)) for mistake in mistakes))
    return f" {lines[0]}" if len(lines) == 1 else "".join(f"\n- {line}" for line in lines)


def message_for_user(error: BaseException) -> str | None:
    """The words of the mistake that caused an error, or None where it wasn't a user's."""
    for cause in _causes(error):
        if isinstance(cause, InputError):
            return str(cause)
        if isinstance(cause, MissingConfigException):
            return f"--env and --conf-source must name folders of configuration files: {cause}"
        if isinstance(cause, yaml.YAMLError | OmegaConfBaseException):
            return f"The configuration can't be read: {cause}"
        if isinstance(cause, ValidationError):
            words = one_or_a_list(place_and_words("", mistake["input"], mistake) for mistake in cause.errors())
            return f"Parameters are wrong (set in conf/base/parameters_*.yml, the environment's, or --params):{words}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _keys(value: Any) -> Collection[Any]:
    if isinstance(value, list):
        return range(len(value))
    return value.keys() if isinstance(value, Mapping) else ()


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _ROOM else f"{shown[: _ROOM - 1]}…"
