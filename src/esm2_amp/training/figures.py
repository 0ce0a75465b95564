"""How a fit went, as a figure."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.figures.palette import ACCENT, GREY, MAIN


def training_figure(
    record: pd.DataFrame, title: str, before: Mapping[str, float] | None = None, *, with_dropout: bool = True
) -> Figure:
    """Loss, MCC and AUROC over the epochs, training and validation, with the selected epoch marked.

    Parameters
    ----------
    record : DataFrame
        `training_record` of `model_training`; of an ensemble with the `Member` that a row is of.
    title : str
        Title of the figure.
    before : mapping, optional
        `validation_loss`, `validation_mcc` and `validation_auroc` of what the fit started from.
    with_dropout : bool
        Whether the training values were measured with dropout, which the validation values never are.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    panels = {"Loss": "Binary cross-entropy", "MCC": "MCC", "AUROC": "AUROC"}
    fits = [of_fit for _, of_fit in record.groupby("Member")] if "Member" in record else [record]
    of_training = "training (with dropout)" if with_dropout else "training"
    width, faint = (1.5, 1.0) if len(fits) == 1 else (0.9, 0.7)
    for axes, (metric, name) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        for number, of_fit in enumerate(fits):
            words = (of_training, "validation", "selected epoch") if number == 0 else (None, None, None)
            drawn = {"linewidth": width, "alpha": faint}
            axes.plot(of_fit["Epoch"], of_fit[f"Training{metric}"], color=MAIN, label=words[0], **drawn)
            axes.plot(of_fit["Epoch"], of_fit[f"Validation{metric}"], color=ACCENT, label=words[1], **drawn)
            selected = of_fit.loc[of_fit["Selected"], "Epoch"].iloc[0]
            axes.axvline(selected, color=GREY, linewidth=1, linestyle=":", label=words[2])
        if before is not None:
            axes.axhline(
                before[f"validation_{metric.lower()}"], color=ACCENT, linewidth=1, linestyle="--", label="before"
            )
        axes.set(xlabel="Epoch", ylabel=name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title)
    return figure
