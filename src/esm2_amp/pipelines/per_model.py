"""The same nodes for every model of the registry, each in a namespace of the model's name."""

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import ARCHITECTURES


def for_every_model(
    nodes: Iterable[Node],
    *,
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
    inputs, parameters : iterable of str
        What all models share, and so keeps its name; everything else is the model's own.
    tags : str
        Tag of every step.
    models : iterable of str
        Those of the registry, or some of them.
    """
    template = Pipeline(nodes, tags=tags)
    shared = {name: name for name in parameters}
    return Pipeline([Pipeline(template, namespace=model, inputs=set(inputs), parameters=shared) for model in models])
