"""Groups of steps, which Kedro-Viz draws as one until they are opened; datasets keep their names."""

from kedro.pipeline import Pipeline


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
