"""Every pipeline by name, explicitly: `find_pipelines` breaks under `--pipeline` where pipelines are sums of others.

The names, and what `kedro run` consists of, are known without importing a pipeline.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from kedro.pipeline import Pipeline

TRAINING: Final = ("feature_extraction", "pair_building", "model_training")
"""Steps of `training`."""

RESULTS: Final = ("evaluation", "interpretability", "functional_regions", "report")
"""Steps of `results`, all that looks at trained models."""

_WITH_SEARCH: Final = ("hyperparameter_search", "refit")
"""What takes the place of `model_training` where `search.enabled`."""

_FEATURES_AND_PAIRS: Final = "features_and_pairs"
"""The group of `feature_extraction` and `pair_building`: of one, since names decide which step that can run is next."""

SUMS: Final = {"__default__": (*TRAINING, *RESULTS), "training": TRAINING, "results": RESULTS}
"""Pipelines that are sums of steps."""

PIPELINES: Final = {
    "__default__": "training, then results: what `kedro run` alone runs",
    "training": "feature_extraction, pair_building, model_training",
    "results": "evaluation, interpretability, functional_regions, report",
    "feature_extraction": "13 vectors of each protein, in a store: only proteins that it lacks are embedded",
    "pair_building": "pairs as rows of the features, their split, and an audit of its leakage",
    "model_training": "all models; one with --namespaces=ESM2_AMPS",
    "evaluation": "metrics with intervals of each model and of baselines; of any model on labelled pairs of yours",
    "interpretability": "which tokens and residues scores rest on, and how far to trust each method",
    "latent_explanation": "explanations by an autoencoder's latents, as latent_explanation.enabled adds them",
    "functional_regions": "whether important segments and residues lie in annotated regions",
    "report": "the results that there are, as one HTML file",
    "hyperparameter_search": "Optuna's study of each model",
    "refit": "model_training with the best parameters of the search",
    "finetuning": "the encoder of a trained model tuned on its pairs by adapters, and the model that reads it",
    "feature_export": "the stored features as one HDF5 file in the published layout",
    "pair_evaluation": "evaluation of a model on labelled pairs: what evaluation runs for proteins= and pairs=",
    "explanation": "what a model's scores of given pairs rest on",
    "explanation_in_regions": "the same with annotated regions: what explanation runs for regions=",
    "prediction": "scores of new pairs",
    "screening": "the best partners of each protein, or of some, among all",
    "model_release": "a trained and evaluated model as a folder to give away",
    "planted_data": "the synthetic interactome of the demonstration, from its seed",
    "encoder_pretraining": "a small ESM-2 from proteins, by itself or from a larger one",
}
"""What each registered pipeline does, in the order in which they are shown."""


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines of the project, by the names in `PIPELINES`.

    Returns
    -------
    pipelines : dict
        Those in `SUMS` are the sums of their steps.
    """
    from esm2_amp.pipelines import (  # a mistyped option is reported before these are imported
        encoder_pretraining,
        evaluation,
        explanation,
        feature_extraction,
        finetuning,
        functional_regions,
        hyperparameter_search,
        interpretability,
        latent_explanation,
        model_release,
        model_training,
        pair_building,
        pair_evaluation,
        planted_data,
        prediction,
        report,
        screening,
    )
    from esm2_amp.pipelines.groups import in_group

    registered = {
        "feature_extraction": in_group(_FEATURES_AND_PAIRS, feature_extraction.create_pipeline()),
        "pair_building": in_group(_FEATURES_AND_PAIRS, pair_building.create_pipeline()),
        "model_training": model_training.create_pipeline(),
        "evaluation": evaluation.create_pipeline(),
        "interpretability": interpretability.create_pipeline(),
        "latent_explanation": latent_explanation.create_pipeline() + interpretability.create_trust_pipeline(),
        "functional_regions": functional_regions.create_pipeline(),
        "report": report.create_pipeline(),
        "hyperparameter_search": hyperparameter_search.create_pipeline(),
        "refit": model_training.create_refit_pipeline(),
        "finetuning": finetuning.create_pipeline(),
        "feature_export": feature_extraction.create_export_pipeline(),
        "pair_evaluation": pair_evaluation.create_pipeline(),
        "explanation": explanation.create_pipeline(),
        "explanation_in_regions": explanation.create_pipeline(regions=True),
        "prediction": prediction.create_pipeline(),
        "screening": screening.create_pipeline(),
        "model_release": model_release.create_pipeline(),
        "planted_data": planted_data.create_pipeline(),
        "encoder_pretraining": encoder_pretraining.create_pipeline(),
    }
    registered |= _sums(registered)
    return {name: registered[name] for name in PIPELINES}


def _sums(registered: Mapping[str, Pipeline]) -> dict[str, Pipeline]:
    """The pipelines in `SUMS`; results are one group, so that the graph of both can be read at a glance."""
    from esm2_amp.pipelines.groups import in_group

    training = sum((registered[step] for step in TRAINING), Pipeline([]))
    results = in_group("results", *(registered[step] for step in RESULTS))
    return {"__default__": training + results, "training": training, "results": results}


def pipelines_for(names: Iterable[str], *, search: bool, latents: bool, regions: bool) -> list[str]:
    """The registered pipelines that names stand for, as suits the parameters.

    Parameters
    ----------
    names : iterable of str
        Among `PIPELINES`.
    search : bool
        Whether pipelines that train search first, and then refit.
    latents : bool
        Whether pipelines that explain do so on an autoencoder's latents, too.
    regions : bool
        Whether there are regions for the proteins; without any, `results` leaves `functional_regions` out.

    Returns
    -------
    registered : list of str

    Examples
    --------
    >>> pipelines_for(["__default__"], search=False, latents=False, regions=True)
    ['training', 'results']
    >>> pipelines_for(["training"], search=True, latents=False, regions=True)
    ['feature_extraction', 'pair_building', 'hyperparameter_search', 'refit']
    """
    stand_for: dict[str, tuple[str, ...]] = {"training": ("training",)}
    if search:
        before = tuple(step for step in TRAINING if step != "model_training")
        stand_for |= {"training": (*before, *_WITH_SEARCH), "model_training": _WITH_SEARCH}
    if latents:
        stand_for["interpretability"] = ("interpretability", "latent_explanation")
    if latents or not regions:
        steps = [step for step in RESULTS if regions or step != "functional_regions"]
        stand_for["results"] = tuple(part for step in steps for part in stand_for.get(step, (step,)))
    stand_for["__default__"] = (*stand_for["training"], *stand_for.get("results", ("results",)))
    return [step for name in names for step in stand_for.get(name, (name,))]
