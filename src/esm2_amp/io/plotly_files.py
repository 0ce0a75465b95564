"""Plotly's figures, written whole or not at all. A module of its own, since Plotly is slow to import."""

from kedro_datasets import plotly

from esm2_amp.io.whole_files import WholeFile


class PlotlyDataset(WholeFile, plotly.JSONDataset):
    """A figure in Plotly's JSON."""
