"""`kedro run --pipeline=finetuning` on stored results of a training, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import EsmModel

from conftest import ROOT, Outcome, kedro_run
from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.encoder.tokens import encode
from esm2_amp.errors import InputError
from esm2_amp.finetuning.start import check_model
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.models.storage import load_model
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.finetuning import FinetuningParameters

TINY = ROOT / "tests/data/golden/esm2_tiny"
WINDOWS = EmbeddingParameters(precision="float32", whole_up_to=4096, window=1022, overlap=256)
TUNED = "06_models/ESM2_DPM_finetuned"


def trained_on(folder: Path) -> None:
    for options in (["--pipeline=planted_data"], ["--pipelines=feature_extraction,pair_building"]):
        done = kedro_run(folder, *options)
        assert done.exit_code == 0, done.output
    done = kedro_run(folder, "--pipeline=model_training", "--namespaces=ESM2_DPM")
    assert done.exit_code == 0, done.output


class Tuned:
    """A finished fine-tuning: its data folder, not to be written to, and what it said."""

    def __init__(self, folder: Path) -> None:
        trained_on(folder)
        self.folder, (exit_code, self.output) = folder, kedro_run(folder, "--pipeline=finetuning")
        assert exit_code == 0, self.output

    @property
    def card(self) -> dict:
        return json.loads((self.folder / TUNED / "model/card.json").read_text())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Tuned:
    return Tuned(tmp_path_factory.mktemp("finetuning"))


def refused(folder: Path, *options: str) -> str:
    outcome: Outcome = kedro_run(folder, "--pipeline=finetuning", *options)
    assert outcome.exit_code == 1, outcome.output
    return " ".join(outcome.output.split("Error: ")[-1].split())


def test_tuned_encoder_is_a_folder_that_loads_with_its_fingerprint(tuned):
    encoder = load_encoder(str(tuned.folder / TUNED / "encoder"))
    assert encoder.fingerprint == tuned.card["features"]["fingerprint"]
    assert encoder.fingerprint != load_encoder(str(TINY)).fingerprint
    assert encoder.width == 32


def test_transformers_loads_it_with_the_same_states(tuned):
    folder = str(tuned.folder / TUNED / "encoder")
    sequence = "MKTAYIAKQRQISFVKSHFSRQ"
    theirs = EsmModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokens = torch.from_numpy(encode(sequence).astype(np.int64))
    with torch.inference_mode():
        mean = theirs(tokens[None]).last_hidden_state[0, 1:-1].mean(0)
    ours = embed(load_encoder(folder), [sequence], WINDOWS, torch.device("cpu"))[0, 12]
    torch.testing.assert_close(ours, mean, atol=1e-5, rtol=0)


def test_card_page_record_and_plot(tuned):
    record = pd.read_csv(tuned.folder / "08_reporting/ESM2_DPM_finetuned/training_record.csv")
    assert record["Epoch"].tolist() == [1, 2]
    selected = record[record["Selected"]].iloc[0]
    card, before = tuned.card, tuned.card["finetuning"]["before"]
    assert card["selected_epoch"]["validation_auroc"] == pytest.approx(selected["ValidationAUROC"], abs=1e-6)
    assert card["finetuning"]["settings"]["rank"] == 2
    assert before["features"]["fingerprint"] == load_encoder(str(TINY)).fingerprint
    assert before["selected_epoch"] == load_model(tuned.folder / "06_models/ESM2_DPM/model").card["selected_epoch"]
    page = (tuned.folder / TUNED / "encoder/README.md").read_text()
    values = (of["selected_epoch"]["validation_auroc"] for of in (before, card))
    assert "| AUROC | {:.4f} | {:.4f} |".format(*values) in page
    assert "rank 2, alpha 16, dropout 0, beside query, key, value of the last layer" in page
    assert (tuned.folder / "08_reporting/ESM2_DPM_finetuned/training.png").stat().st_size > 5000
    assert "Validation AUROC" in tuned.output


def test_average_protein_is_that_of_the_tuned_vectors(tuned):
    pairs = pd.read_parquet(tuned.folder / "05_model_input/model_pairs.parquet").query("split == 'train'")
    proteins = ProteinsDataset(filepath=str(tuned.folder / "01_raw/planted/proteins.fasta")).load().frame
    sequence_of = dict(zip(proteins["Entry"], proteins["Sequence"], strict=True))
    partners = pairs[["Protein1", "Protein2"]].to_numpy().ravel()
    encoder = load_encoder(str(tuned.folder / TUNED / "encoder"))
    vectors = embed(encoder, [sequence_of[name] for name in partners], WINDOWS, torch.device("cpu"))
    average = load_model(tuned.folder / TUNED / "model").average_protein
    torch.testing.assert_close(average, vectors[:, 12:].mean(0), atol=1e-5, rtol=0)


def test_prediction_by_the_tuned_pair_needs_the_tuned_encoder(tuned):
    encoder = tuned.folder / TUNED / "encoder"
    scored = kedro_run(tuned.folder, "--pipeline=prediction", f"--params=model=ESM2_DPM_finetuned,encoder={encoder}")
    assert scored.exit_code == 0, scored.output
    predicted = pd.read_csv(tuned.folder / "07_model_output/predicted_pairs.csv")
    assert predicted["Probability"].notna().all()
    without = kedro_run(tuned.folder, "--pipeline=prediction", "--params=model=ESM2_DPM_finetuned")
    assert without.exit_code == 1
    assert f"give --params=encoder={encoder}" in " ".join(without.output.split())


def test_features_in_place_of_sequences_are_refused_before_any_work(tuned):
    features = ROOT / "pyproject.toml"
    assert "features (set in --params) is not read by the pipeline finetuning" in refused(
        tuned.folder, f"--params=features={features}"
    )


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("finetuning.rank=33", "finetuning.rank must be at most the encoder's width 32, got 33"),
        ("finetuning.layers=3", "finetuning.layers must be at most the encoder's 2 layers, got 3"),
        ("finetuning.modules=quary", "finetuning.modules"),
        ("finetuning.tokens_at_once=100", "finetuning.tokens_at_once must be at least"),
        ("encoder=data/06_models/esm2_mini", "finetuning needs the encoder that the model was trained with"),
        ("model=ppi_mini", "finetuning needs a model trained on the stored training and validation pairs"),
        ("model=ESM2_GRU", "train one with `kedro run --pipeline=training`"),
        ("feature_extraction.embedding.window=500", "feature_extraction.embedding.window must be that of the model's"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(option, words, tuned):
    assert words in refused(tuned.folder, f"--params={option}")


@pytest.fixture
def model(tuned):
    return load_model(tuned.folder / "06_models/ESM2_DPM/model")


@pytest.fixture
def stored_pairs(tuned):
    pairs = pd.read_parquet(tuned.folder / "05_model_input/model_pairs.parquet")
    return pairs[pairs["split"] != "test"]


def test_model_of_imported_features_is_refused(model, stored_pairs):
    none = pd.DataFrame({"Entry": [], "Sequence": []}, dtype="str")
    with pytest.raises(InputError, match=r"finetuning reads sequences, but features were imported .*proteins=FILE"):
        check_model(model, stored_pairs, none, WINDOWS)


def test_model_without_a_card_is_refused(model, stored_pairs):
    proteins = pd.DataFrame({"Entry": ["P1"], "Sequence": ["MK"]})
    with pytest.raises(InputError, match="needs a model that this project trained, got weights without its card"):
        check_model(model._replace(card={}), stored_pairs, proteins, WINDOWS)


def test_pairs_that_moved_to_another_split_are_refused(model, stored_pairs):
    proteins = pd.DataFrame({"Entry": ["P1"], "Sequence": ["MK"]})
    check_model(model, stored_pairs, proteins, WINDOWS)
    moved = stored_pairs.assign(split=np.where(stored_pairs.index == stored_pairs.index[0], "validation", "train"))
    with pytest.raises(InputError, match="was trained on others"):
        check_model(model, moved, proteins, WINDOWS)


def test_at_least_one_map_must_be_adapted():
    given = {
        "rank": 1, "alpha": 1, "dropout": 0, "modules": "", "layers": None, "learning_rate": 1, "precision": "32-true",
        "network_learning_rate": 1, "warmup_steps": 0, "pairs_per_step": 1, "epochs": 1, "gradient_clip": None,
        "tokens_at_once": 1, "recompute": False, "licence": "unknown",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"at least one of query, key, .* must be adapted, got none"):
        FinetuningParameters(**given)
