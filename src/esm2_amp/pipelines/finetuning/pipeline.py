"""Wiring of `finetuning`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.finetuning.nodes import describe_finetuned, finetune_encoder


def create_pipeline() -> Pipeline:
    """A trained model, its pairs and their sequences → the encoder tuned on them, and the model that reads it.

    It goes on from what `training` has stored, as `evaluation` does, and like the encoder it starts from, the tuned one
    is then given to other pipelines as `encoder=`. A step of `model_training` it can't be: the models there share the
    features of one encoder, on which they are evaluated and explained side by side.
    """
    return Pipeline(
        [
            Node(
                finetune_encoder,
                inputs=[
                    "model_pairs",
                    "proteins",
                    "encoder",
                    "finetuning.model",
                    "finetuning_checkpoints",
                    "params:finetuning",
                    "params:feature_extraction",
                    "params:run",
                ],
                outputs=["finetuned_encoder", "finetuning.tuned", "finetuning_record"],
                name="finetune_encoder",
            ),
            Node(
                describe_finetuned,
                inputs=[
                    "finetuned_encoder",
                    "finetuning.tuned",
                    "finetuning_record",
                    "model_pairs",
                    "proteins",
                    "params:feature_extraction",
                    "params:run",
                ],
                outputs=["finetuned_model", "finetuned_encoder_card", "finetuning_plot"],
                name="describe_finetuned",
            ),
        ],
        tags="finetuning",
    )
