"""Encoders as people have them: Hugging Face's folders of many kinds, files of fair-esm, and what isn't ESM-2."""

import json
import re
import shutil
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    EsmConfig,
    EsmForMaskedLM,
    EsmForSequenceClassification,
    EsmForTokenClassification,
    EsmModel,
    PreTrainedModel,
)

from esm2_amp.encoder.loading import load_encoder
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.tokens import MASK, PAD, encode
from esm2_amp.errors import InputError

CPU = torch.device("cpu")
TOKENS = [encode("MKTAYIAKQRQISFVK"), encode("GWHC")]
KINDS = [EsmModel, EsmForMaskedLM, EsmForSequenceClassification, EsmForTokenClassification]


def random_model(kind: type[PreTrainedModel] = EsmForMaskedLM, config: EsmConfig | None = None) -> PreTrainedModel:
    """Weights large enough for attention that isn't flat, and biases that aren't zero."""
    torch.manual_seed(0)
    model = kind(config or small_esm2_config(layers=2, width=32, heads=4)).eval()
    for name, weight in model.named_parameters():
        mean = 1.0 if name.endswith("orm.weight") else 0.0
        torch.nn.init.normal_(weight, mean, 0.1)
    return model


def state_of(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


@torch.no_grad()
def states_by_transformers(model: PreTrainedModel) -> Tensor:
    encoder = getattr(model, "esm", model)
    return torch.cat([encoder(torch.from_numpy(tokens).long()[None]).last_hidden_state[0] for tokens in TOKENS])


def states(source: Path) -> Tensor:
    return load_encoder(str(source)).packed(CPU, torch.float32)(TOKENS)


def assert_same_states(source: Path, model: PreTrainedModel, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(states(source), states_by_transformers(model), atol=tolerance, rtol=0)


def write_config(folder: Path, config: EsmConfig | Mapping[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    settings = config.to_dict() if isinstance(config, EsmConfig) else config
    (folder / "config.json").write_text(json.dumps(settings))


@pytest.fixture
def model() -> PreTrainedModel:
    return random_model()


@pytest.fixture
def folder(tmp_path: Path, model: PreTrainedModel) -> Path:
    """A config.json, without weights or vocabulary."""
    write_config(tmp_path / "encoder", model.config)
    return tmp_path / "encoder"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shards", [False, True])
def test_what_transformers_saves_loads_whatever_its_task(tmp_path, kind, shards):
    model = random_model(kind)
    model.save_pretrained(tmp_path, max_shard_size="20KB" if shards else "1GB")
    assert (tmp_path / "model.safetensors.index.json").exists() == shards
    assert_same_states(tmp_path, model)


@pytest.mark.parametrize("kind", KINDS)
def test_pytorch_model_bin_loads(folder, kind):
    model = random_model(kind)
    torch.save(state_of(model), folder / "pytorch_model.bin")
    assert_same_states(folder, model)


def save_bin_in_shards(state: Mapping[str, Tensor], folder: Path) -> list[Path]:
    names = {name: f"pytorch_model-0000{1 + number % 2}-of-00002.bin" for number, name in enumerate(state)}
    for file in set(names.values()):
        torch.save({name: state[name] for name in state if names[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return sorted(folder.glob("*.bin"))


def test_pytorch_model_bin_in_shards_loads(folder, model):
    save_bin_in_shards(state_of(model), folder)
    assert_same_states(folder, model)


def test_safetensors_are_preferred_to_pickles(folder, model):
    save_file(state_of(model.esm), folder / "model.safetensors")
    (folder / "pytorch_model.bin").write_text("not looked at")
    assert_same_states(folder, model)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_float_precision_loads(folder, model, dtype):
    model.esm.encoder.to(dtype).float()
    model.esm.embeddings.to(dtype).float()
    save_file({name: weight.to(dtype) for name, weight in state_of(model.esm).items()}, folder / "model.safetensors")
    # transformers' frequencies weren't rounded
    assert_same_states(folder, model, tolerance=1e-5 if dtype == torch.float64 else 0.02)


def test_old_names_of_layer_norms_load(folder, model):
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {re.sub(r"LayerNorm\.\w+", lambda m: old[m[0]], name): w for name, w in state_of(model).items()}
    assert sum(name.endswith((".gamma", ".beta")) for name in renamed) == 8
    torch.save(renamed, folder / "pytorch_model.bin")
    assert_same_states(folder, model)


@pytest.mark.parametrize("layer", ["", "encoder.layer.0.attention.self.", "encoder.layer.*.attention.self."])
def test_stored_rotary_frequencies_are_used_as_they_are(folder, model, layer):
    frequencies = torch.tensor([1.0, 0.3, 0.05, 0.001])
    state = state_of(model.esm)
    del state["rotary_embeddings.inv_freq"]
    torch.save(state | {f"{layer}rotary_embeddings.inv_freq": frequencies}, folder / "pytorch_model.bin")
    without = states_by_transformers(model)
    model.esm.rotary_embeddings.inv_freq.copy_(frequencies)
    assert (states_by_transformers(model) - without).abs().max() > 1e-3
    assert_same_states(folder, model)


def test_fingerprint_is_that_of_the_published_models_features():
    tiny = Path(__file__).parents[1] / "data/golden/esm2_tiny"
    # as version 0.1 has it, which read encoders by transformers
    assert load_encoder(str(tiny)).fingerprint == "44a95eec0e6231542e2cf27e0c5e3892296ddcdddb7a0e6dc7b416c33c514707"


class Trap:
    """What makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("place", ["pytorch_model.bin", "a shard", "esm2_t2.pt"])
def test_nothing_in_a_pickle_is_run(tmp_path, folder, model, place):
    mark = tmp_path / "it was run"
    if place == "a shard":
        source, file = folder, save_bin_in_shards(state_of(model), folder)[1]
    else:
        file = folder / place
        source = file if place.endswith(".pt") else folder
    torch.save({"model": state_of(model), "trap": Trap(mark)}, file)
    with pytest.raises(InputError, match=r"Python object \S+, but only tensors are read.*nothing was run"):
        load_encoder(str(source))
    assert not mark.exists()
    torch.load(file, weights_only=False)
    assert mark.exists()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def replace_by_a_page(file: Path) -> None:
    file.write_text("<html>404</html>")


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, replace_by_a_page, empty])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "esm2_t2.pt", "model.safetensors"])
def test_a_damaged_file_is_refused_without_advice_to_open_it_unsafely(folder, model, name, damage):
    save = save_file if name.endswith(".safetensors") else torch.save
    save(state_of(model.esm), folder / name)
    damage(folder / name)
    source = folder / name if name.endswith(".pt") else folder
    with pytest.raises(InputError, match=rf"can't be read \({name}: ") as caught:
        load_encoder(str(source))
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"), [([1, 2], "a list"), ({"state_dict": {}, "epoch": 3}, r"a dict \(state_dict, epoch\)")]
)
def test_a_pickle_without_tensors_is_refused_with_what_it_holds(folder, content, words):
    torch.save(content, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=rf"pytorch_model\.bin holds {words}, not a dict of tensors"):
        load_encoder(str(folder))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "esm2_t2.pt"])
def test_a_pointer_of_git_lfs_is_called_that(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2609504640\n")
    with pytest.raises(InputError, match=rf"\({name}: it is a pointer of Git LFS; fetch the file itself"):
        load_encoder(str(folder / name if name.endswith(".pt") else folder))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            ["config.json"],
            "has no model.safetensors; copy the whole folder of the model (the folder holds config.json)",
        ),
        ([], "has no config.json; copy the whole folder of the model (the folder holds nothing)"),
        (["adapter_config.json", "adapter_model.safetensors"], "(the folder holds adapter_config.json, adapter_model"),
        (["config.json", *(f"{k}.bin" for k in range(9))], "holds 0.bin, 1.bin, 2.bin, 3.bin, 4.bin …)"),
        (["a-contact-regression.pt", "esm2_t2.pt"], "give the file, if it is fair-esm's: {folder}/esm2_t2.pt"),
        (["refs/main", "snapshots/08e4/config.json"], "give {folder}/snapshots/08e4, if that is the encoder"),
    ],
)
def test_an_incomplete_folder_is_refused_with_what_it_holds(tmp_path, model, files, words):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(model.config.to_dict()))
    with pytest.raises(InputError, match=re.escape(words.format(folder=tmp_path))):
        load_encoder(str(tmp_path))


def test_another_model_without_weights_is_called_by_its_name(folder, model):
    write_config(folder, model.config.to_dict() | {"model_type": "t5"})
    with pytest.raises(InputError, match="has 't5', that of ProtT5"):
        load_encoder(str(folder))


def test_a_missing_shard_is_named(folder, model):
    shards = save_bin_in_shards(state_of(model), folder)
    shards[1].unlink()
    with pytest.raises(InputError, match=f"{shards[1].name} is missing, which pytorch_model.bin.index.json names"):
        load_encoder(str(folder))


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": "../encoder/config.json"}}'])
def test_an_index_that_is_none_is_refused(folder, text):
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(InputError, match=r"model\.safetensors\.index\.json (is no index|names)"):
        load_encoder(str(folder))


def test_a_folder_without_vocabulary_is_checked_by_the_number_of_tokens(folder, model):
    state = state_of(model.esm)
    state["embeddings.word_embeddings.weight"] = torch.zeros(30, 32)
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"embeddings\.weight has the shape \(30, 32\), where \(33, 32\)"):
        load_encoder(str(folder))
    write_config(folder, model.config.to_dict() | {"vocab_size": 30})
    with pytest.raises(InputError, match="must have ESM-2's vocabulary of 33 tokens, got 30"):
        load_encoder(str(folder))


def test_quantised_weights_are_refused(folder, model):
    state = state_of(model)
    state["esm.encoder.layer.1.output.dense.weight"] = torch.ones(32, 128, dtype=torch.int8)
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"layer\.1\.output\.dense\.weight must be of floating-point.*quantised"):
        load_encoder(str(folder))


def test_two_encoders_in_one_file_are_refused(folder, model):
    state = state_of(model.esm)
    both = {f"{side}.{name}": weight.clone() for side in ("student", "teacher") for name, weight in state.items()}
    torch.save(both, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"several models, under student\., teacher\."):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"model_type": "bert", "vocab_size": 30}, "has 'bert', that of ProtBert"),
        ({"model_type": "t5"}, "has 't5', that of ProtT5"),
        ({"model_type": "esmc"}, "has 'esmc', that of ESM-C"),
        ({"position_embedding_type": "absolute"}, "has 'absolute', as ESM-1b"),
        ({"model_type": None}, "has None"),
    ],
)
def test_another_model_is_called_by_its_name(folder, model, settings, told):
    write_config(folder, model.config.to_dict() | settings)
    torch.save(state_of(model), folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=f"must be an ESM-2.*{told}.*give an ESM-2 model such as facebook/esm2"):
        load_encoder(str(folder))


def test_the_folder_of_esm_c_is_called_by_its_name(tmp_path):
    (tmp_path / "data/weights").mkdir(parents=True)
    (tmp_path / "data/weights/esmc_300m_2024_12_v0.pth").touch()
    with pytest.raises(InputError, match="holds ESM-C or ESM3"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"hidden_size": "32"}, "hidden_size must be a whole number above 0, got '32'"),
        ({"num_attention_heads": 3}, "the width must be a multiple of 2 × 3 attention heads, got 32"),
        ({"layer_norm_eps": None}, "layer_norm_eps must be a number above 0, got None"),
    ],
)
def test_impossible_settings_are_named(folder, model, settings, told):
    write_config(folder, model.config.to_dict() | settings)
    torch.save(state_of(model), folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=rf"config\.json must describe an ESM-2, but {told}"):
        load_encoder(str(folder))


def test_settings_left_out_are_those_of_transformers(folder):
    settings = {"model_type": "esm", "position_embedding_type": "rotary", "vocab_size": 33, "num_hidden_layers": 1}
    config = EsmConfig(**settings, pad_token_id=PAD, mask_token_id=MASK)
    model = random_model(EsmModel, config)
    write_config(folder, settings)
    torch.save(state_of(model), folder / "pytorch_model.bin")
    assert_same_states(folder, model, tolerance=1e-4)


# fair-esm's module names (esm/model/esm2.py and esm/modules.py of the package), by transformers'
FAIR_ESM = [
    (r"embeddings\.word_embeddings", "embed_tokens"),
    (r"encoder\.emb_layer_norm_after", "emb_layer_norm_after"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.query", r"layers.\1.self_attn.q_proj"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.key", r"layers.\1.self_attn.k_proj"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.value", r"layers.\1.self_attn.v_proj"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense", r"layers.\1.self_attn.out_proj"),
    (r"encoder\.layer\.(\d+)\.attention\.LayerNorm", r"layers.\1.self_attn_layer_norm"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense", r"layers.\1.fc1"),
    (r"encoder\.layer\.(\d+)\.output\.dense", r"layers.\1.fc2"),
    (r"encoder\.layer\.(\d+)\.LayerNorm", r"layers.\1.final_layer_norm"),
]


def fair_esm_state(model: PreTrainedModel, prefix: str = "encoder.sentence_encoder.") -> dict[str, Tensor]:
    """The weights by fair-esm's names, with the head of a language model."""
    found = {"encoder.lm_head.bias": torch.zeros(33), "encoder.lm_head.weight": torch.zeros(33, 32)}
    for name, weight in state_of(getattr(model, "esm", model)).items():
        stem, _, kind = name.rpartition(".")
        for ours, theirs in FAIR_ESM:
            if re.fullmatch(ours, stem):
                found[f"{prefix}{re.sub(ours, theirs, stem)}.{kind}"] = weight
    return found


def settings_of_fair_esm(**settings: Any) -> dict[str, Any]:
    return {"cfg": {"model": Namespace(encoder_attention_heads=4, token_dropout=True, **settings)}}


@pytest.mark.parametrize("prefix", ["encoder.sentence_encoder.", "encoder.", "sentence_encoder.", ""])
def test_a_file_of_fair_esm_is_the_encoder_of_the_folder(folder, model, prefix):
    file = folder / "esm2_t2_32.pt"
    torch.save({"model": fair_esm_state(model, prefix), **settings_of_fair_esm()}, file)
    assert_same_states(file, model)
    save_file(state_of(model.esm), folder / "model.safetensors")
    assert load_encoder(str(file)).fingerprint == load_encoder(str(folder)).fingerprint


def test_token_dropout_of_a_file_of_fair_esm_counts(tmp_path):
    config = small_esm2_config(layers=2, width=32, heads=4)
    config.token_dropout = False
    model = random_model(config=config)
    settings = {"args": Namespace(arch="esm2", encoder_attention_heads=4, token_dropout=False), "cfg": None}
    torch.save({"model": fair_esm_state(model), **settings}, tmp_path / "esm2.pt")
    assert_same_states(tmp_path / "esm2.pt", model)


def test_heads_come_from_the_frequencies_where_a_file_does_not_say(tmp_path, model):
    frequencies = model.esm.rotary_embeddings.inv_freq.clone()
    state = fair_esm_state(model)
    state |= {f"encoder.sentence_encoder.layers.{n}.self_attn.rot_emb.inv_freq": frequencies for n in (0, 1)}
    torch.save({"model": state}, tmp_path / "esm2.pt")
    assert_same_states(tmp_path / "esm2.pt", model)


def test_heads_come_from_the_published_sizes_where_a_file_does_not_say(tmp_path):
    model = random_model(EsmModel, small_esm2_config(layers=1, width=320, heads=20))
    torch.save(fair_esm_state(model), tmp_path / "esm2_t1_320.pt")
    assert_same_states(tmp_path / "esm2_t1_320.pt", model, tolerance=1e-4)


def test_unknown_heads_are_told(tmp_path, model):
    torch.save({"model": fair_esm_state(model)}, tmp_path / "esm2.pt")
    with pytest.raises(InputError, match=r"attention heads isn't known: cfg has no.* the width 32 is none of"):
        load_encoder(str(tmp_path / "esm2.pt"))


def test_missing_weights_of_fair_esm_are_named_by_its_names(tmp_path):
    # the layout of esm2_t6_8M_UR50D.pt, with its first tensor alone
    content = {
        "args": Namespace(arch="roberta_large"),
        "cfg": {},
        "model": {"encoder.sentence_encoder.embed_tokens.weight": torch.zeros(33, 320)},
    }
    torch.save(content, tmp_path / "esm2_t6_8M_UR50D.pt")
    with pytest.raises(
        InputError, match=r"as fair-esm stores it, but 18 are missing, first emb_layer_norm_after\.bias"
    ):
        load_encoder(str(tmp_path / "esm2_t6_8M_UR50D.pt"))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["encoder.sentence_encoder.embed_positions.weight"], r"ESM-1b or ESM-1v"),
        (["encoder.sentence_encoder.layers.0.row_self_attention.layer.k_proj.weight"], "MSA Transformer"),
        (["transformer.blocks.0.attn.layernorm_qkv.1.weight"], "ESM-C or ESM3"),
        (["trunk.blocks.0.seq_attention.proj.weight"], "ESMFold"),
        (["esm.embeddings.word_embeddings.weight"], r"Hugging Face's names; give the folder"),
        (["contact_head.regression.weight", "contact_head.regression.bias"], "its regression for contacts alone"),
        (["lm_head.weight"], r"no table embed_tokens\.weight \(names lm_head\.weight"),
    ],
)
def test_a_file_of_something_else_is_called_by_its_name(tmp_path, names, told):
    file = tmp_path / "model.pt"
    torch.save({"model": dict.fromkeys(names, torch.zeros(33, 32))}, file)
    with pytest.raises(InputError, match=rf"must be those of an ESM-2 as fair-esm stores it, but .*{told}"):
        load_encoder(str(file))


def test_weights_of_a_pair_model_are_refused_with_what_the_file_holds(tmp_path):
    torch.save({"model_state_dict": {"mlp_layers.0.weight": torch.zeros(2, 2)}}, tmp_path / "ESM2_AMPS.pth")
    with pytest.raises(InputError, match=r"holds a dict \(model_state_dict\) without weights under 'model'"):
        load_encoder(str(tmp_path / "ESM2_AMPS.pth"))


def test_a_state_with_the_head_of_contacts_loads(tmp_path, model):
    head = {"contact_head.regression.weight": torch.zeros(1, 8), "contact_head.regression.bias": torch.zeros(1)}
    torch.save({"model": fair_esm_state(model, "") | head, **settings_of_fair_esm()}, tmp_path / "esm2.pt")
    assert_same_states(tmp_path / "esm2.pt", model)


def test_fair_esm_with_other_tokens_is_refused(tmp_path, model):
    state = fair_esm_state(model)
    state["encoder.sentence_encoder.embed_tokens.weight"] = torch.zeros(35, 32)
    torch.save({"model": state, **settings_of_fair_esm()}, tmp_path / "esm1.pt")
    with pytest.raises(InputError, match="must have ESM-2's vocabulary of 33 tokens, got 35"):
        load_encoder(str(tmp_path / "esm1.pt"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "pytorch_model.bin"])
def test_a_file_of_a_folder_is_refused_with_its_folder(folder, name):
    (folder / name).touch()
    with pytest.raises(InputError, match=re.escape(f"give the folder {folder}")):
        load_encoder(str(folder / name))


def test_features_are_no_encoder(tmp_path):
    (tmp_path / "per-protein.h5").touch()
    with pytest.raises(InputError, match=r"per-protein\.h5 is another file; features .* --params=features=FILE"):
        load_encoder(str(tmp_path / "per-protein.h5"))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"esm2_t6_8M_UR50D\.pt must be a file of fair-esm, but there is none"):
        load_encoder(str(tmp_path / "esm2_t6_8M_UR50D.pt"))


def test_pickles_are_downloaded_only_where_a_model_has_nothing_else(folder, model, monkeypatch):
    asked = []

    def download(source: str, *, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        if "pytorch_model*.bin" in allow_patterns:
            torch.save(state_of(model), folder / "pytorch_model.bin")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert_same_states("somebody/fine_tuned_esm2", model)
    assert [any("bin" in pattern for pattern in patterns) for patterns in asked] == [False, True]
    shutil.rmtree(folder)
    write_config(folder, model.config)
    save_file(state_of(model.esm), folder / "model.safetensors")
    load_encoder("somebody/fine_tuned_esm2")
    assert len(asked) == 3
