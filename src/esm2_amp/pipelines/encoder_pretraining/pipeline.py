"""Wiring of `encoder_pretraining`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.encoder_pretraining.nodes import collect_sequences, describe_encoder, pretrain_encoder


def create_pipeline() -> Pipeline:
    """Protein files → unique sequences → a small ESM-2 and its card."""
    return Pipeline(
        [
            Node(
                collect_sequences,
                inputs=["pretraining_proteins_raw", "params:encoder_pretraining"],
                outputs=["pretraining_sequences", "pretraining_report"],
                name="collect_sequences",
            ),
            Node(
                pretrain_encoder,
                inputs=[
                    "pretraining_sequences",
                    "pretraining_checkpoints",
                    "pretraining_teacher_states",
                    "params:encoder_pretraining",
                    "params:run",
                ],
                outputs=["pretrained_encoder", "pretraining_record"],
                name="pretrain_encoder",
            ),
            Node(
                describe_encoder,
                inputs=[
                    "pretrained_encoder",
                    "pretraining_sequences",
                    "pretraining_report",
                    "pretraining_record",
                    "params:encoder_pretraining",
                ],
                outputs=["pretrained_encoder_card", "pretraining_plot"],
                name="describe_encoder",
            ),
        ],
        tags="encoder_pretraining",
    )
