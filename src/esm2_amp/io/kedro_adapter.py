"""What Kedro and Kedro-Viz offer no public way to, in one place.

Read from kedro 1.7.0, kedro-datasets 9.6.0 and kedro-viz 12.5.0. `tests/io/test_kedro_adapter.py` fails where a later
version differs.
"""

from pathlib import Path
from typing import Any, Final, NewType

from kedro.io import AbstractDataset

ImagePreview = NewType("ImagePreview", str)
"""An image in Base64."""

PlotlyPreview = NewType("PlotlyPreview", dict[str, Any])
"""A Plotly figure in JSON.

Kedro-Viz looks at the name of what a dataset's `preview` is annotated to return. Its own types for this are in the
private module `kedro_datasets._typing`; the name is all that it needs.
"""

_PATH_ATTRIBUTES: Final = ("_filepath", "_path")
"""A file's or folder's path, and the folder of `PartitionedDataset`."""


def dataset_path(dataset: AbstractDataset[Any, Any] | None) -> Path | None:
    """The file or folder that a dataset reads and writes.

    `DataCatalog.to_config` gives the arguments that datasets were made with, which need not be the path: a dataset may
    add an ending.

    Parameters
    ----------
    dataset : AbstractDataset, optional
        The catalog entry.

    Returns
    -------
    path : Path, or None
        None for a dataset without a file, such as one in memory or an input that the user left out.
    """
    for attribute in _PATH_ATTRIBUTES:
        if (path := getattr(dataset, attribute, None)) is not None:
            return Path(str(path))
    return None
