"""Wiring of `encoder_pretraining`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.encoder_pretraining.nodes import collect_sequences, pretrain_encoder


def create_pipeline() -> Pipeline:
    """Protein files → unique sequences → a small ESM-2."""
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
                    "params:encoder_pretraining",
                    "params:run",
                ],
                outputs=["pretrained_encoder", "pretraining_record", "pretraining_plot"],
                name="pretrain_encoder",
            ),
        ],
        tags="encoder_pretraining",
    )
