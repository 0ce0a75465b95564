"""How a fit went, as a figure."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.figures.palette import ACCENT, MAIN


def training_figure(record: pd.DataFrame, title: str, before: Mapping[str, float] | None = None) -> Figure:
    """Loss, MCC and AUROC over the epochs, training and validation, with the selected epoch marked.

    Parameters
    ----------
    record : DataFrame
        The record of `esm2_amp.training.fit.Fit`.
    title : str
        Title of the figure.
    before : mapping, optional
        `validation_loss`, `validation_mcc` and `validation_auroc` of what the fit started from.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    panels = {"loss": "Binary cross-entropy", "mcc": "MCC", "auroc": "AUROC"}
    selected = record.loc[record["selected"], "epoch"].iloc[0]
    for axes, (metric, name) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.plot(record["epoch"], record[f"training_{metric}"], color=MAIN, label="training (with dropout)")
        axes.plot(record["epoch"], record[f"validation_{metric}"], color=ACCENT, label="validation")
        if before is not None:
            axes.axhline(before[f"validation_{metric}"], color=ACCENT, linewidth=1, linestyle="--", label="before")
        axes.axvline(selected, color="0.6", linewidth=1, linestyle=":", label="selected epoch")
        axes.set(xlabel="Epoch", ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    return figure
