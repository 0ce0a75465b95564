"""Names of steps: as a run shows them, and as its options may give them, without the groups that they are in."""

from collections.abc import Iterable

from kedro.pipeline.node import Node

from esm2_amp.errors import InputError, did_you_mean
from esm2_amp.parameters.model_training import ARCHITECTURES


def short_name(node: Node) -> str:
    """A step's name without its groups, but with the model that it is of."""
    *groups, name = node.name.split(".")
    return ".".join([*(group for group in groups if group in ARCHITECTURES), name])


def full_names(given: Iterable[str] | None, nodes: Iterable[Node]) -> list[str] | None:
    """Names of steps with their groups.

    Parameters
    ----------
    given : iterable of str, optional
        Names without groups, or without some of them: `evaluate_model` is that of each model. Kedro refuses unknown
        names, which stay as they are.
    nodes : iterable of Node
        The steps of the run.
    """
    if given is None:
        return None
    names = [(short_name(node), node.name) for node in nodes]
    found = {
        name: [full for short, full in names if name == short or f".{full}".endswith(f".{name}")] for name in given
    }
    return [full for name, of_name in found.items() for full in of_name or [name]]


def full_namespaces(given: Iterable[str] | None, nodes: Iterable[Node]) -> list[str] | None:
    """The namespaces that hold a model or a group; with those of a model, those that show it in the report.

    Parameters
    ----------
    given : iterable of str, optional
        Models or groups, or both as `evaluation.ESM2_AMPS`, wherever they stand in a namespace.
    nodes : iterable of Node
        The steps of the run.

    Returns
    -------
    namespaces : list of str, or None
        None lies inside of another, whose steps would be chosen twice.

    Raises
    ------
    InputError
        Nothing of the run has a name that is given.
    """
    from esm2_amp.pipelines.groups import REPORT_PART  # imported late: options are read before the pipelines are

    if given is None:
        return None
    namespaces = sorted({node.namespace for node in nodes if node.namespace})
    found = {name: [full for full in namespaces if f".{name}." in f".{full}."] for name in given}
    parts = sorted({part for namespace in namespaces for part in namespace.split(".")})
    check_names("--namespaces", [name for name, full in found.items() if not full], parts)
    chosen = sorted({namespace for full in found.values() for namespace in full})
    groups = {group for group, _, name in (namespace.rpartition(".") for namespace in chosen) if name in ARCHITECTURES}
    chosen = sorted({*chosen, *({f"{group}.{REPORT_PART}" for group in groups}.intersection(namespaces))})
    return [full for full in chosen if not any(full.startswith(f"{outer}.") for outer in chosen)]


def check_names(option: str, given: Iterable[str] | None, known: Iterable[str]) -> None:
    """Raise InputError where one of the names given with an option isn't known, with those that are.

    Parameters
    ----------
    option : str
        As on the command line.
    given : iterable of str, optional
        Names given with it.
    known : iterable of str
        Names that it takes, in the order in which they are listed.
    """
    for name in given or ():
        if name not in known:
            raise InputError(f"{option} must be one of {', '.join(known)}, got {name!r}{did_you_mean(name, known)}")
