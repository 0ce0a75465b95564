"""Networks on disk: our folders, and the published `.pth` files."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from esm2_amp.checked_tensors import checked_content, load_checked
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.files import replacing
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.ensemble import joined, members_of
from esm2_amp.models.published import load_published
from esm2_amp.models.registry import MODELS, network_class
from esm2_amp.models.unlikeness import TrainingVectors, has_mean_vectors, mean_vectors
from esm2_amp.pairs import Pairs

logger = logging.getLogger(__name__)

WEIGHTS = "model.safetensors"
MEMBER_WEIGHTS = "member_{}.safetensors"
"""Of a member of an ensemble, counted from 1."""

MEMBERS = "members"
"""Their number, beside the sizes of a network in config.json."""

FEATURES = "features"
"""In the head of a member's file: the fingerprint of the encoder that the member's features came from."""

TRAINING_PROTEINS = "training_proteins.txt"
AVERAGE_PROTEIN = "average_protein.safetensors"
TRAINING_VECTORS = "training_vectors.safetensors"
_AVERAGE = "vectors"
_CONFIG = "config.json"
_SHA256 = "weights_sha256"
_OTHERS_SHA256 = "other_files_sha256"
"""In the card: the hashes of `config.json` and `training_proteins.txt`, which hold no checksums of their own."""

_SHOWN = 12
"""Digits of a fingerprint, enough to tell two apart."""

SEQUENCE_DIGITS = 16
"""Of the SHA-256 of a sequence in hexadecimal, as many as tell a billion sequences apart."""

_TRAINING_PROTEIN = re.compile(rb"[0-9a-f]{%d}\r?\n" % SEQUENCE_DIGITS)


class TrainedModel(NamedTuple):
    """A network ready to score, and what is known of its making.

    Attributes
    ----------
    architecture : str
        Its name in the registry.
    network : PairNetwork
        The network, in eval mode.
    card : dict
        Data, split, parameters and metrics of its training; empty for a published checkpoint.
    training_proteins : frozenset of str
        The first `SEQUENCE_DIGITS` digits of the SHA-256 of the sequences in its training pairs; empty where they are
        unknown, as for a published checkpoint.
    average_protein : Tensor, shape (T / 2, D), float32, optional
        The mean vectors of the proteins in its training pairs, where explanations start from; None where unknown.
    training_vectors : TrainingVectors, optional
        The proteins in its training pairs, by which it is told how unlike them others are; None where unknown.
    """

    architecture: str
    network: PairNetwork
    card: dict[str, Any]
    training_proteins: frozenset[str] = frozenset()
    average_protein: Tensor | None = None
    training_vectors: TrainingVectors | None = None

    @property
    def weights(self) -> int:
        """Number of its weights, those of all members of an ensemble."""
        return sum(weight.numel() for weight in self.network.parameters())

    def pairs(self, features: ProteinFeatures, pairs: pd.DataFrame) -> Pairs:
        """Pairs as the network reads them.

        Raises
        ------
        InputError
            The features are of another width or encoder than those the model was trained on, or a pair names a protein
            without features.
        """
        self.check_features(features)
        return Pairs.of(features, pairs, self.network.protein_tokens)

    @property
    def validation_prevalence(self) -> float | None:
        """Share of its validation pairs that interact, on which its temperature was fitted; None where unknown."""
        validation = self.card.get("split", {}).get("validation", {})
        pairs, positives = validation.get("pairs"), validation.get("positives")
        return positives / pairs if pairs and positives and positives < pairs else None

    def seen(self, features: ProteinFeatures, pairs: pd.DataFrame) -> pd.Series:
        """How many proteins of each pair the model was trained on, by their sequences (Park and Marcotte 2012).

        Parameters
        ----------
        features : ProteinFeatures
            Of these proteins.
        pairs : DataFrame
            `Protein1`, `Protein2`.

        Returns
        -------
        seen : Series of str
            "C1" both, "C2" one, "C3" none; "unknown" for a model whose folder doesn't hold its training proteins.
        """
        if not self.training_proteins:
            return pd.Series("unknown", index=pairs.index)
        trained = features.index.set_index("Entry")["key"].str[:SEQUENCE_DIGITS].isin(self.training_proteins)
        count = pairs["Protein1"].map(trained).astype(int) + pairs["Protein2"].map(trained).astype(int)
        return count.map({0: "C3", 1: "C2", 2: "C1"})

    def unlikeness(self, features: ProteinFeatures, report: Callable[[int], None] = lambda _: None) -> pd.Series | None:
        """How unlike the proteins of its training each protein is, in percent (METHOD section 12).

        Parameters
        ----------
        features : ProteinFeatures
            Of P proteins.
        report : callable
            Called with the number of proteins done, part by part.

        Returns
        -------
        unlikeness : Series of float32, P rows by `Entry`, or None
            Of `TrainingVectors.unlikeness`; None where the model's folder doesn't hold the training proteins' vectors,
            or the features come without mean vectors.
        """
        if self.training_vectors is None or not has_mean_vectors(features):
            return None
        self.check_features(features)
        return pd.Series(self.training_vectors.unlikeness(mean_vectors(features), report), index=features.entries)

    def check_features(self, features: ProteinFeatures) -> None:
        """Raise InputError when the model can't read the features, or was trained on another encoder's."""
        width = self.network.sizes["width"]
        if features.width != width:
            raise InputError(
                f"The model {self.architecture} reads vectors of width {width}, but the features have width "
                f"{features.width} (encoder {features.provenance['encoder']}); give the encoder the model was trained "
                "with (--params=encoder=...), or another model or checkpoint"
            )
        trained_on = self.card.get("features", {})
        imported = "imported" in (trained_on.get("encoder"), features.provenance["encoder"])
        if trained_on and not imported and trained_on["fingerprint"] != features.provenance["fingerprint"]:
            raise InputError(
                f"The model {self.architecture} was trained on features of the encoder {trained_on['encoder']}, but "
                f"these come from other weights ({features.provenance['encoder']}); "
                f"give --params=encoder={trained_on['encoder']}"
            )
        _compare_precisions(self.architecture, trained_on, features.provenance)


def _compare_precisions(architecture: str, trained_on: dict[str, Any], given: dict[str, Any]) -> None:
    """Warn where vectors were computed in another precision than those that a model was trained on."""
    before, now = (about.get("options", {}).get("precision") for about in (trained_on, given))
    if before and now and before != now:
        logger.warning(
            "The model %s was trained on features computed in %s, these were computed in %s: its scores differ by "
            "rounding; feature_extraction.embedding.precision=%s computes them as in training",
            architecture, before, now, before,
        )  # fmt: skip


def summary_of(model: TrainedModel) -> dict[str, Any]:
    """What a reader of a model's scores must know of it.

    Parameters
    ----------
    model : TrainedModel
        Its card holds the metrics on its test pairs, or else the AUROC on its validation pairs, or none.

    Returns
    -------
    summary : dict
        `model`, its name; `architecture`; `trained_on`; `metrics` by name, each a list of its value and perhaps its
        95 % interval; `measured_on`, the pairs that they were measured on.
    """
    card = model.card
    evaluation = card.get("evaluation", {})
    metrics, pairs = evaluation.get("metrics", {}).get(model.architecture, {}), "test pairs"
    validation = card.get("selected_epoch", {}).get("validation_auroc")
    if not metrics and validation is not None:
        metrics, pairs = {"auroc": [validation]}, "validation pairs"
    return {
        "model": card.get("name", model.architecture),
        "architecture": model.architecture,
        "trained_on": card.get("data", "data that its card doesn't name"),
        "metrics": metrics,
        "measured_on": f"{evaluation['pairs']:,} {pairs}" if "pairs" in evaluation else pairs,
    }


def caution_on_data(name: str, trained_on: str) -> str:
    """What to know of a model by what it was trained on: a sentence where that was synthetic, else an empty text.

    Parameters
    ----------
    name, trained_on : str
        What the model and its training data are called, as in `summary_of`.
    """
    if "synthetic" not in trained_on.lower():
        return ""
    return f"{name} was trained on {trained_on}: its scores say nothing about real proteins"


def save_model(model: TrainedModel, folder: Path) -> None:
    """Write the network, what is known of its training proteins, and `card.json` with the hashes of files.

    An ensemble has a file of weights for each member. A folder already there is replaced in one step.
    """
    members = members_of(model.network)
    with replacing(folder) as part:
        if len(members) == 1:
            model.network.save_pretrained(part, config={"architecture": model.architecture, **model.network.sizes})
            (part / "README.md").unlink(missing_ok=True)
            weights: str | dict[str, str] = _sha256(part / WEIGHTS)
        else:
            weights = _save_members(model, members, part)
        if model.training_proteins:
            (part / TRAINING_PROTEINS).write_text("\n".join(sorted(model.training_proteins)) + "\n", encoding="utf-8")
        others = {name: _sha256(part / name) for name in (_CONFIG, TRAINING_PROTEINS) if (part / name).exists()}
        card = {**model.card, _SHA256: weights, _OTHERS_SHA256: others}
        (part / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        if model.average_protein is not None:
            average = checked_content({_AVERAGE: model.average_protein.contiguous()})
            (part / AVERAGE_PROTEIN).write_bytes(average)
        if model.training_vectors is not None:
            tensors = {name: tensor.contiguous() for name, tensor in model.training_vectors._asdict().items()}
            (part / TRAINING_VECTORS).write_bytes(checked_content(tensors))


def _save_members(model: TrainedModel, members: Sequence[PairNetwork], folder: Path) -> dict[str, str]:
    """Write config.json and the weights of each member; gives the hash of each file by its name."""
    config = {"architecture": model.architecture, MEMBERS: len(members), **model.network.sizes}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    head = {"format": "pt", FEATURES: model.card.get("features", {}).get("fingerprint", "")}
    files = [folder / MEMBER_WEIGHTS.format(number) for number in range(1, len(members) + 1)]
    for member, file in zip(members, files, strict=True):
        save_file({name: tensor.cpu().clone() for name, tensor in member.state_dict().items()}, file, head)
    return {file.name: _sha256(file) for file in files}


def load_model(path: Path, architecture: str | None = None) -> TrainedModel:
    """A model from our folder or from a published `.pth` file.

    Parameters
    ----------
    path : Path
        A folder written by `save_model`, or a file.
    architecture : str, optional
        Its name in the registry. A file doesn't carry it, so that it must be given there; a folder's must agree.

    Raises
    ------
    InputError
        When nothing is there, the file is damaged or would run code, or the weights are another model's.
    """
    if not path.exists():
        raise InputError(
            f"No model at {path}: train one with `kedro run --pipeline=training`, "
            "or give one with --params=checkpoint=FILE_OR_DIR"
        )
    if path.is_dir():
        return _load_folder(path, architecture)
    if architecture is None:
        raise InputError(f"{path} doesn't say which model it is: give model= one of {', '.join(MODELS)}")
    return TrainedModel(architecture, load_published(path, architecture), {})


def _load_folder(folder: Path, architecture: str | None) -> TrainedModel:
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        found = config["architecture"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{folder} must hold config.json (with `architecture`) and model.safetensors, as written by this "
            f"project's training; its config.json can't be read: {error}"
        ) from error
    if architecture not in (None, found):
        raise InputError(f"{folder} holds a model {found}, but model={architecture} was asked for; give model={found}")
    members = config.get(MEMBERS, 1)
    if not isinstance(members, int) or members < 1:
        raise InputError(
            f"{folder / 'config.json'} must give a number of members from 1, got {members!r}; restore the folder"
        )
    sizes = {name: value for name, value in config.items() if name not in ("architecture", MEMBERS)}
    files = [folder / (MEMBER_WEIGHTS.format(number) if members > 1 else WEIGHTS) for number in range(1, members + 1)]
    network = joined([_load_weights(file, found, sizes) for file in files]).eval()
    card = _read_card(folder / "card.json")
    _check_weights(files, card)
    _check_others(folder, card)
    seen = _read_training_proteins(folder / TRAINING_PROTEINS)
    average = _read_average_protein(folder / AVERAGE_PROTEIN)
    vectors = _read_training_vectors(folder / TRAINING_VECTORS, network.sizes["width"])
    return TrainedModel(found, network, card, seen, average, vectors)


def _load_weights(file: Path, architecture: str, sizes: dict[str, Any]) -> PairNetwork:
    try:
        network = network_class(architecture)(**sizes)
        network.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} doesn't load as {architecture}: {error}; restore the folder or train again"
        ) from error
    return network


def _check_weights(files: Sequence[Path], card: dict[str, Any]) -> None:
    """Raise InputError where weights aren't those of the card, or members are of features of another encoder."""
    if len(files) > 1:
        _check_same_encoder(files, card.get("features", {}))
    recorded = card.get(_SHA256)
    of_files = recorded if isinstance(recorded, dict) else {files[0].name: recorded}
    for file in files:
        if of_files.get(file.name) not in (None, _sha256(file)):
            raise InputError(
                f"{file} must be the file whose SHA-256 stands in {file.parent / 'card.json'}, but it was altered "
                "or replaced; restore the folder or train again"
            )


def _check_others(folder: Path, card: dict[str, Any]) -> None:
    """Raise InputError where a file beside the weights isn't the one of the card; one that was deleted passes."""
    for name, recorded in card.get(_OTHERS_SHA256, {}).items():
        file = folder / name
        if file.exists() and _sha256(file) != recorded:
            raise InputError(
                f"{file} must be the file whose SHA-256 stands in {folder / 'card.json'}, but was cut short or "
                f"altered; restore it, train the model again, or, if it was on purpose, take it out of "
                f"{_OTHERS_SHA256} there"
            )


def _check_same_encoder(files: Sequence[Path], trained_on: dict[str, Any]) -> None:
    """Raise InputError where a member is of features of another encoder than the card, or than the first without it."""
    expected = trained_on.get("fingerprint", _fingerprint_of(files[0]))
    of_others = f"{trained_on['encoder']} in the card" if trained_on else files[0].name
    for file in files:
        if (found := _fingerprint_of(file)) != expected:
            raise InputError(
                f"The members of an ensemble must be trained on features of one encoder, but {file} has the "
                f"fingerprint {found[:_SHOWN] or 'of none'}, and {of_others} {expected[:_SHOWN] or 'that of none'}; "
                "restore the member, or train the ensemble again"
            )


def _fingerprint_of(file: Path) -> str:
    with safe_open(file, framework="pt") as weights:
        return str((weights.metadata() or {}).get(FEATURES, ""))


def _read_training_proteins(file: Path) -> frozenset[str]:
    if not file.exists():
        return frozenset()
    lines = file.read_bytes().splitlines(keepends=True)
    if not lines or any(not _TRAINING_PROTEIN.fullmatch(line) for line in lines):
        raise InputError(
            f"{file} must hold {SEQUENCE_DIGITS} hexadecimal digits a line, but was cut short or altered; restore it, "
            "train the model again, or delete it and lose which proteins the model has seen"
        )
    return frozenset(line.decode().strip() for line in lines)


def _read_training_vectors(file: Path, width: int) -> TrainingVectors | None:
    if not file.exists():
        return None
    remedy = "restore it, train the model again, or delete it and lose the column Unlikeness"
    try:
        found = TrainingVectors(**load_checked(file))
    except (OSError, SafetensorError, TypeError) as error:
        raise InputError(f"{file} can't be read ({error}); {remedy}") from error
    if found.vectors.shape[1:] != (width,):
        raise InputError(
            f"{file} must hold vectors of the model's width {width}, got {tuple(found.vectors.shape)}; {remedy}"
        )
    return found


def _read_average_protein(file: Path) -> Tensor | None:
    try:
        return load_checked(file)[_AVERAGE] if file.exists() else None
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{file} can't be read ({error}); restore it, or train the model again") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _read_card(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{file} can't be read as JSON ({error}); restore it, or delete it and lose the check that features are "
            "of the model's encoder"
        ) from error
    return card
