"""Folders of checkpoints after kills, damage and full disks."""

import errno
import io
import json
import logging
import random
import shutil

import pytest
import torch

from esm2_amp.errors import InputError
from esm2_amp.training.callbacks import AtomicCheckpointIO
from esm2_amp.training.resume import checkpoint_to_resume, mark_finished

CHECKPOINT = {"state_dict": {"weight": torch.arange(1000.0)}, "epoch": 3}


def interrupted(folder):
    """A folder of a fit that was killed after an epoch."""
    assert checkpoint_to_resume(folder, "fit", "model") is None
    for name in ("last", "epoch003"):
        AtomicCheckpointIO().save_checkpoint(CHECKPOINT, folder / f"{name}.ckpt")
    return folder


def test_an_interrupted_fit_goes_on(tmp_path):
    assert checkpoint_to_resume(interrupted(tmp_path / "fit"), "fit", "model") == tmp_path / "fit/last.ckpt"


@pytest.mark.parametrize("name", ["last", "epoch003"])
@pytest.mark.parametrize("damage", ["nothing", "half", "last byte", "bit"])
def test_a_fit_with_a_damaged_checkpoint_begins_anew(tmp_path, caplog, name, damage):
    file = interrupted(tmp_path / "fit") / f"{name}.ckpt"
    content = bytearray(file.read_bytes())
    content[content.index(torch.arange(500.0, 510.0).numpy().tobytes())] ^= 1
    whole = file.read_bytes()
    cut = {"nothing": b"", "half": whole[: len(whole) // 2], "last byte": whole[:-1], "bit": bytes(content)}
    file.write_bytes(cut[damage])
    with caplog.at_level(logging.WARNING):
        assert checkpoint_to_resume(tmp_path / "fit", "fit", "model") is None
    assert f"{file} is damaged, so that the interrupted fit begins anew" in caplog.text
    assert [left.name for left in (tmp_path / "fit").iterdir()] == ["fit.json"]


def test_no_changed_bit_is_resumed_from(tmp_path):
    folder = interrupted(tmp_path / "fit")
    file = folder / "last.ckpt"
    torch.save({**CHECKPOINT, "state_dict": {"weight": torch.ones(3)}}, file)
    content, draw, damaged = file.read_bytes(), random.Random(0), 0
    shutil.copytree(folder, tmp_path / "whole")
    places = draw.sample(range(len(content)), 150)
    for at in places:
        file.write_bytes(content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :])
        if checkpoint_to_resume(folder, "fit", "model") is None:
            damaged += 1
            shutil.copytree(tmp_path / "whole", folder, dirs_exist_ok=True)
        else:
            found = torch.load(file, weights_only=True)
            assert (found["epoch"], found["state_dict"]["weight"].tolist()) == (3, [1, 1, 1])
    assert damaged > len(places) / 3


@pytest.mark.parametrize("mark", [b"", b'{"finger', b"[]", b"\xff\xfe"])
def test_a_fit_with_a_damaged_mark_begins_anew(tmp_path, mark):
    (interrupted(tmp_path / "fit") / "fit.json").write_bytes(mark)
    assert checkpoint_to_resume(tmp_path / "fit", "fit", "model") is None
    assert json.loads((tmp_path / "fit/fit.json").read_text())["finished"] is False


def test_a_finished_fit_begins_anew(tmp_path):
    mark_finished(interrupted(tmp_path / "fit"))
    assert checkpoint_to_resume(tmp_path / "fit", "fit", "model") is None


def test_a_full_disk_is_told_where_a_checkpoint_is_written(tmp_path, monkeypatch):
    file = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CHECKPOINT, file)
    before = file.read_bytes()

    monkeypatch.setattr(type(tmp_path), "open", lambda *_: FullFile())
    with pytest.raises(InputError, match=r"last\.ckpt could not be written: No space left on device; free some space"):
        AtomicCheckpointIO().save_checkpoint(CHECKPOINT, file)
    monkeypatch.undo()
    assert [left.name for left in tmp_path.iterdir()] == ["last.ckpt"]
    assert file.read_bytes() == before


class FullFile(io.BytesIO):
    """A file on a disk with no room left."""

    def write(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")
