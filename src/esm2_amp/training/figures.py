"""How a fit went, as a figure."""

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.figures.palette import ACCENT, GREY, MAIN


def training_figure(record: pd.DataFrame, title: str, *, with_dropout: bool) -> Figure:
    """Loss, MCC and AUROC over the epochs, training and validation, with the selected epoch marked.

    Parameters
    ----------
    record : DataFrame
        The record of `esm2_amp.training.fit.Fit`.
    title : str
        Title of the figure.
    with_dropout : bool
        Whether the training values were measured with dropout, which the validation values never are.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    panels = {"loss": "Binary cross-entropy", "mcc": "MCC", "auroc": "AUROC"}
    selected = record.loc[record["selected"], "epoch"].iloc[0]
    words = "training (with dropout)" if with_dropout else "training"
    for axes, (metric, name) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.plot(record["epoch"], record[f"training_{metric}"], color=MAIN, label=words)
        axes.plot(record["epoch"], record[f"validation_{metric}"], color=ACCENT, label="validation")
        axes.axvline(selected, color=GREY, linewidth=1, linestyle=":", label="selected epoch")
        axes.set(xlabel="Epoch", ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    return figure
