"""Nodes of `planted_data`: the synthetic interactome of the demonstration."""

import pandas as pd

from esm2_amp.parameters.planted_data import PlantedParameters


def generate_planted_data(parameters: PlantedParameters) -> tuple[pd.DataFrame, ...]:
    """Make a synthetic interactome, in which it is known why two proteins interact: they carry matching motifs.

    Proteins, pairs of three splits, motifs, the sites where they lie, and annotated regions.
    """
    from esm2_amp.synthetic.planted import generate_interactome

    return tuple(generate_interactome(parameters))
