"""Every pipeline by name, explicitly: `find_pipelines` breaks under `--pipeline` where pipelines are sums of others."""

from kedro.pipeline import Pipeline

from esm2_amp.pipelines import (
    encoder_pretraining,
    evaluation,
    feature_extraction,
    functional_regions,
    hyperparameter_search,
    interpretability,
    latent_explanation,
    model_release,
    model_training,
    pair_building,
    planted_data,
    prediction,
    report,
)


def register_pipelines() -> dict[str, Pipeline]:
    """The pipelines of the project.

    Returns
    -------
    pipelines : dict
        `training` is feature_extraction + pair_building + model_training; `results`, all that looks at trained models,
        is evaluation + interpretability + functional_regions + report; `__default__` is both.
    """
    steps = {
        "feature_extraction": feature_extraction.create_pipeline(),
        "pair_building": pair_building.create_pipeline(),
        "model_training": model_training.create_pipeline(),
        "evaluation": evaluation.create_pipeline(),
        "interpretability": interpretability.create_pipeline(),
        "report": report.create_pipeline(),
    }
    training = steps["feature_extraction"] + steps["pair_building"] + steps["model_training"]
    regions = functional_regions.create_pipeline()
    results = steps["evaluation"] + steps["interpretability"] + regions + steps["report"]
    return {
        "__default__": training + results,
        "training": training,
        "results": results,
        **steps,
        "hyperparameter_search": hyperparameter_search.create_pipeline(),
        "refit": model_training.create_refit_pipeline(),
        "feature_export": feature_extraction.create_export_pipeline(),
        "functional_regions": regions,
        "latent_explanation": latent_explanation.create_pipeline() + interpretability.create_trust_pipeline(),
        "prediction": prediction.create_pipeline(),
        "model_release": model_release.create_pipeline(),
        "planted_data": planted_data.create_pipeline(),
        "encoder_pretraining": encoder_pretraining.create_pipeline(),
    }
