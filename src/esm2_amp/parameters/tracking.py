"""Parameters of tracking."""

from esm2_amp.parameters.base import Parameters


class TrackingParameters(Parameters):
    """Whether runs are recorded.

    Attributes
    ----------
    enabled : bool
        Needs the extra `mlflow`.
    """

    enabled: bool
