"""Pickles of other people's files by an allow-list, whichever library unpickles them.

A pickle can only run what it looks up by name, and Python raises the auditing event `pickle.find_class` before each
look-up. A hook on that event refuses every name that isn't allowed, in the thread that reads such a file and only
while it does. Python has no way to remove a hook; outside of `only_in_pickles` it does nothing.
"""

import pickle
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any, Final, NamedTuple

Name = tuple[str, str]
"""A module, and the name of a class or function in it."""

_TRIAL: Final = b"cesm2_amp\nno_such_name\n."
"""Refused by the hook, and harmless without it."""


class _Guard(NamedTuple):
    allowed: Collection[Name]
    refused: list[str]


_guard: ContextVar[_Guard | None] = ContextVar("_guard", default=None)


@contextmanager
def only_in_pickles(allowed: Collection[Name]) -> Iterator[list[str]]:
    """Let pickles that this thread loads within the block name nothing but `allowed`.

    Parameters
    ----------
    allowed : collection of (str, str)
        Module and name of what may be looked up.

    Yields
    ------
    refused : list of str
        What was refused so far, as `module.name`. `pickle` raises UnpicklingError for each; a library may hide that.

    Raises
    ------
    RuntimeError
        Pickles can't be checked here, because an auditing hook that was there before forbids others.

    Examples
    --------
    >>> with only_in_pickles({("builtins", "complex")}) as refused:
    ...     pickle.loads(pickle.dumps(1j))
    1j
    >>> refused
    []
    """
    _install_hook()
    refused: list[str] = []
    token = _guard.set(_Guard(allowed, refused))
    try:
        with suppress(pickle.UnpicklingError, AttributeError):
            pickle.loads(_TRIAL)
        if not refused:
            raise RuntimeError("Pickles must be checked by an auditing hook, but it isn't called; allow auditing hooks")
        refused.clear()
        yield refused
    finally:
        _guard.reset(token)


@cache
def _install_hook() -> None:
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...], get: Callable[[], _Guard | None] = _guard.get) -> None:
    # `get` is bound here, because hooks are still called when Python ends and has cleared the module.
    if event == "pickle.find_class" and (guard := get()) is not None and arguments not in guard.allowed:
        name = ".".join(arguments)
        guard.refused.append(name)
        raise pickle.UnpicklingError(f"{name} is not allowed")
