"""Checksums of tensors on disk."""

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from esm2_amp.checked_tensors import check_file, checked_content, load_checked

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.zeros(2, dtype=torch.float16)}


def test_a_file_is_one_of_safetensors(tmp_path):
    file = tmp_path / "x.safetensors"
    file.write_bytes(checked_content(TENSORS, {"index": "{}"}))
    for found in (load_file(file), load_checked(file)):
        assert found.keys() == TENSORS.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    with safe_open(file, framework="pt") as stored:
        assert stored.metadata()["index"] == "{}"


def test_no_changed_bit_reaches_a_tensor(tmp_path):
    content, noticed = checked_content(TENSORS, {"index": "[12]"}), 0
    for at in range(len(content)):
        for bit in range(8):
            file = tmp_path / f"{at}-{bit}.safetensors"
            file.write_bytes(content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :])
            try:
                found = load_checked(file)
            except SafetensorError:
                noticed += 1
            else:
                assert found.keys() == TENSORS.keys()
                assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
            file.unlink()
    assert noticed > 0.9 * 8 * len(content)


def test_the_same_tensors_give_the_same_bytes():
    assert checked_content(TENSORS) == checked_content(dict(reversed(TENSORS.items())))


def test_a_file_without_a_checksum_passes(tmp_path):
    save_file(TENSORS, tmp_path / "x.safetensors")
    check_file(tmp_path / "x.safetensors")
