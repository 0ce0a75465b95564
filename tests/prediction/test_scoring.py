"""Predictions of checked pairs: the rows that pairs in memory have, whatever happens to the process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import fill_disk_after
from esm2_amp.errors import InputError
from esm2_amp.io.predictions import PredictionsDataset
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.dpm import ESM2DPM
from esm2_amp.models.ensemble import joined
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.prediction.checking import PairRows, match_proteins
from esm2_amp.prediction.scoring import Decision, Predictions, score_parts
from esm2_amp.prediction.store import ScoreStore
from esm2_amp.screening import rows as screening_rows
from esm2_amp.screening.rows import RowScorer
from esm2_amp.statistics.metrics import sigmoid

ENTRIES = [f"P{number}" for number in range(30)]
NAMES = [*(f"sp|P{number}|X" for number in range(28)), "P28", "X1", "X2"]
N_PAIRS, PART = 2500, 300


class Listed:
    """Random pairs of `NAMES` as checked ones; two in fifteen lack a protein."""

    file, names, report = "pairs.csv", NAMES, {"kept": N_PAIRS}

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.a, self.b = rng.integers(len(NAMES), size=(2, N_PAIRS)).astype(np.int32)
        self.label = rng.integers(-1, 2, size=N_PAIRS).astype(np.int8)

    def parts(self) -> Iterator[PairRows]:
        yield from PairRows(self.a, self.b, self.label).cut(1100)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(screening_rows, "_PART_ROWS", (PART, PART))


def network_of(seed: int = 0) -> ESM2DPM:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return ESM2DPM(8, 16, 9, 5).eval()


def vectors() -> torch.Tensor:
    return torch.randn(len(ENTRIES), 1, 8, generator=torch.Generator().manual_seed(1))


def scored(
    folder: Path, pairs: Listed | None = None, network: PairNetwork | None = None, temperature=2.0, cluster=None
) -> Predictions:
    pairs = pairs or Listed()
    proteins, _ = match_proteins(pairs, ENTRIES)
    used, rows = proteins.rows_among(ENTRIES)
    scorer = RowScorer(network or network_of(), vectors()[used], torch.device("cpu"))
    return score_parts(pairs, proteins, rows, scorer, folder, Decision(0.6, temperature), cluster=cluster)


def expected_of(pairs: Listed) -> pd.DataFrame:
    """What each pair must have, by the network alone."""
    entry = np.array([*range(29), -1, -1])
    a, b = entry[pairs.a], entry[pairs.b]
    known = (a >= 0) & (b >= 0)
    of_network = Pairs(vectors(), *(torch.from_numpy(side[known]) for side in (a, b)))
    logit = np.full(N_PAIRS, np.nan)
    logit[known] = score_pairs(network_of(), of_network, batch_size=64, device=torch.device("cpu"))
    why = [
        ", ".join(dict.fromkeys(NAMES[i] for i in row if entry[i] < 0)) for row in zip(pairs.a, pairs.b, strict=True)
    ]
    return pd.DataFrame({
        "Protein1": np.array(NAMES)[pairs.a], "Protein2": np.array(NAMES)[pairs.b],
        "Label": pd.arrays.IntegerArray(pairs.label, pairs.label < 0),
        "Probability": sigmoid(logit), "CalibratedProbability": sigmoid(logit / 2),
        "Prediction": pd.array(np.where(known, sigmoid(logit) >= 0.6, None), dtype="Int8"),
        "Status": [f"not scored: no sequence or features for {names}" if names else "scored" for names in why],
    })  # fmt: skip


def test_each_pair_has_its_row_in_order(tmp_path):
    predictions, expected = scored(tmp_path), expected_of(Listed())
    found = pd.concat(predictions, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=0, atol=1e-6)
    assert found["Prediction"].equals(expected["Prediction"])
    assert predictions.scored == (expected["Status"] == "scored").sum() < len(predictions) == N_PAIRS
    assert 0 < found["Prediction"].mean() < 1


def test_a_model_without_a_temperature_has_no_calibrated_probability(tmp_path):
    assert "CalibratedProbability" not in next(iter(scored(tmp_path, temperature=None)))


def test_spread_of_an_ensemble_and_unlikeness_stand_beside_the_scores(tmp_path):
    pairs, members = Listed(), [network_of(seed) for seed in range(3)]
    proteins, _ = match_proteins(pairs, ENTRIES)
    used, rows = proteins.rows_among(ENTRIES)
    unlikeness = np.arange(len(used), dtype=np.float32)
    scorer = RowScorer(joined(members), vectors()[used], torch.device("cpu"))
    predictions = score_parts(pairs, proteins, rows, scorer, tmp_path, Decision(0.5, None), unlikeness)
    found = pd.concat(predictions, ignore_index=True)
    entry = np.array([*range(29), -1, -1])
    a, b = entry[pairs.a], entry[pairs.b]
    known = (a >= 0) & (b >= 0)
    of_network = Pairs(vectors(), *(torch.from_numpy(side[known]) for side in (a, b)))
    by_each = np.stack([score_pairs(one, of_network, batch_size=64, device=torch.device("cpu")) for one in members])
    scored_rows = found[known]
    np.testing.assert_allclose(scored_rows["Probability"], sigmoid(by_each.mean(axis=0)), atol=1e-5)
    np.testing.assert_allclose(scored_rows["Spread"], by_each.std(axis=0), atol=1e-5)
    np.testing.assert_array_equal(scored_rows["Unlikeness"], np.maximum(a, b)[known])
    assert found.loc[~known, ["Probability", "Spread", "Unlikeness"]].isna().all(axis=None)


class StopError(Exception):
    """What an interrupted prediction ends with."""


def test_what_an_earlier_run_scored_is_not_scored_again(tmp_path, monkeypatch, caplog):
    whole = pd.concat(scored(tmp_path / "whole"))
    score, calls = RowScorer.scores, []

    def counting(scorer, a, b, count):
        if len(calls) == 4:
            raise StopError
        calls.append(len(a))
        return score(scorer, a, b, count)

    monkeypatch.setattr(RowScorer, "scores", counting)
    with pytest.raises(StopError):
        scored(tmp_path / "stopped")
    done = sum(calls)
    calls.clear()
    monkeypatch.setattr(RowScorer, "scores", lambda *args: calls.append(len(args[1])) or score(*args))
    with caplog.at_level("INFO"):
        after = scored(tmp_path / "stopped")
    assert f"{done:,} of {after.scored:,} pairs were scored by an earlier run" in caplog.text
    assert sum(calls) == after.scored - done
    pd.testing.assert_frame_equal(pd.concat(after), whole)
    calls.clear()
    scored(tmp_path / "stopped")
    assert not calls


def predict_alone(folder: Path) -> None:
    """Predict in a process of its own, slowly enough to be killed."""
    screening_rows._PART_ROWS = (30, 30)
    PredictionsDataset(filepath=str(folder / "out" / "predicted.csv.gz")).save(scored(folder / "state"))


def test_a_prediction_killed_ten_times_ends_with_the_same_bytes(tmp_path, killed):
    for name in ("whole", "killed"):
        (tmp_path / name / "state").mkdir(parents=True)
    predict_alone(tmp_path / "whole")
    folder = tmp_path / "killed"
    delays = np.random.default_rng(0).uniform(0, 0.1, 10)
    assert killed(predict_alone, folder, watch=folder / "state", delays=delays) >= 5
    for file in ("out/predicted.csv.gz", *(f"state/{part.name}" for part in (folder / "state").iterdir())):
        assert (folder / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert [file.name for file in (folder / "out").iterdir()] == ["predicted.csv.gz"]


@pytest.mark.parametrize("change", ["weights", "pairs"])
def test_scores_of_another_prediction_are_not_taken(change, tmp_path, caplog):
    scored(tmp_path / "state", Listed(seed=1))
    other = {"weights": {"network": network_of(1)}, "pairs": {"pairs": Listed(2)}}[change]
    other = {"pairs": Listed(1), **other}
    with caplog.at_level("INFO"):
        found = scored(tmp_path / "state", **other)
    assert "by an earlier run" not in caplog.text
    pd.testing.assert_frame_equal(pd.concat(found), pd.concat(scored(tmp_path / "fresh", **other)))


def test_scores_beyond_the_pairs_are_deleted(tmp_path):
    scored(tmp_path)
    (tmp_path / "part-000077.npz").write_bytes(b"")
    scored(tmp_path)
    assert len(list(tmp_path.iterdir())) == sum(-(-rows // PART) for rows in (1100, 1100, 300))


@pytest.mark.parametrize("damage", [lambda data: data[:300], lambda data: data[:-400] + b"\0" * 4 + data[-396:]])
def test_damaged_scores_are_told_and_made_again(damage, tmp_path, caplog):
    whole = pd.concat(scored(tmp_path))
    file = tmp_path / "part-000002.npz"
    data = file.read_bytes()
    file.write_bytes(damage(data))
    assert file.read_bytes() != data
    pd.testing.assert_frame_equal(pd.concat(scored(tmp_path)), whole)
    assert "part-000002.npz can't be read" in caplog.text and "its pairs are scored again" in caplog.text
    assert file.read_bytes() == data


def test_no_changed_bit_reaches_a_score(tmp_path):
    a, members, noticed = np.arange(5), np.arange(10, dtype=np.float32).reshape(5, 2), 0
    store = ScoreStore(tmp_path, "of a network")
    store.save(0, a, a, members)
    file = tmp_path / "part-000000.npz"
    content = file.read_bytes()
    for at in range(len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        found = store.load(0, a, a)
        noticed += found is None
        assert found is None or np.array_equal(found, members)
    assert noticed > len(content) / 2


def test_scores_that_vanish_before_they_are_written_are_told(tmp_path):
    predictions = scored(tmp_path)
    (tmp_path / "part-000002.npz").unlink()
    with pytest.raises(InputError, match="Scores that this run had written are gone; run the same command again"):
        list(predictions)


def test_a_full_disk_is_foreseen(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 10))
    with pytest.raises(InputError, match=r"scores of 2,\d+ pairs need about 0 MB below .*, where 0 MB are free; free"):
        scored(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_in_a_part_leaves_what_was_scored_before(tmp_path, monkeypatch):
    fill_disk_after(3, monkeypatch)
    with pytest.raises(InputError, match=r"could not be written: No space left .* what was finished before is kept"):
        scored(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"part-{number:06}.npz" for number in range(3)]
