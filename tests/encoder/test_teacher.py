import json
import re
import resource
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import EsmForMaskedLM, EsmModel

from esm2_amp import precision as precisions
from esm2_amp.encoder.embedding import TOKENS_PER_BATCH
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.encoder.pretraining import Corpus, small_esm2_config
from esm2_amp.encoder.teacher import ComputedStates, load_teacher
from esm2_amp.errors import InputError
from esm2_amp.parameters.encoder_pretraining import DistillationParameters
from esm2_amp.protein import STANDARD_RESIDUES

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
SIZES = [3, 1500, 40, 1022, 1023, 7, 600, 600, 900, 2]
CORPUS = Corpus.from_sequences(["".join(RNG.choice(list(STANDARD_RESIDUES), size)) for size in SIZES])
OTHERS = Corpus.from_sequences(["MKV", "WWHC"])
STORED = DistillationParameters(states="stored", precision="float32")


def save_teacher(folder, seed=0, width=16):
    torch.manual_seed(seed)
    model = EsmForMaskedLM(small_esm2_config(layers=2, width=width, heads=2))
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, 1.0 if name.endswith("orm.weight") else 0.0, 0.3)
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def source(tmp_path):
    return save_teacher(tmp_path / "teacher")


def stored(source, folder, corpora=(CORPUS, OTHERS)):
    return load_teacher(source, corpora, folder, STORED, "cpu")


@torch.no_grad()
def test_computed_states_are_the_normalised_ones_of_transformers(source):
    places = [slice(5, 12), slice(2000, 2003)]
    states = ComputedStates(load_encoder(source), CPU, torch.float32)(CORPUS, places)
    model = EsmModel.from_pretrained(source).eval()
    tokens = torch.from_numpy(CORPUS.tokens.astype(np.int64))
    expected = torch.cat([model(tokens[place][None]).last_hidden_state[0] for place in places])
    expected = (expected - expected.mean(1, keepdim=True)) / (expected.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(states, expected, atol=1e-4, rtol=0)


def test_stored_states_are_those_of_whole_proteins(source, tmp_path):
    store = stored(source, tmp_path / "store")
    start, end = CORPUS.starts[6:8]
    whole = ComputedStates(load_encoder(source), CPU, torch.float32)(CORPUS, [slice(start, end)])
    found = store(CORPUS, [slice(start + 100, start + 130), slice(start, start + 2)])
    torch.testing.assert_close(found, torch.cat([whole[100:130], whole[:2]]), atol=2e-3, rtol=1e-3)
    assert store(OTHERS, [slice(0, 5)]).shape == (5, 16)
    assert store.fingerprint != ComputedStates(load_encoder(source), CPU, torch.float32).fingerprint


def test_long_proteins_are_stored_by_overlapping_windows(source, tmp_path):
    start, end = CORPUS.starts[1:3]
    found = stored(source, tmp_path / "store")(CORPUS, [slice(start, end)])
    packed = load_encoder(source).packed(CPU, torch.float32)
    protein = CORPUS.tokens[start:end]
    first = packed([np.r_[protein[:1023], protein[-1:]]])  # residues 1 … 1022, and 479 … 1500 in the last window
    last = packed([np.r_[protein[:1], protein[-1023:]]])
    expected = F.layer_norm(torch.stack([first[1], (first[900] + last[900 - 478]) / 2, last[-1]]), (16,))
    torch.testing.assert_close(found[[1, 900, -1]], expected, atol=2e-3, rtol=1e-3)


def test_a_killed_store_goes_on_to_the_same_bytes(source, tmp_path, monkeypatch):
    stored(source, tmp_path / "whole")
    file = next((tmp_path / "whole").glob(f"{CORPUS.fingerprint[:16]}*"))
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    with (tmp_path / "cut" / file.name).open("rb+") as opened:
        opened.truncate(file.stat().st_size // 2 + 1)  # within a row of a batch
    read = []
    monkeypatch.setattr(ComputedStates, "of_proteins", counting(ComputedStates.of_proteins, read))
    stored(source, tmp_path / "cut")
    assert (tmp_path / "cut" / file.name).read_bytes() == file.read_bytes()
    assert 0 < sum(read) < len(CORPUS.tokens)
    read.clear()
    stored(source, tmp_path / "cut")
    assert not read


@pytest.mark.parametrize("ending", ["float16", "crc32"])
def test_altered_states_are_told_and_computed_anew(source, tmp_path, monkeypatch, caplog, ending):
    monkeypatch.setitem(TOKENS_PER_BATCH, "cpu", 1500)
    stored(source, tmp_path / "store")
    before = {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()}
    name = f"{CORPUS.fingerprint[:16]}.{ending}"
    read = []
    monkeypatch.setattr(ComputedStates, "of_proteins", counting(ComputedStates.of_proteins, read))
    for at in {0, 1, 2, *range(0, len(before[name]), max(1, len(before[name]) // 25))}:
        altered = before[name][:at] + bytes([before[name][at] ^ (1 << at % 8)]) + before[name][at + 1 :]
        (tmp_path / "store" / name).write_bytes(altered)
        read.clear()
        caplog.clear()
        stored(source, tmp_path / "store")
        found = {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()}
        assert found == before, at
        assert read, at
        if ending == "float16":
            assert sum(read) <= 1502
            assert re.search(r"\.float16 was altered: the states of \d proteins? are computed anew", caplog.text)


@pytest.mark.parametrize("ending", ["float16", "crc32"])
def test_states_cut_short_are_computed_anew(source, tmp_path, ending):
    stored(source, tmp_path / "store")
    before = {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()}
    file = tmp_path / "store" / f"{CORPUS.fingerprint[:16]}.{ending}"
    for content in (b"", before[file.name][: len(before[file.name]) // 2], before[file.name][:-1]):
        file.write_bytes(content)
        stored(source, tmp_path / "store")
        assert {one.name: one.read_bytes() for one in (tmp_path / "store").iterdir()} == before


def counting(method, read):
    def counted(self, proteins):
        read.append(sum(map(len, proteins)))
        return method(self, proteins)

    return counted


def test_a_store_of_another_teacher_is_refused(source, tmp_path):
    stored(source, tmp_path / "store")
    before = {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()}
    other = save_teacher(tmp_path / "other", seed=1)
    with pytest.raises(InputError, match=rf"must hold states of the teacher {re.escape(other)} .* but holds those of "):
        stored(other, tmp_path / "store")
    assert {file.name: file.read_bytes() for file in (tmp_path / "store").iterdir()} == before


def test_a_full_disk_is_told_with_the_need_before_any_work(source, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    monkeypatch.setattr(ComputedStates, "of_proteins", None)
    corpus = Corpus.from_sequences(["A" * 9_999_998] * 5)  # 50 million tokens · 16 · 2 bytes
    with pytest.raises(InputError, match=r"needs 1\.6 GB for states of the teacher, but its disk has 0\.0 GB free"):
        stored(source, tmp_path / "store", [corpus])
    assert not list((tmp_path / "store").iterdir())


@contextmanager
def largest_file(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_keeps_what_was_stored(source, tmp_path):
    with (
        largest_file(100_000),
        pytest.raises(InputError, match=r"could not be stored in .*: File too large; free some space"),
    ):
        stored(source, tmp_path / "store")
    stored(source, tmp_path / "store")
    stored(source, tmp_path / "whole")
    for file in (tmp_path / "whole").glob("*.float16"):
        assert (tmp_path / "store" / file.name).read_bytes() == file.read_bytes()


def test_states_that_are_no_numbers_are_an_error(source):
    encoder = load_encoder(source)
    encoder.weights.tensors["encoder.emb_layer_norm_after.weight"][3] = 3e38
    with pytest.raises(InputError, match=r"teacher .* must be finite numbers, but .* aren't"):
        ComputedStates(encoder, CPU, torch.float32)(OTHERS, [slice(0, 5)])


def test_a_teacher_of_another_vocabulary_is_an_error(source, tmp_path):
    folder = tmp_path / "teacher"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 30}))
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    save_file(weights | {name: weights[name][:30].clone()}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="must have ESM-2's vocabulary of 33 tokens, got 30"):
        load_teacher(source, [OTHERS], tmp_path / "store", DistillationParameters(), "cpu")


@pytest.mark.parametrize(
    ("precision", "is_fast", "dtype"),
    [
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
        ("float32", True, "float32"),
        ("bfloat16", False, "bfloat16"),
    ],
)
def test_precision_is_asked_of_the_machine(source, tmp_path, monkeypatch, precision, is_fast, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": is_fast})
    precisions.has_bfloat16.cache_clear()
    assert precisions.has_bfloat16("cpu") == is_fast
    teacher = load_teacher(source, [OTHERS], tmp_path / "store", DistillationParameters(precision=precision), "cpu")
    assert teacher.fingerprint.endswith(f"in torch.{dtype}")
