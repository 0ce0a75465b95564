"""Parameters of `prediction`."""

from esm2_amp.parameters.base import Count, Parameters


class PredictionParameters(Parameters):
    """Which pairs are scored.

    Attributes
    ----------
    all_pairs_up_to : int
        Where no pairs are given, all pairs of different proteins are scored, if there are no more than so many.
    """

    all_pairs_up_to: Count = 10_000
