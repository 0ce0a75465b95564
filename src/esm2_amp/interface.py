"""The Python interface: features, scores and explanations of proteins and pairs that a program or notebook holds.

Each function calls the steps of the pipelines, with the settings of `conf/base`, and so gives what `kedro run` writes.
Nothing is written but to a store that is asked for.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from kedro.io import DatasetError
from pydantic import ValidationError
from torch import Tensor

from esm2_amp.app.mistakes import one_or_a_list, place_and_words
from esm2_amp.app.model_folders import check_model, find_project, model_folder
from esm2_amp.devices import resolve_device
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.errors import InputError
from esm2_amp.explanation.context import ModelContext
from esm2_amp.explanation.gradients import average_pair, mean_pair
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.methods import explain as explain_by
from esm2_amp.explanation.results import Explanation, LabelledArray
from esm2_amp.features import ProteinFeatures
from esm2_amp.given_tables import Pairs, Proteins, checked_proteins, entries_of, known_pairs, pair_table
from esm2_amp.io.feature_store import FeatureStoreDataset, StoreContents
from esm2_amp.models.storage import TrainedModel, load_model
from esm2_amp.parameters.base import Parameters
from esm2_amp.parameters.evaluation import BaselineParameters, EvaluationParameters
from esm2_amp.parameters.feature_extraction import EmbeddingParameters, ExtractionParameters
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.parameters.prediction import PredictionParameters
from esm2_amp.parameters.run import Device, RunParameters
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.pipelines.feature_extraction.nodes import extract_features as extract
from esm2_amp.pipelines.prediction.nodes import clean_new_pairs, score_new_pairs
from esm2_amp.pipelines.screening.nodes import list_candidates, screen_pairs
from esm2_amp.protein import TOKENS

__all__ = ["explain", "extract_features", "predict", "screen"]

THRESHOLD: Final = 0.5
EXTRACTION: Final = ExtractionParameters(
    embedding=EmbeddingParameters(precision="float32", whole_up_to=4096, window=1022, overlap=256),
    stored_as="float32",
    shard_residues=100_000,
)
GRADIENTS: Final = GradientParameters(steps=25, internal_batch=32, tolerance=0.01, share=0.95, max_steps=1600)
SCORED_AT_ONCE: Final = 1024
EXPLAINED_AT_ONCE: Final = 256
"""This and the constants above: the values of conf/base, which an installed package comes without."""

_MODELS: Final = Path("data/06_models")
_Group = TypeVar("_Group", bound=Parameters)


def extract_features(
    proteins: Proteins, encoder: str | Path = "esm2_mini", *, device: Device = "auto", store: str | Path | None = None
) -> LabelledArray:
    """The 13 vectors of each protein by an ESM-2: cls, the means of ten segments, eos, and the mean of all residues.

    Parameters
    ----------
    proteins : DataFrame, mapping of str to str, path or ProteinFeatures
        P proteins: columns `Entry` and `Sequence`, sequences by id, a FASTA, CSV, TSV or XLSX file, or features of
        the catalog.
    encoder : str or Path
        Folder, file of fair-esm or hub name of an ESM-2, or the name of a folder in the project's `data/06_models`.
        Not used where `proteins` are features.
    device : {"auto", "cpu", "cuda", "mps"}
        Where vectors are computed; `auto` takes the first of cuda, mps and cpu that the machine has.
    store : path, optional
        Folder of a feature store, such as `data/04_feature/store`. Sequences that it holds are not embedded again,
        others are added. Without it nothing is kept.

    Returns
    -------
    features : LabelledArray
        `array`, shape (P, 13, D), float32, and `axes`: the ids along "protein", `esm2_amp.protein.TOKENS` along
        "token", and numbers along "feature". Proteins stand in the order given, each id once.

    Raises
    ------
    InputError
        An id or a sequence can't be used, named with its row (of a DataFrame or mapping counted from 0), or the file,
        the encoder or the device can't be had.

    Examples
    --------
    >>> import esm2_amp
    >>> features = esm2_amp.extract_features({"INS": "MALWMRLLPLLALLALWG", "GCG": "MKSIYFVAGLFVMLVQGS"})
    >>> features.array.shape
    (2, 13, 256)
    >>> features.axes["protein"].tolist()
    ['INS', 'GCG']
    """
    run = _run_parameters(device)
    with _input_errors(), _extracted(checked_proteins(proteins, EXTRACTION), str(encoder), store, run) as found:
        array = found.select(slice(None)).float().numpy()
        axes = {"protein": found.entries, "token": TOKENS, "feature": range(found.width)}
        return LabelledArray(array, {name: np.array(labels) for name, labels in axes.items()})


def predict(
    proteins: Proteins,
    pairs: Pairs,
    model: str | Path | TrainedModel = "ppi_mini",
    *,
    encoder: str | Path | None = None,
    threshold: float = THRESHOLD,
    device: Device = "auto",
    store: str | Path | None = None,
) -> pd.DataFrame:
    """Score pairs: the probability that they interact, and the decision; as `kedro run --pipeline=prediction`.

    Parameters
    ----------
    proteins : DataFrame, mapping of str to str, path or ProteinFeatures
        As for `extract_features`.
    pairs : DataFrame, iterable of tuples or path
        B pairs: columns `Protein1`, `Protein2` and perhaps `Label` (0 or 1), rows of these, or a CSV, TSV or XLSX
        file. A pair of a protein that `proteins` lacks is no error: its `Status` says so.
    model : str, Path or TrainedModel
        The name of a model in the project's `data/06_models`, the path of a model's folder, or a loaded model.
    encoder : str or Path, optional
        As for `extract_features`; by default the one that the model was trained with.
    threshold : float
        Probability from which a pair is called interacting, between 0 and 1.
    device : {"auto", "cpu", "cuda", "mps"}
        As for `extract_features`.
    store : path, optional
        As for `extract_features`.

    Returns
    -------
    predicted : DataFrame, B rows
        In the order of `pairs`: `Protein1` and `Protein2`, str; `Label`, int8, if given; `Probability`, float64;
        `CalibratedProbability`, float64, if the model has a temperature; `Prediction`, Int8; `Spread`, float32, of an
        ensemble: the standard deviation over its members' logits; `Unlikeness`, float32, from 0 to 100, if the model
        holds its training vectors: how unlike the proteins of its training the less familiar partner is; `Status`, str.
        `Label` is Int8 where the input has others than 0 and 1, which are missing then.

    Raises
    ------
    InputError
        A protein or pair can't be used, named with its row (of data in memory counted from 0); there is no such model,
        encoder or device; or the features are of another encoder than the model's.

    Examples
    --------
    >>> import esm2_amp
    >>> predicted = esm2_amp.predict("data/01_raw/examples/proteins.fasta", [("P63165", "P63279"), ("P01308", "X")])
    >>> predicted[["Protein1", "Protein2", "Status"]]
      Protein1 Protein2                                        Status
    0   P63165   P63279                                        scored
    1   P01308        X  not scored: no sequence or features for X
    """
    trained = _model_of(model)
    run, evaluation = _run_parameters(device), _evaluation_parameters(threshold)
    with _input_errors():
        known = checked_proteins(proteins, EXTRACTION)
        table, *_ = clean_new_pairs(
            pair_table(pairs, "pairs"), pd.DataFrame({"Entry": entries_of(known)}), None, PredictionParameters()
        )
        with _extracted(known, _encoder_of(trained, encoder), store, run) as features:
            return score_new_pairs(table, features, trained, evaluation, run)


def explain(
    proteins: Proteins,
    pairs: Pairs,
    model: str | Path | TrainedModel = "ppi_mini",
    method: str = "integrated_gradients",
    *,
    background: Pairs | None = None,
    encoder: str | Path | None = None,
    device: Device = "auto",
    store: str | Path | None = None,
) -> Explanation:
    """Explain the scores of pairs: how much each of their T tokens matters; as `kedro run --pipeline=interpretability`.

    Parameters
    ----------
    proteins : DataFrame, mapping of str to str, path or ProteinFeatures
        As for `extract_features`.
    pairs : DataFrame, iterable of tuples or path
        B pairs as for `predict`, but every protein must be among `proteins`.
    model : str, Path or TrainedModel
        As for `predict`.
    method : {"attention", "attention_last_layer", "attention_rollout", "integrated_gradients"}
        Attention can be read from ESM2_AMPS and ESM2_AMP_CSE only.
    background : DataFrame, iterable of tuples or path, optional
        Pairs that stand for a pair without information, as pairs of the training do in the pipeline; Integrated
        Gradients start from their average. By default each partner there is the average protein of the model's
        training, or of `proteins` where the model's folder holds none.
    encoder : str or Path, optional
        As for `predict`.
    device : {"auto", "cpu", "cuda", "mps"}
        As for `extract_features`.
    store : path, optional
        As for `extract_features`.

    Returns
    -------
    explanation : Explanation
        `importance`, DataFrame of B rows: the scored pairs, and a float32 column for each token, `A_segment0` …
        `B_segment9` for ESM2_AMPS. `tokens`, DataFrame of T rows: the mean importance, largest first. `details`: for
        Integrated Gradients `contributions` to the logit by token, a DataFrame of B rows, and `attributions`,
        LabelledArray of shape (B, T, D), float32; for `attention` the `weights`, LabelledArray of shape
        (1 + B, layers, T, T), float32, the mean of the pairs first. `check`: whether attributions add up.

    Raises
    ------
    InputError
        As for `predict`; also for a pair of an unknown protein, a method that isn't one of these, or attention of a
        model without it.

    Examples
    --------
    >>> import esm2_amp
    >>> found = esm2_amp.explain(
    ...     "data/01_raw/examples/proteins.fasta", [("P63165", "P63279")], model="ppi_mini_amps", method="attention"
    ... )
    >>> found.importance.shape
    (1, 24)
    >>> float(found.importance.filter(regex="^[AB]_").sum(axis=1).round(3).iloc[0])
    1.0
    """
    _check_method(method)
    trained, run = _model_of(model), _run_parameters(device)
    with _input_errors():
        known = checked_proteins(proteins, EXTRACTION)
        entries = entries_of(known)
        table = known_pairs(pairs, entries, "pairs")
        averaged = None if background is None else known_pairs(background, entries, "background")
        with _extracted(known, _encoder_of(trained, encoder), store, run) as features:
            start = (
                average_pair(trained, features) if averaged is None else mean_pair(trained.pairs(features, averaged))
            )
            return explain_by([method], _context(table, features, trained, start, run))[method]


def screen(
    proteins: Proteins,
    queries: Iterable[str] | None = None,
    model: str | Path | TrainedModel = "ppi_mini",
    *,
    top: int = 100,
    threshold: float = 0.9,
    encoder: str | Path | None = None,
    device: Device = "auto",
    store: str | Path | None = None,
) -> pd.DataFrame:
    """Score proteins with all others, and list the best partners of each; as `kedro run --pipeline=screening`.

    Parameters
    ----------
    proteins : DataFrame, mapping of str to str, path or ProteinFeatures
        As for `extract_features`.
    queries : iterable of str, optional
        Ids of the proteins whose partners are sought; by default those of all.
    model : str, Path or TrainedModel
        As for `predict`.
    top : int
        Best partners that are listed of each protein, or of each query where queries are given.
    threshold : float
        Probability from which every pair is listed.
    encoder : str or Path, optional
        As for `predict`.
    device : {"auto", "cpu", "cuda", "mps"}
        As for `extract_features`.
    store : path, optional
        As for `extract_features`.

    Returns
    -------
    candidates : DataFrame
        Best first, each pair once: `Protein1`, `Protein2` in the order of `proteins`; `Logit`, `Probability`,
        `CalibratedProbability`; `Rank1` of Protein2 among the partners of Protein1, 1 being the best, and `Above1`, the
        share of Protein1's scores that are higher; `Rank2`, `Above2` the other way round; `InTraining`, how many of the
        two proteins the model was trained on; `Spread` and `Unlikeness` as of `predict`, where the model knows them.

    Raises
    ------
    InputError
        As for `predict`; also for a query that isn't among the proteins, or fewer than two proteins.

    Examples
    --------
    >>> import esm2_amp
    >>> found = esm2_amp.screen("data/01_raw/examples/proteins.fasta", ["P01308"], top=3)
    >>> found.shape, bool(((found == "P01308").sum(axis=1) == 1).all())
    ((3, 12), True)
    """
    trained, run = _model_of(model), _run_parameters(device)
    parameters = _valid(ScreeningParameters, top=top, threshold=threshold)
    none = pd.DataFrame({"Protein1": [], "Protein2": []}, dtype="str")
    with _input_errors(), TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        known = checked_proteins(proteins, EXTRACTION)
        names = pd.DataFrame({"Entry": pd.Series(list(queries or ()), dtype="str"), "InProteome": True})
        with _extracted(known, _encoder_of(trained, encoder), store, run) as features:
            screened = screen_pairs(features, names, none, trained, Path(folder), parameters, run)
            return list_candidates(screened, trained, parameters)[0].drop(columns="Known")


def _context(
    pairs: pd.DataFrame, features: ProteinFeatures, trained: TrainedModel, baseline: Tensor, run: RunParameters
) -> ModelContext:
    scored = score_new_pairs(pairs, features, trained, _evaluation_parameters(THRESHOLD), run)
    columns = [name for name in ("Protein1", "Protein2", "Label", "Probability", "Prediction") if name in scored]
    return ModelContext(
        scored[columns].astype({"Prediction": "int8"}),
        trained.pairs(features, pairs),
        trained.network,
        baseline,
        list(range(len(pairs))),
        GRADIENTS,
        EXPLAINED_AT_ONCE,
        resolve_device(run.device),
    )


def _check_method(method: str) -> None:
    known = [name for name, entry in METHODS.items() if entry.needs == "model"]
    if method not in known:
        latent = " (`kedro run --pipeline=latent_explanation` explains on latents)" if method in METHODS else ""
        raise InputError(f"method must be one of {', '.join(known)}, got {method!r}; choose one of them{latent}")


@contextmanager
def _extracted(
    proteins: pd.DataFrame | ProteinFeatures, encoder: str, store: str | Path | None, run: RunParameters
) -> Iterator[ProteinFeatures]:
    """The features of proteins, which can be read within the block."""
    if isinstance(proteins, ProteinFeatures):
        yield proteins
        return
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        shards = Path(store or folder).expanduser()
        dataset = FeatureStoreDataset(path=str(shards), filepath=str(Path(folder) / "index.parquet"))
        load = partial(load_encoder, _place_of_encoder(encoder))
        for part in extract(proteins, load, StoreContents(shards), None, EXTRACTION, run):
            dataset.save(part)
        yield dataset.load()


def _model_of(model: str | Path | TrainedModel) -> TrainedModel:
    if isinstance(model, TrainedModel):
        return model
    project, given = find_project(), Path(model).expanduser()
    for name in (str(model), str(given.absolute())):
        folder = (project or Path.cwd()) / model_folder(name, "data", project)
        if (folder / "config.json").is_file():
            return load_model(folder)
    if project is None:
        raise InputError(
            f"model must be the path of a model's folder outside of a project, got {str(model)!r}, where there is "
            f"none; give the whole path, such as PROJECT/{_MODELS / 'ppi_mini'}, or start in the project's folder"
        )
    check_model(str(model), "data", project)
    return load_model(folder)


def _encoder_of(trained: TrainedModel, encoder: str | Path | None) -> str:
    """The encoder given, or else the one that a model was trained with."""
    found = encoder or trained.card.get("features", {}).get("encoder", "imported")
    if found == "imported":
        raise InputError(
            f"encoder must be given with the model {trained.architecture}, which doesn't say which ESM-2 its features "
            "came from; add encoder=, such as encoder='facebook/esm2_t33_650M_UR50D'"
        )
    return str(found)


def _place_of_encoder(encoder: str) -> str:
    """Where an encoder lies, seen from the working directory or the project; a name on the hub as it is."""
    folders = [Path(), *([project, project / _MODELS] if (project := find_project()) else [])]
    places = [folder / Path(encoder).expanduser() for folder in folders]
    return next((str(place) for place in places if place.exists()), encoder)


def _run_parameters(device: Device) -> RunParameters:
    return _valid(RunParameters, device=device, seed=0, data_name="", scoring_batch_size=SCORED_AT_ONCE)


def _evaluation_parameters(threshold: float) -> EvaluationParameters:
    return _valid(EvaluationParameters, threshold=threshold, replicates=100, baselines=BaselineParameters())


def _valid(kind: type[_Group], **values: Any) -> _Group:
    try:
        return kind(**values)
    except ValidationError as error:
        wrong = one_or_a_list(place_and_words("", values, mistake) for mistake in error.errors())
        raise InputError(f"Arguments are wrong:{wrong}") from error


@contextmanager
def _input_errors() -> Iterator[None]:
    """Raise the InputError that a dataset met as it is, in place of Kedro's error around it."""
    try:
        yield
    except DatasetError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise
