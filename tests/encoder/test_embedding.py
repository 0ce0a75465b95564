from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from transformers import EsmModel

from esm2_amp.devices import resolve_device
from esm2_amp.encoder.embedding import embed, embed_tokens, embedding_work, visit_states
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.encoder.pooling import pool
from esm2_amp.encoder.tokens import MASK, encode
from esm2_amp.errors import InputError
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.protein import TOKENS

GOLDEN = Path(__file__).parents[1] / "data/golden"
CPU = torch.device("cpu")


def options(**changed) -> EmbeddingParameters:
    given = {"precision": "float32", "tokens_per_batch": 500, "whole_up_to": 1022, "window": 200, "overlap": 50}
    return EmbeddingParameters(**given | changed)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(str(GOLDEN / "esm2_tiny"))


@pytest.fixture(scope="module")
def sequences() -> list[str]:
    return pd.read_csv(GOLDEN / "proteins.csv")["Sequence"].tolist()


def test_features_equal_those_of_the_published_extractor(encoder, sequences):
    with np.load(GOLDEN / "features.npz") as golden:
        order = [list(golden["token"]).index(token) for token in TOKENS]
        expected = golden["feature"][:, order]
    features = embed(encoder, sequences, options(), CPU)
    assert features.dtype == torch.float32
    np.testing.assert_allclose(features.numpy(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tokens_per_batch", [1, 150, 10_000])
def test_features_do_not_depend_on_the_batches(encoder, sequences, tokens_per_batch):
    shuffled = [sequences[p] for p in np.random.default_rng(0).permutation(len(sequences))]
    alone = torch.cat([embed(encoder, [sequence], options(), CPU) for sequence in shuffled])
    together = embed(encoder, shuffled, options(tokens_per_batch=tokens_per_batch), CPU)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@torch.no_grad()
def brute_force_windows(model: EsmModel, sequence: str, starts: list[int], window: int) -> torch.Tensor:
    residues, every_cls = [[] for _ in sequence], []
    for start in starts:
        tokens = torch.from_numpy(encode(sequence[start : start + window])).long()
        states = model(tokens[None]).last_hidden_state[0]
        every_cls.append(states[0])
        for place, state in enumerate(states[1:-1]):
            residues[start + place].append(state)
    means = [torch.stack(states).mean(0) for states in residues]
    return torch.stack([every_cls[0], *means, states[-1]])


@pytest.mark.parametrize("tokens_per_batch", [10, 60, 1000])
def test_long_proteins_go_through_in_overlapping_windows(encoder, sequences, tokens_per_batch):
    model = EsmModel.from_pretrained(GOLDEN / "esm2_tiny", add_pooling_layer=False).eval()
    short, long = sequences[10], sequences[14][:100]
    windows = options(whole_up_to=99, window=40, overlap=10, tokens_per_batch=tokens_per_batch)
    features = embed(encoder, [short, long, short], windows, CPU)
    expected = pool(brute_force_windows(model, long, [0, 30, 60], 40), [100])
    torch.testing.assert_close(features[1:2], expected, atol=1e-5, rtol=0)
    assert (features[1:2] - embed(encoder, [long], options(), CPU)).abs().max() > 1e-2
    torch.testing.assert_close(features[[0, 2]], embed(encoder, [short, short], options(), CPU), atol=1e-5, rtol=0)


@pytest.mark.parametrize("tokens_per_batch", [60, 10_000])
def test_states_are_those_of_which_the_features_are_the_means(encoder, sequences, tokens_per_batch):
    given = options(whole_up_to=99, window=40, overlap=10, tokens_per_batch=tokens_per_batch)
    found = {}
    visit_states(encoder, sequences, given, CPU, lambda protein, states: found.update({protein: states.clone()}))
    assert {len(sequence) > 99 for sequence in sequences} == {True, False}  # whole ones and some in windows
    assert [len(found[protein]) - 2 for protein in range(len(sequences))] == list(map(len, sequences))
    pooled = torch.cat([pool(found[protein], [len(sequence)]) for protein, sequence in enumerate(sequences)])
    torch.testing.assert_close(pooled, embed(encoder, sequences, given, CPU), atol=1e-5, rtol=0)


@torch.no_grad()
def test_masked_residues_are_embedded_as_by_transformers(encoder, sequences):
    model = EsmModel.from_pretrained(GOLDEN / "esm2_tiny", add_pooling_layer=False).eval()
    masked = [encode(sequence) for sequence in sequences[8:12]]
    for number, tokens in enumerate(masked[:3]):
        tokens[2 : 4 + 3 * number] = MASK
    found = embed_tokens(encoder, masked, options(), CPU)
    for tokens, features in zip(masked, found, strict=True):
        states = model(torch.from_numpy(tokens).long()[None]).last_hidden_state[0]
        torch.testing.assert_close(features, pool(states, [len(tokens) - 2])[0], atol=1e-5, rtol=0)
    assert (found[0] - embed(encoder, [sequences[8]], options(), CPU)[0]).abs().max() > 1e-2


def test_windows_begin_only_above_the_length_taken_whole():
    assert options().window_starts(1022) == [0]
    assert options().window_starts(1023) == [0, 150, 300, 450, 600, 750, 823]


def test_bfloat16_gives_float32_features_near_those_of_float32(encoder, sequences):
    features = embed(encoder, sequences, options(precision="bfloat16"), CPU)
    expected = embed(encoder, sequences, options(), CPU)
    assert features.dtype == torch.float32
    assert 1e-5 < (features - expected).abs().max() < 0.3


def test_each_batch_is_reported_in_residues(encoder, sequences):
    reported = []
    embed(encoder, sequences, options(), CPU, lambda *batch: reported.append(batch))
    residues, work = zip(*reported, strict=True)
    assert len(reported) > 1
    assert sum(residues) == sum(map(len, sequences))
    assert sum(work) == pytest.approx(embedding_work(map(len, sequences), encoder.width, options()))


def test_work_is_that_of_the_matrix_products_of_a_layer():
    width, tokens = 32, 702
    products = 4 * width**2 + 2 * 4 * width**2  # the maps of attention and of the feed-forward part
    attention = 2 * tokens * width  # scores, and sums of values
    expected = tokens * (products + attention) / products
    assert embedding_work([700], width, options()) == pytest.approx(expected)
    in_windows = 7 * embedding_work([200], width, options())  # those of window_starts(1023)
    assert embedding_work([1023], width, options()) == pytest.approx(in_windows)
    assert embedding_work([700, 1023], width, options()) == pytest.approx(expected + in_windows)


def test_no_proteins_make_an_empty_table(encoder):
    assert embed(encoder, [], options(), CPU).shape == (0, 13, 32)


def test_threads_of_pytorch_are_left_as_they_were(encoder, sequences):
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        embed(encoder, sequences, options(), CPU)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("sequence", "got"), [("", "is empty"), ("MKJ*", r"holds \['\*', 'J'\]")])
def test_what_is_no_sequence_is_refused(encoder, sequence, got):
    with pytest.raises(InputError, match=f"sequence 2 {got}"):
        embed(encoder, ["MK", sequence], options(), CPU)


@pytest.mark.parametrize(
    "changed", [{"overlap": 200}, {"window": 2000}, {"precision": "float64"}, {"tokens_per_batch": 0}, {"overlap": -1}]
)
def test_options_that_cannot_work_are_refused(changed):
    with pytest.raises(ValidationError, match=next(iter(changed))):
        options(**changed)


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError, match="token_per_batch"):
        options(token_per_batch=100)


def test_auto_takes_cuda_then_mps_then_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto").type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"


def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"\(auto, cpu\), got 'cuda'"):
        resolve_device("cuda")
