import numpy as np
import pandas as pd
import pytest
import torch
from transformers import EsmForMaskedLM

from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.errors import InputError
from esm2_amp.io.encoder import PretrainedEncoderDataset
from esm2_amp.parameters.encoder_pretraining import PretrainingParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.encoder_pretraining.nodes import describe_encoder, pretrain_encoder
from esm2_amp.protein import STANDARD_RESIDUES

RNG = np.random.default_rng(0)
SEQUENCES = pd.DataFrame(
    {
        "Sequence": ["".join(RNG.choice(list(STANDARD_RESIDUES), size)) for size in RNG.integers(20, 90, 60)],
        "held_out": np.arange(60) < 10,
    }
)
REPORT = {"training": 50, "held_out": 10, "training_residues": 3000}
RUN = RunParameters(device="cpu", seed=1, data_name="data", scoring_batch_size=8)
SMALL = {
    "data": "random sequences",
    "licence": "cc-by-4.0",
    "layers": 1,
    "width": 16,
    "heads": 2,
    "crop_length": 40,
    "batch_size": 4,
    "masked_fraction": 0.15,
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "gradient_clip": 1.0,
    "warmup_steps": 2,
    "steps_per_epoch": 3,
    "epochs": 2,
    "held_out": 10,
    "precision": "32-true",
    "seed": 3,
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    EsmForMaskedLM(small_esm2_config(layers=2, width=24, heads=2)).save_pretrained(folder)
    return str(folder)


def made(folder, **settings):
    """The record and the card of a small encoder."""
    parameters = PretrainingParameters(**SMALL | settings)
    encoder, record = pretrain_encoder(SEQUENCES, folder / "checkpoints", folder / "states", parameters, RUN)
    dataset = PretrainedEncoderDataset(filepath=str(folder / "small_esm"))
    dataset.save(encoder)
    page, _ = describe_encoder(dataset.load(), SEQUENCES, REPORT, record, parameters)
    return record, page


def test_without_a_teacher_neither_record_nor_card_names_one(tmp_path):
    record, page = made(tmp_path)
    assert record.columns.tolist() == ["Epoch", "TrainingPerplexity", "HeldOutPerplexity", "Precision"]
    assert "teacher" not in page
    assert "cosine" not in page
    assert not (tmp_path / "states").exists()


@pytest.mark.parametrize("states", ["computed", "stored"])
def test_the_card_of_a_distilled_encoder_names_teacher_licence_recipe_and_agreement(tmp_path, teacher, states):
    record, page = made(
        tmp_path,
        teacher=teacher, teacher_name="A large ESM-2", teacher_licence="GPL-3.0", optimizer="muon",
        distillation={"states": states, "weight": 7.0, "mean_weight": 2.5, "precision": "float32"},
    )  # fmt: skip
    assert "A large ESM-2; licence GPL-3.0" in page
    assert "7 × mean squared difference of unmasked tokens + 2.5 × that of the means over crops" in page
    assert ("of whole proteins, stored as float16" in page) == (states == "stored")
    assert f"| small_esm | {record['HeldOutCosine'].iloc[-1]:.3f} |" in page
    assert f"for every token | {record['HeldOutConstantCosine'].iloc[-1]:.3f} |" in page
    assert f"value: {record['HeldOutCosine'].iloc[-1]:.4f}".rstrip("0") in page
    assert teacher not in page
    assert [*(tmp_path / "states").glob("*.float16")] != [] or states == "computed"


def test_stored_and_computed_states_of_whole_proteins_teach_alike(tmp_path, teacher):
    whole = {"crop_length": 100, "teacher": teacher}
    records = [
        made(tmp_path / states, **whole, distillation={"states": states, "precision": "float32"})[0]
        for states in ("computed", "stored")
    ]
    np.testing.assert_allclose(*(record.select_dtypes(float) for record in records), rtol=1e-3)


@pytest.mark.parametrize("name", ["weight", "mean_weight"])
def test_weights_of_distillation_reach_the_training(tmp_path, teacher, name):
    records = [
        made(tmp_path / str(value), teacher=teacher, distillation={name: value})[0]["HeldOutCosine"].iloc[-1]
        for value in (0.5, 50.0)
    ]
    assert records[0] != records[1]


def test_a_teacher_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="The encoder must be a folder, a file of fair-esm or the name of a model"):
        made(tmp_path, teacher="nobody/has_this_encoder")
