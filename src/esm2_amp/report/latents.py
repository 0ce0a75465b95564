"""The part of a model's chapter on explanations by latents: what they name, and how good what they explain is."""

from collections.abc import Mapping

from esm2_amp.explanation.results import Explanations
from esm2_amp.report import cautions
from esm2_amp.report.explanations import token_pictures
from esm2_amp.report.parts import (
    Block,
    Folded,
    Gallery,
    Group,
    Section,
    named_after,
    number_cells,
    picture_of,
    table_of,
    text_cells,
)

_FITS = {
    "autoencoder": "Loss of the autoencoder over the epochs, and how much of each token's variance its latents keep",
    "network_training": "Loss and MCC of the classifier AE_DNN over the epochs",
}


def latent_part(
    name: str,
    explanations: Explanations,
    plots: Mapping[str, bytes],
    metrics: Mapping[str, Mapping[str, float | None]],
    fits: Mapping[str, bytes],
) -> Section:
    """Show which tokens the classifiers of latents rest on, and how these were trained.

    Parameters
    ----------
    name : str
        Name of the model whose features the latents are of.
    explanations : dict of Explanation
        On latents, by method.
    plots : mapping of PNGs
        Their figures.
    metrics : mapping of mapping
        Metrics of `AE_RF` and `AE_DNN` on test pairs.
    fits : mapping of PNGs
        `autoencoder` and `network_training`, as far as they were drawn.
    """
    columns = {"Classifier": text_cells(metrics)}
    columns |= {word: number_cells(of[word.lower()] for of in metrics.values()) for word in ("AUROC", "MCC")}
    quality = named_after(name, table_of("classifiers of latents, on test pairs", columns))
    drawn = [picture_of(fits[fit], words) for fit, words in _FITS.items() if fit in fits]
    blocks: list[Block] = [
        Group("Tokens by importance, on latents", [Gallery(token_pictures(explanations, plots))]),
        Folded("The latents and their classifiers", [quality, *([Gallery(drawn)] if drawn else [])]),
    ]
    aurocs = {classifier: of["auroc"] for classifier, of in metrics.items()}
    return Section("latents", name, blocks, list(cautions.of_latents(name, aurocs)))
