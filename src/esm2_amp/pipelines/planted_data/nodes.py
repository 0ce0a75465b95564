"""Nodes of `planted_data`: the synthetic interactome of the demonstration."""

import pandas as pd

from esm2_amp.synthetic.planted import PlantedParameters, generate_interactome


def generate_planted_data(parameters: PlantedParameters) -> tuple[pd.DataFrame, ...]:
    """Proteins, pairs of three splits, motifs, sites and region annotations of a synthetic interactome."""
    return tuple(generate_interactome(parameters))
