"""Inputs that a step does without: those that its signature lets be None."""

import inspect
from types import NoneType
from typing import get_args, get_type_hints

from kedro.pipeline.node import Node


def does_without(node: Node, dataset: str) -> bool:
    """Whether a step runs without one of its inputs, which is None then.

    Parameters
    ----------
    node : Node
        Its inputs are named in the order of the function's arguments.
    dataset : str
        One of its inputs.
    """
    hints, names = get_type_hints(node.func), list(inspect.signature(node.func).parameters)
    places = [place for place, name in enumerate(node.inputs) if name == dataset]
    return all(NoneType in get_args(hints.get(names[min(place, len(names) - 1)])) for place in places)
