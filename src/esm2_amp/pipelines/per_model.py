"""The same nodes for every model of the registry, each in a namespace of the model's name."""

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.pipelines.groups import in_group


def for_every_model(
    nodes: Iterable[Node],
    *,
    group: str,
    inputs: Iterable[str],
    parameters: Iterable[str],
    tags: str,
    models: Iterable[str] = ARCHITECTURES,
) -> Pipeline:
    """Repeat nodes for every model.

    Parameters
    ----------
    nodes : iterable of Node
        Steps of one model.
    group : str
        The namespace around those of the models, whose datasets have the model's name alone.
    inputs, parameters : iterable of str
        What all models share, and so keeps its name; everything else is the model's own.
    tags : str
        Tag of every step.
    models : iterable of str
        Those of the registry, or some of them.
    """
    template = Pipeline(nodes, tags=tags)
    shared = {name: name for name in parameters}
    return in_group(
        group, *(Pipeline(template, namespace=model, inputs=set(inputs), parameters=shared) for model in models)
    )
