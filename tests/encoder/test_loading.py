import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import EsmModel

from esm2_amp.encoder.loading import load_encoder
from esm2_amp.errors import InputError

TINY = Path(__file__).parents[1] / "data/golden/esm2_tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "encoder"))


def change_weights(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder: Path, **settings) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def test_a_masked_language_model_loads_as_encoder():
    encoder = load_encoder(str(TINY))
    stored = load_file(TINY / "model.safetensors")
    assert encoder.width == 32
    assert not any(weight.requires_grad for weight in encoder.weights.tensors.values())
    assert encoder.weights.tensors.keys() == {
        name.removeprefix("esm.") for name in stored if not name.startswith(("lm_head.", "esm.contact_head."))
    }
    for name, weight in encoder.weights.tensors.items():
        assert torch.equal(weight, stored[f"esm.{name}"])


def test_loading_says_nothing_of_the_unused_head(capfd, caplog):
    with caplog.at_level("WARNING", logger="esm2_amp"):
        load_encoder(str(TINY))
    assert capfd.readouterr() == ("", "")


def test_fingerprint_is_of_the_weights_not_of_where_they_lie(folder):
    expected = load_encoder(str(TINY)).fingerprint
    assert load_encoder(str(folder)).fingerprint == expected
    model = EsmModel.from_pretrained(TINY, add_pooling_layer=False)
    model.save_pretrained(folder)
    assert load_encoder(str(folder)).fingerprint == expected


def test_fingerprint_changes_with_one_bit_of_one_weight(folder):
    def flip(weights):
        weights["esm.encoder.layer.1.output.dense.bias"].view(torch.int32)[3] ^= 1

    change_weights(folder, flip)
    assert load_encoder(str(folder)).fingerprint != load_encoder(str(TINY)).fingerprint


@pytest.mark.parametrize("settings", [{"num_attention_heads": 8}, {"token_dropout": False}, {"rope_theta": 500.0}])
def test_fingerprint_changes_with_settings_that_no_weight_shows(folder, settings):
    change_config(folder, **settings)
    change_weights(folder, lambda weights: weights.pop("esm.contact_head.regression.weight"))
    assert load_encoder(str(folder)).fingerprint != load_encoder(str(TINY)).fingerprint


def test_float16_weights_load_as_float32_with_the_fingerprint_of_their_values(folder):
    def to_float16(weights):
        weights.update({name: weight.half() for name, weight in weights.items()})

    def to_float32(weights):
        weights.update({name: weight.float() for name, weight in weights.items()})

    change_weights(folder, to_float16)
    half = load_encoder(str(folder))
    change_weights(folder, to_float32)
    assert {weight.dtype for weight in half.weights.tensors.values()} == {torch.float32}
    assert half.fingerprint == load_encoder(str(folder)).fingerprint


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}; copy the whole folder"):
        load_encoder(str(folder))


def test_truncated_weights_are_refused(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"can't be read.*copy or download the folder again"):
        load_encoder(str(folder))


def test_weights_of_another_size_are_refused(folder):
    change_config(folder, intermediate_size=64)
    with pytest.raises(InputError, match=r"must be those of the ESM-2 that its config.json describes"):
        load_encoder(str(folder))


def test_a_missing_weight_is_refused_and_named(folder):
    change_weights(folder, lambda weights: weights.pop("esm.encoder.layer.1.output.dense.bias"))
    with pytest.raises(InputError, match=r"1 are missing, first encoder\.layer\.1\.output\.dense\.bias"):
        load_encoder(str(folder))


def test_weights_that_are_no_numbers_are_refused(folder):
    change_weights(folder, lambda weights: weights["esm.encoder.layer.1.output.dense.bias"].fill_(torch.nan))
    with pytest.raises(InputError, match=r"encoder\.layer\.1\.output\.dense\.bias has values that are no finite"):
        load_encoder(str(folder))


@pytest.mark.parametrize("settings", [{"model_type": "bert"}, {"position_embedding_type": "absolute"}])
def test_another_kind_of_model_is_refused(folder, settings):
    change_config(folder, **settings)
    with pytest.raises(InputError, match=r"must be an ESM-2.*give an ESM-2 model"):
        load_encoder(str(folder))


def test_a_config_that_is_no_json_is_refused(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json must be a model's configuration"):
        load_encoder(str(folder))


def test_another_vocabulary_is_refused(folder):
    vocabulary = (folder / "vocab.txt").read_text().replace("L\nA\n", "A\nL\n")
    (folder / "vocab.txt").write_text(vocabulary)
    with pytest.raises(InputError, match="must have ESM-2's vocabulary"):
        load_encoder(str(folder))


@pytest.mark.parametrize("source", ["nobody/no_such_model", "./no/such/folder"])
def test_what_is_no_folder_and_no_model_is_refused_with_the_way_round_the_hub(source, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=f"got '{source}'.*hf download.*--params=encoder=DIR"):
        load_encoder(source)


def test_loading_tells_width_and_fingerprint(caplog):
    with caplog.at_level(logging.INFO):
        encoder = load_encoder(str(TINY))
    assert f"D = 32, fingerprint {encoder.fingerprint[:12]}" in caplog.text


def test_loading_and_embedding_import_no_transformers():
    script = f"""
import sys, torch
from esm2_amp.encoder.embedding import embed
from esm2_amp.io.encoder import EncoderDataset
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
encoder = EncoderDataset(source={str(TINY)!r}).load()()
options = EmbeddingParameters(precision="float32", whole_up_to=1022, window=200, overlap=50)
assert embed(encoder, ["MKTAYIAK"], options, torch.device("cpu")).shape == (1, 13, 32)
print([name for name in sys.modules if name.split(".")[0] == "transformers"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", ["encoder.pretraining", "pipelines.encoder_pretraining.pipeline"])
def test_modules_of_pretraining_import_transformers_only_to_train(module):
    script = f"import sys, esm2_amp.{module}; print('transformers.models.esm.modeling_esm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
