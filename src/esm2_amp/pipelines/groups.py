"""Groups of steps, which Kedro-Viz draws as one until they are opened; datasets keep their names."""

from typing import Final

from kedro.pipeline import Node, Pipeline

REPORT_PART: Final = "report_part"
"""The namespace, in a group, of the step that shows all models of the group in the report."""


def in_group(name: str, *pipelines: Pipeline) -> Pipeline:
    """The steps of pipelines in one namespace, which stands before those that they have already.

    Kedro-Viz knows a step by its name without groups, in all pipelines together: one that is in a group in one of them
    has to be in some group in each.

    Parameters
    ----------
    name : str
        The group.
    *pipelines : Pipeline
        What is grouped.
    """
    return Pipeline(pipelines, namespace=name, prefix_datasets_with_namespace=False)


def report_part(group: str, node: Node, tags: str) -> Pipeline:
    """The step that shows the models of a group in the report; a run of some of them has it, too.

    Parameters
    ----------
    group : str
        The group.
    node : Node
        Its inputs are of all models, and it does without those that aren't there.
    tags : str
        Tag of the step.
    """
    return in_group(group, in_group(REPORT_PART, Pipeline([node], tags=tags)))
