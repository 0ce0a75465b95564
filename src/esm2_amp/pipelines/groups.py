"""Groups of steps, which Kedro-Viz draws as one until they are opened; datasets keep their names."""

from kedro.pipeline import Pipeline


def in_group(name: str, *pipelines: Pipeline) -> Pipeline:
    """The steps of pipelines in one namespace, which stands before those that they have already.

    Parameters
    ----------
    name : str
        The group.
    *pipelines : Pipeline
        What is grouped.
    """
    return Pipeline(pipelines, namespace=name, prefix_datasets_with_namespace=False)
