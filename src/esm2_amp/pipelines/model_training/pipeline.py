"""Wiring of `model_training`: the same node for every model of the registry, each in its namespace."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.pipelines.groups import report_part
from esm2_amp.pipelines.model_training.nodes import describe_training, refit_model, train_model
from esm2_amp.pipelines.per_model import for_every_model

_GROUP = "model_training"
_OUTPUTS = ["model", "training_record", "training_plot"]


def create_pipeline() -> Pipeline:
    """Features and pairs → one trained model per namespace."""
    return _for_every_model(
        Node(
            train_model,
            inputs=["model_pairs", "protein_features", "leakage_audit", "checkpoints", "params:settings", "params:run"],
            outputs=_OUTPUTS,
            name="train_model",
        )
    )


def create_refit_pipeline() -> Pipeline:
    """The same with the best parameters of the search."""
    return _for_every_model(
        Node(
            refit_model,
            inputs=[
                "model_pairs",
                "protein_features",
                "leakage_audit",
                "checkpoints",
                "best_parameters",
                "params:settings",
                "params:run",
            ],
            outputs=_OUTPUTS,
            name="refit_model",
        )
    )


def _for_every_model(node: Node) -> Pipeline:
    """A step that trains, for each model, and then the report's part on how that went."""
    inputs = {"model_pairs", "protein_features", "leakage_audit", "checkpoints"}
    each = for_every_model([node], inputs=inputs, parameters={"params:run"}, group=_GROUP, tags="model_training")
    shown = [f"{model}.{table}" for table in ("training_record", "training_plot") for model in ARCHITECTURES]
    description = Node(describe_training, inputs=shown, outputs="training_part", name="describe_training")
    return each + report_part(_GROUP, description, tags="model_training")
