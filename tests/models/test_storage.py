import hashlib
import os
import shutil
import zipfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from conftest import PUBLISHED
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.published import read_published_state
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.storage import TrainedModel, load_model, save_model

GOLDEN = Path(__file__).parents[1] / "data/golden"


def logit_of(model: TrainedModel, tokens: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return model.network(tokens).numpy()


def published_amps(width: int, h1: int, h2: int, feed_forward: int) -> nn.Module:
    """ESM2_AMPS as METHOD section 3 and the published keys spell it."""
    layer = nn.TransformerEncoderLayer(width, 8, feed_forward, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    mlp = nn.Sequential(nn.Linear(width, h1), nn.ReLU(), nn.Linear(h1, h2), nn.ReLU(), nn.Linear(h2, 1))
    return nn.ModuleDict({"transformer_encoder": encoder, "mlp_layers": mlp})


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_weights_give_the_published_logits(name, prefix, tmp_path):
    state = read_published_state(GOLDEN / f"{name}.pth")
    torch.save({"model_state_dict": {prefix + key: value for key, value in state.items()}}, tmp_path / "w.pth")
    model = load_model(tmp_path / "w.pth", name)
    with np.load(GOLDEN / f"{name}_io.npz") as golden:
        np.testing.assert_allclose(logit_of(model, torch.from_numpy(golden["x"])), golden["logit"].ravel(), atol=1e-5)


def test_published_weights_of_another_width(tmp_path):
    source = published_amps(width=48, h1=17, h2=9, feed_forward=70).eval()
    torch.save({"model_state_dict": source.state_dict()}, tmp_path / "w.pth")
    tokens = torch.randn(3, 20, 48)
    with torch.inference_mode():
        expected = source["mlp_layers"](source["transformer_encoder"](tokens).mean(1)).ravel().numpy()
    model = load_model(tmp_path / "w.pth", "ESM2_AMPS")
    np.testing.assert_allclose(logit_of(model, tokens), expected, atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_folder_holds_all_that_a_model_is(name, tmp_path):
    published = load_model(GOLDEN / f"{name}.pth", name)
    save_model(published._replace(card={"seed": 3, "note": "α"}), tmp_path / "model")
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [
        "card.json", "config.json", "model.safetensors",
    ]  # fmt: skip
    model = load_model(tmp_path / "model")
    weights, config = (
        hashlib.sha256((tmp_path / "model" / file).read_bytes()).hexdigest()
        for file in ("model.safetensors", "config.json")
    )
    others = {"config.json": config}
    card = {"seed": 3, "note": "α", "weights_sha256": weights, "other_files_sha256": others}
    assert (model.architecture, model.card) == (name, card)
    tokens = torch.from_numpy(np.load(GOLDEN / f"{name}_io.npz")["x"])
    np.testing.assert_array_equal(logit_of(model, tokens), logit_of(published, tokens))


def test_siamese_network_returns_from_a_folder_and_from_a_checkpoint(tmp_path):
    sizes = {"h1": 12, "h2": 7, "h3": 5}
    network = build_network(MODELS["ESM2_SIAM"].config(architecture="ESM2_SIAM", **sizes), 16).eval()
    model = TrainedModel("ESM2_SIAM", network, {})
    save_model(model, tmp_path / "model")
    torch.save({"model_state_dict": network.state_dict()}, tmp_path / "w.pth")
    tokens = torch.randn(4, 20, 16)
    for read in (load_model(tmp_path / "model"), load_model(tmp_path / "w.pth", "ESM2_SIAM")):
        assert {**sizes, "width": 16}.items() <= read.network.sizes.items()
        np.testing.assert_array_equal(logit_of(read, tokens), logit_of(model, tokens))
    with pytest.raises(InputError, match="looks like those of ESM2_SIAM"):
        load_model(tmp_path / "w.pth", "ESM2_MEAN")


def test_weights_of_another_model_are_told_from_those_of_the_card(tmp_path):
    published = load_model(GOLDEN / "ESM2_MEAN.pth", "ESM2_MEAN")
    save_model(published, tmp_path / "model")
    with torch.no_grad():
        next(published.network.parameters()).add_(0.01)
    save_model(published, tmp_path / "other")
    shutil.copy(tmp_path / "other/model.safetensors", tmp_path / "model")
    with pytest.raises(
        InputError, match=r"SHA-256 .* but it was altered or replaced; restore the folder or train again"
    ):
        load_model(tmp_path / "model")


def test_huggingface_loads_the_folder(tmp_path):
    published = load_model(GOLDEN / "ESM2_GRU.pth", "ESM2_GRU")
    save_model(published, tmp_path / "model")
    network = MODELS["ESM2_GRU"].network.from_pretrained(tmp_path / "model")
    assert all(map(torch.equal, network.state_dict().values(), published.network.state_dict().values()))


def test_saving_replaces_the_earlier_model(tmp_path):
    for name in ("ESM2_GRU", "ESM2_MEAN"):
        save_model(load_model(GOLDEN / f"{name}.pth", name), tmp_path / "model")
    assert load_model(tmp_path / "model").architecture == "ESM2_MEAN"
    assert [folder.name for folder in tmp_path.iterdir()] == ["model"]


class RunsCode:
    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_pickled_code_does_not_run(tmp_path):
    trap = RunsCode()
    trap.folder = tmp_path / "made_by_the_file"
    torch.save({"model_state_dict": {"mlp_layers.0.weight": trap}}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="must hold tensors only, but its pickle asks for other objects"):
        load_model(tmp_path / "w.pth", "ESM2_MEAN")
    assert not trap.folder.exists()
    torch.load(tmp_path / "w.pth", weights_only=False)
    assert trap.folder.exists(), "the file should run code where nothing keeps it from it"


@pytest.mark.parametrize("kept", [0, 40, 3000])
def test_published_file_cut_short(kept, tmp_path):
    (tmp_path / "w.pth").write_bytes((GOLDEN / "ESM2_MEAN.pth").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"w\.pth .*(download or copy it again|is damaged)"):
        load_model(tmp_path / "w.pth", "ESM2_MEAN")


def test_published_file_that_is_none(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("notes.txt", "no weights")
    with pytest.raises(InputError, match="can't be read as a PyTorch checkpoint"):
        load_model(tmp_path / "w.pth", "ESM2_MEAN")
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(InputError, match="must hold a dict of tensors, or one under 'model_state_dict'; got list"):
        load_model(tmp_path / "w.pth", "ESM2_MEAN")


@pytest.mark.parametrize(
    ("held", "asked"),
    [(held, asked) for held, asked in permutations(PUBLISHED, 2) if {held, asked} != {"ESM2_AMPS", "ESM2_AMP_CSE"}],
)
def test_weights_of_another_model(held, asked):
    with pytest.raises(
        InputError, match=f"must hold the weights of {asked}, but looks like those of (ESM2_AMPS or )?{held}"
    ):
        load_model(GOLDEN / f"{held}.pth", asked)


def test_published_file_does_not_say_its_model():
    with pytest.raises(InputError, match="doesn't say which model it is: give model= one of ESM2_AMPS"):
        load_model(GOLDEN / "ESM2_MEAN.pth")


@pytest.fixture
def folder(tmp_path):
    model = load_model(GOLDEN / "ESM2_MEAN.pth", "ESM2_MEAN")
    save_model(model._replace(training_proteins=frozenset({"0123456789abcdef"})), tmp_path / "model")
    return tmp_path / "model"


def altered(file: Path) -> None:
    """As valid as before, and not the same."""
    replaced = file.read_text().translate(str.maketrans({"{": "{\n", "7": "6"}))
    file.write_text(replaced)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


@pytest.mark.parametrize(
    ("spoil", "asked", "words"),
    [
        (lambda folder: None, "ESM2_GRU", "holds a model ESM2_MEAN, but model=ESM2_GRU was asked for"),
        (lambda folder: cut(folder / "model.safetensors"), None, "doesn't load as ESM2_MEAN"),
        (lambda folder: (folder / "model.safetensors").unlink(), None, "doesn't load as ESM2_MEAN"),
        (lambda folder: cut(folder / "config.json"), None, r"config\.json can't be read"),
        (lambda folder: (folder / "config.json").unlink(), None, r"config\.json can't be read"),
        (lambda folder: cut(folder / "card.json"), None, r"card\.json"),
        (
            lambda folder: altered(folder / "config.json"),
            None,
            r"config\.json must be the file whose SHA-256 stands in",
        ),
        (
            lambda folder: altered(folder / "training_proteins.txt"),
            None,
            r"training_proteins\.txt must be the file whose",
        ),
    ],
)
def test_damaged_folder(folder, spoil, asked, words):
    spoil(folder)
    with pytest.raises(InputError, match=words):
        load_model(folder, asked)


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match=r"No model at .*none: train one with `kedro run --pipeline=training`"):
        load_model(tmp_path / "none")


@pytest.mark.parametrize(("of_features", "warned"), [("float32", False), ("bfloat16", True)])
def test_features_of_another_precision_are_warned_of(folder, of_features, warned, caplog):
    def provenance(precision):
        return {"encoder": "e", "fingerprint": "f", "options": {"precision": precision}}

    model = load_model(folder)
    model = model._replace(card={**model.card, "features": provenance("float32")})
    width = model.network.sizes["width"]
    model.check_features(ProteinFeatures(pd.DataFrame(), folder, width, provenance(of_features)))
    words = "trained on features computed in float32, these were computed in bfloat16"
    assert (words in caplog.text) == warned
