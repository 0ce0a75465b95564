"""An ensemble is the mean of its members, and its folder tells which file is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.ensemble import Ensemble, joined, member_logits, members_of
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.scoring import score_by_members, score_pairs
from esm2_amp.models.storage import TrainedModel, load_model, save_model
from esm2_amp.models.unlikeness import TrainingVectors
from esm2_amp.pairs import Pairs

CPU = torch.device("cpu")
WIDTH = 8
SIZES = {
    "ESM2_AMPS": {"h1": 7, "h2": 5, "layers": 2, "heads": 2, "feed_forward": 12},
    "ESM2_AMP_CSE": {"h1": 7, "h2": 5, "layers": 1, "heads": 2, "feed_forward": 12},
    "ESM2_DPM": {"h1": 9, "h2": 6, "h3": 5},
    "ESM2_GRU": {"h1": 7, "h2": 5, "layers": 2},
    "ESM2_MEAN": {"h1": 7, "h2": 5},
    "ESM2_SIAM": {"h1": 9, "h2": 7, "h3": 5},
}
CARD = {"features": {"encoder": "facebook/esm2_t6_8M_UR50D", "fingerprint": "3b" * 32}}


def network_of(name: str, seed: int = 0, width: int = WIDTH) -> PairNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_network(MODELS[name].config(architecture=name, **SIZES[name]), width).eval()


def ensemble_of(name: str, members: int = 3) -> Ensemble:
    return Ensemble([network_of(name, seed) for seed in range(members)])


def pairs_of(network: PairNetwork, count: int = 23) -> Pairs:
    generator = torch.Generator().manual_seed(4)
    table = torch.randn(9, len(range(13)[network.protein_tokens]), WIDTH, generator=generator)
    return Pairs(table, *torch.randint(9, (2, count), generator=generator))


@pytest.mark.parametrize("name", MODELS)
def test_logit_is_the_mean_of_the_members_and_spread_their_deviation(name):
    ensemble = ensemble_of(name)
    assert (ensemble.protein_tokens, ensemble.symmetric) == (
        MODELS[name].network.protein_tokens, MODELS[name].network.symmetric,
    )  # fmt: skip
    pairs = pairs_of(ensemble)
    alone = np.stack([score_pairs(network_of(name, seed), pairs, batch_size=50, device=CPU) for seed in range(3)])
    found = score_by_members(ensemble, pairs, batch_size=5, device=CPU)
    np.testing.assert_allclose(found.members, alone.T, atol=1e-6)
    np.testing.assert_allclose(found.logit, alone.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.spread, alone.std(axis=0), atol=1e-6)
    assert alone.std(axis=0).min() > 0
    with torch.inference_mode():
        np.testing.assert_allclose(ensemble(pairs.tokens()), alone.mean(axis=0), atol=1e-6)


def test_single_network_has_no_spread():
    network = network_of("ESM2_DPM")
    assert (members_of(network), joined([network])) == ([network], network)
    assert member_logits(network, pairs_of(network).tokens()).shape == (23, 1)
    assert score_by_members(network, pairs_of(network), batch_size=7, device=CPU).spread is None


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("ESM2_DPM", 8)], "must have two members or more, got 1"),
        ([("ESM2_DPM", 8), ("ESM2_DPM", 16)], "member 1 is ESM2DPM .*'width': 8.* and member 2 ESM2DPM .*'width': 16"),
        ([("ESM2_MEAN", 8)] * 2 + [("ESM2_GRU", 8)], "member 1 is ESM2MEAN .* and member 3 ESM2GRU"),
    ],
)
def test_members_that_differ_are_refused(members, words):
    with pytest.raises(InputError, match=words):
        Ensemble([network_of(name, width=width) for name, width in members])


@pytest.mark.parametrize("name", MODELS)
def test_folder_of_an_ensemble_gives_it_back(name, tmp_path):
    ensemble, training = ensemble_of(name), TrainingVectors.of(torch.randn(30, WIDTH))
    save_model(TrainedModel(name, ensemble, CARD, frozenset({"ab" * 8}), training_vectors=training), tmp_path / "model")
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [
        "card.json", "config.json", "member_1.safetensors", "member_2.safetensors", "member_3.safetensors",
        "training_proteins.txt", "training_vectors.safetensors",
    ]  # fmt: skip
    found = load_model(tmp_path / "model", name)
    assert (found.architecture, found.weights) == (name, 3 * sum(w.numel() for w in network_of(name).parameters()))
    assert all(map(torch.equal, found.network.state_dict().values(), ensemble.state_dict().values()))
    assert all(map(torch.equal, found.training_vectors, training))
    pairs = pairs_of(ensemble)
    logits = [score_by_members(network, pairs, batch_size=9, device=CPU) for network in (found.network, ensemble)]
    np.testing.assert_array_equal(logits[0].members, logits[1].members)


def test_ensemble_replaces_a_single_model_and_the_other_way_round(tmp_path):
    for network, files in ((ensemble_of("ESM2_DPM", 2), 2), (network_of("ESM2_DPM"), 1), (ensemble_of("ESM2_DPM"), 3)):
        save_model(TrainedModel("ESM2_DPM", network, {}), tmp_path / "model")
        assert len(list((tmp_path / "model").glob("*.safetensors"))) == files
        assert len(members_of(load_model(tmp_path / "model").network)) == files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(TrainedModel("ESM2_DPM", ensemble_of("ESM2_DPM"), CARD), tmp_path / "model")
    return tmp_path / "model"


def of_other_encoder(folder: Path) -> None:
    other = {"features": {"encoder": "elsewhere", "fingerprint": "77" * 32}}
    save_model(TrainedModel("ESM2_DPM", ensemble_of("ESM2_DPM"), other), folder.parent / "other")
    shutil.copy(folder.parent / "other/member_2.safetensors", folder)


def of_other_encoder_without_card(folder: Path) -> None:
    of_other_encoder(folder)
    (folder / "card.json").unlink()


def of_other_size(folder: Path) -> None:
    save_model(TrainedModel("ESM2_DPM", Ensemble([network_of("ESM2_DPM", s, 16) for s in (0, 1)]), CARD), folder / "x")
    shutil.copy(folder / "x/member_2.safetensors", folder)


def altered(folder: Path) -> None:
    weights = load_file(folder / "member_2.safetensors")
    weights["dnn_layers.0.bias"][0] += 1
    save_file(weights, folder / "member_2.safetensors", {"features": CARD["features"]["fingerprint"]})


def cut(folder: Path) -> None:
    file = folder / "member_2.safetensors"
    file.write_bytes(file.read_bytes()[:-4])


def with_members(number: object):
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"members": number}))

    return change


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, r"member_2\.safetensors doesn't load as ESM2_DPM: .*; restore the folder or train again"),
        (lambda folder: (folder / "member_2.safetensors").unlink(), r"member_2\.safetensors doesn't load as ESM2_DPM"),
        (of_other_size, r"member_2\.safetensors doesn't load as ESM2_DPM: (.|\n)*size mismatch"),
        (altered, r"member_2\.safetensors must be the file whose SHA-256 stands in .*card\.json"),
        (of_other_encoder, r"features of one encoder, but .*member_2\.safetensors has the fingerprint 777777777777, "
                           r"and facebook/esm2_t6_8M_UR50D in the card 3b3b3b3b3b3b; restore the member, or train"),
        (of_other_encoder_without_card, r"but .*member_2\.safetensors has the fingerprint 777777777777, and "
                                        r"member_1\.safetensors 3b3b3b3b3b3b; restore the member"),
        (with_members(4), r"member_4\.safetensors doesn't load as ESM2_DPM"),
        (with_members("two"), r"config\.json must give a number of members from 1, got 'two'"),
    ],
    ids=["cut short", "missing", "of another size", "altered", "of another encoder", "of another one without a card",
         "one too few", "no number"],
)  # fmt: skip
def test_wrong_member_is_told_by_name(spoil, words, folder):
    spoil(folder)
    with pytest.raises(InputError, match=words):
        load_model(folder)


def test_ensemble_without_a_card_loads(folder):
    (folder / "card.json").unlink()
    assert len(members_of(load_model(folder).network)) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"training_vectors\.safetensors can't be read .*; restore it, train the model again, or delete it"),
        ({"vectors": torch.zeros(3, WIDTH)}, r"training_vectors\.safetensors can't be read"),
        (TrainingVectors.of(torch.randn(4, 5))._asdict(), r"of the model's width 8, got \(4, 5\); restore it, train"),
    ],
    ids=["cut short", "of other content", "of another width"],
)
def test_wrong_training_vectors_are_told(content, words, folder):
    file = folder / "training_vectors.safetensors"
    file.write_bytes(b"{}") if content is None else save_file(content, file)
    with pytest.raises(InputError, match=words):
        load_model(folder)
