"""ESM2_AMP: protein-protein interactions from sequence, and why a model says so.

`extract_features`, `predict`, `explain` and `screen` are imported when they are first used.
"""

TYPE_CHECKING = False  # typing's costs more than this whole import, and type checkers go by the name
if TYPE_CHECKING:
    from .interface import explain, extract_features, predict, screen

__version__ = "0.1.0"
__all__ = ["__version__", "explain", "extract_features", "predict", "screen"]


def __getattr__(name: str) -> object:
    """Import the Python interface when one of its functions is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import interface

    return getattr(interface, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
