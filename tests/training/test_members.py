"""Members of an ensemble: fits of different seeds, of which an interrupted training does none again."""

import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from test_fit import EPOCHS, Killed, assert_same, fit, interrupt_at, separable_pairs, settings_of

from esm2_amp.pairs import Pairs
from esm2_amp.parameters.latent_explanation import LatentNetworkParameters
from esm2_amp.training.callbacks import EpochRecord
from esm2_amp.training.fit import Fit, fit_members

MEMBERS = 3


def fit_ensemble(folder: Path, members: int = MEMBERS, seed: int = 1) -> list[Fit]:
    table, training, validation = separable_pairs("ESM2_DPM")
    settings = settings_of("ESM2_DPM", members=members)
    splits = Pairs(table, *training), Pairs(table, *validation)
    return fit_members(*splits, settings, folder=folder, device="cpu", seed=seed)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return fit_ensemble(tmp_path_factory.mktemp("undisturbed"))


def fits_begun(patch: pytest.MonkeyPatch) -> list[str]:
    """The names of the fits, once for each epoch that is fitted."""
    begun: list[str] = []
    patch.setattr(EpochRecord, "on_train_epoch_start", lambda self, *_: begun.append(self.name), raising=False)
    return begun


def test_members_are_the_models_of_consecutive_seeds(undisturbed, tmp_path):
    assert len(undisturbed) == MEMBERS
    for number, member in enumerate(undisturbed):
        alone = fit(tmp_path / str(number), settings_of("ESM2_DPM"), seed=1 + number, pairs=separable_pairs("ESM2_DPM"))
        assert_same(member, alone)
    first, second = (member.network.dnn_layers[0].weight for member in undisturbed[:2])
    assert not torch.equal(first, second)


def test_one_member_is_a_fit_in_the_folder_itself(undisturbed, tmp_path):
    (single,) = fit_ensemble(tmp_path, members=1)
    assert_same(single, undisturbed[0])
    assert (tmp_path / "fit.json").exists() and not list(tmp_path.glob("member_*"))


@pytest.mark.parametrize(("member", "epoch"), [(1, 2), (2, 0), (2, 3), (3, 0), (3, EPOCHS)])
def test_killed_training_goes_on_with_the_member_it_was_in(undisturbed, member, epoch, tmp_path, monkeypatch):
    def interrupt(self, trainer, module):
        if f"member {member} " in self.name:
            interrupt_at(epoch)(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", interrupt, raising=False)
        patch.setattr(EpochRecord, "on_train_end", interrupt, raising=False)
        with pytest.raises(Killed):
            fit_ensemble(tmp_path)
    begun = fits_begun(monkeypatch)
    for resumed, expected in zip(fit_ensemble(tmp_path), undisturbed, strict=True):
        assert_same(resumed, expected)
    epochs = [sum(f"member {number} " in name for name in begun) for number in range(1, MEMBERS + 1)]
    done = [EPOCHS if number < member else epoch if number == member else 0 for number in range(1, MEMBERS + 1)]
    assert epochs == [EPOCHS - of_member for of_member in done]


def test_finished_ensemble_starts_afresh(undisturbed, tmp_path, monkeypatch):
    fit_ensemble(tmp_path)
    begun = fits_begun(monkeypatch)
    for again, expected in zip(fit_ensemble(tmp_path), undisturbed, strict=True):
        assert_same(again, expected)
    assert len(begun) == MEMBERS * EPOCHS


def test_interrupted_training_of_fewer_members_is_gone_on_with(undisturbed, tmp_path, monkeypatch):
    def interrupt(self, trainer, module):
        if "member 2 " in self.name:
            interrupt_at(3)(self, trainer, module)

    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", interrupt, raising=False)
        with pytest.raises(Killed):
            fit_ensemble(tmp_path, members=2)
    begun = fits_begun(monkeypatch)
    for resumed, expected in zip(fit_ensemble(tmp_path), undisturbed, strict=True):
        assert_same(resumed, expected)
    assert len(begun) == (EPOCHS - 3) + EPOCHS


@pytest.mark.parametrize("before", [1, 4])
def test_checkpoints_of_another_number_of_members_are_deleted(before, tmp_path):
    fit_ensemble(tmp_path, members=before)
    fit_ensemble(tmp_path, members=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member_1", "member_2"]
    fit_ensemble(tmp_path, members=1)
    assert not list(tmp_path.glob("member_*"))


def test_log_says_which_member_is_fitted(tmp_path, caplog):
    with caplog.at_level("INFO"):
        fit_ensemble(tmp_path, members=2)
    assert re.findall(r"ESM2_DPM, member (\d) of 2: epoch 5 of 5", caplog.text) == ["1", "2"]


@pytest.mark.parametrize("members", [0, -1, 101, 2.5])
def test_number_of_members_out_of_range_is_refused(members):
    with pytest.raises(ValidationError, match="members"):
        settings_of("ESM2_DPM", members=members)


def test_network_of_latents_has_no_members():
    training = settings_of(members=2).training.model_dump()
    with pytest.raises(ValidationError, match="members must be 1, since one network is explained on latents, got 2"):
        LatentNetworkParameters(sizes={}, training=training)
    assert LatentNetworkParameters(sizes={}, training=training | {"members": 1}).training.members == 1
