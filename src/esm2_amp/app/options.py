"""What a run accepts after `--params=`, beside the groups of the parameter files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from esm2_amp.app.given_paths import FILES
from esm2_amp.app.mistakes import one_or_a_list, place_and_words
from esm2_amp.app.model_folders import check_model
from esm2_amp.errors import InputError, did_you_mean
from esm2_amp.parameters.base import Parameters
from esm2_amp.parameters.model_training import ARCHITECTURES, Architecture, TrainingParameters

SHARED_TRAINING = "training"
"""The group whose values hold for every model."""


class RunOptions(Parameters):
    """Files and choices of one run; each replaces the default of the catalog or of `globals.yml`.

    Attributes
    ----------
    proteins : str
        FASTA, CSV, TSV or XLSX, gzip too.
    pairs, validation_pairs, test_pairs : str
        CSV, TSV, XLSX or Parquet with `Protein1`, `Protein2` and `Label`.
    queries : str
        For screening: the proteins whose partners are looked for, FASTA, or a list of ids among the proteins.
    known_pairs : str
        For screening: pairs that interact, with `Protein1` and `Protein2`.
    predicted_pairs : str
        For prediction: the file to write, whose name ends in .csv, .csv.gz or .parquet.
    features : str
        Features in the published HDF5 layout; they take the place of `proteins`.
    encoder : str
        Folder, fair-esm file or hub name of an ESM-2.
    model : str
        For prediction, screening, fine-tuning and release: an architecture, which is the model trained here, or the
        folder of a model, by its name in `06_models` or its path. Beside `checkpoint`, the architecture that a `.pth`
        file holds.
    checkpoint : str
        For prediction and screening: a folder or `.pth` file to use in place of the trained model.
    release : str
        Folder for a model to give away.
    regions, entry_list : str
        Annotations of proteins, as downloaded; InterPro's list of entries, for InterPro's files.
    top_segments, low_segments : str
        Ranked segments in the published layout; they take the place of a model's importances.
    group : {"1-1", "1-0", "0-1", "0-0", "all"}
        Label and decision of the pairs to look at.
    explained_model, explained_by : str
        Model and method whose importances are looked up in the regions; the method "auto" is the best of the run.
    map_pairs : str
        Pairs to draw with their regions, as `P1-P2`, separated by blanks or semicolons.
    output : str
        Folder of the run's own, for everything that it writes.
    device : {"auto", "cpu", "cuda", "mps"}
        Where tensors are computed.
    cluster : str
        Address of a Dask scheduler whose workers share the work, as `tcp://host:8786`.
    seed : int
        Of everything that is drawn at random.
    data_name : str
        What figures call the data; the pair file's name when one is given.
    """

    proteins: str | None = None
    pairs: str | None = None
    validation_pairs: str | None = None
    test_pairs: str | None = None
    queries: str | None = None
    known_pairs: str | None = None
    predicted_pairs: str | None = None
    features: str | None = None
    encoder: str | None = None
    model: str | None = None
    checkpoint: str | None = None
    release: str | None = None
    regions: str | None = None
    entry_list: str | None = None
    top_segments: str | None = None
    low_segments: str | None = None
    group: Literal["1-1", "1-0", "0-1", "0-0", "all"] | None = None
    explained_model: Architecture | None = None
    explained_by: str | None = None
    map_pairs: str | None = None
    output: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None
    cluster: str | None = None
    seed: int | None = None
    data_name: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "RunOptions":
        if self.proteins and self.features:
            raise ValueError(
                "give either proteins=FILE or features=FILE, not both: features take the place of proteins"
            )
        if self.checkpoint and self.model is not None and self.model not in ARCHITECTURES:
            raise ValueError(
                f"beside checkpoint=, model= says which network the file holds, one of {', '.join(ARCHITECTURES)}, "
                f"got {self.model!r}; leave out one of the two"
            )
        return self


def check_options(given: Mapping[str, Any], configured: Mapping[str, Any], data: str, project: Path) -> None:
    """Raise InputError for what nothing reads after `--params=`, or for a file or model that isn't there.

    Parameters
    ----------
    given : dict
        The parameters of the command line.
    configured : dict
        Those of the parameter files; the values inside its groups are checked by their own types.
    data : str
        Data folder of the environment.
    project : Path
        Folder that relative paths of models start from.
    """
    groups = {name for name in configured if not name.startswith("_")} | {SHARED_TRAINING}
    known = [*RunOptions.model_fields, *sorted(groups)]
    for name in given:
        if name not in known:
            raise InputError(
                f"--params knows no {name!r}{did_you_mean(name, known)}; it must be one of {', '.join(known)}"
            )
    for name in groups.intersection(given):
        _check_shape(name, given[name], configured.get(name, dict.fromkeys(TrainingParameters.model_fields, "...")))
    try:
        options = RunOptions(**{name: value for name, value in given.items() if name in RunOptions.model_fields})
    except ValidationError as error:
        words = one_or_a_list(place_and_words("", given, found) for found in error.errors())
        raise InputError(f"Parameters are wrong (set in --params):{words}") from error
    if options.model is not None:
        check_model(options.model, data, project)
    for name in FILES:
        file = getattr(options, name)
        if file is not None and not Path(file).is_file():
            raise InputError(f"{file}: there is no such file; check the path, which starts from the working directory")


def check_groups(configured: Mapping[str, Any], read: Collection[str]) -> None:
    """Raise InputError for a group of parameters that no pipeline reads, such as one with a mistyped name.

    Parameters
    ----------
    configured : dict
        All parameters. Names with `_` before them are for the files' own use.
    read : collection of str
        Groups that are read as a whole, those of a model as `model.group`.
    """
    for group, inner in configured.items():
        if group in read or group in RunOptions.model_fields or group.startswith("_"):
            continue
        of_group = sorted(name for name in read if name.startswith(f"{group}."))
        if of_group:
            _check_shape(group, inner, {name.removeprefix(f"{group}."): "..." for name in of_group})
        for name in [f"{group}.{key}" for key in inner] if of_group else [group]:
            if name not in read:
                known = of_group or sorted({name.split(".")[0] for name in read} | {SHARED_TRAINING})
                raise InputError(
                    f"Nothing reads the parameters {name}{did_you_mean(name, known)}; the groups in the files of "
                    f"parameters and after --params= must be among {', '.join(known)}"
                )


def check_pair_files(given: Mapping[str, Any], split: str) -> None:
    """Raise InputError when a split given by three files is named in part: the rest would be the demonstration's.

    Parameters
    ----------
    given : dict
        The parameters of the command line.
    split : str
        `pair_building.split`.
    """
    files = ("pairs", "validation_pairs", "test_pairs")
    named = [name for name in files if name in given]
    if split == "files" and len(named) in (1, 2):
        raise InputError(
            f"pair_building.split is 'files', which takes {', '.join(files)} together, got only {', '.join(named)}; "
            "name all three, or add pair_building.split=protein_disjoint (or random) to split one file"
        )


def with_shared_training(configured: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters in which the values of the group `training` stand in the settings of each model.

    The last of these that gives a value counts: the model's own settings in the parameter files, `training` in the
    files, `training` after `--params=`, the model's own settings after `--params=`.

    Parameters
    ----------
    configured : dict
        All parameters, those of the command line among them. Not changed.
    given : dict
        The parameters of the command line.

    Returns
    -------
    parameters : dict
        Without the group `training`.

    Examples
    --------
    >>> configured = {"training": {"epochs": 3}, "ESM2_GRU": {"settings": {"training": {"epochs": 9, "patience": 2}}}}
    >>> with_shared_training(configured, {"training": {"epochs": 3}})
    {'ESM2_GRU': {'settings': {'training': {'epochs': 3, 'patience': 2}}}}
    """
    parameters = {name: value for name, value in configured.items() if name != SHARED_TRAINING}
    shared = configured.get(SHARED_TRAINING, {})
    _check_shape(SHARED_TRAINING, shared, dict.fromkeys(TrainingParameters.model_fields, "..."))
    for model in ARCHITECTURES if shared else ():
        if isinstance(parameters.get(model), Mapping):
            of_all = _merged(parameters[model], {"settings": {"training": shared}})
            parameters[model] = _merged(of_all, given.get(model, {}))
    return parameters


def _merged(values: Any, later: Any) -> Any:
    if not (isinstance(values, Mapping) and isinstance(later, Mapping)):
        return later
    return {**values, **{name: _merged(values.get(name), value) for name, value in later.items()}}


def _check_shape(name: str, value: Any, configured: Any) -> None:
    """Raise InputError for one value in the place of a group of parameters."""
    if not isinstance(configured, Mapping) or not configured:
        return
    if not isinstance(value, Mapping):
        inner, example = next(iter(configured.items()))
        while isinstance(example, Mapping) and example:
            key, example = next(iter(example.items()))
            inner = f"{inner}.{key}"
        raise InputError(
            f"{name} is a group of parameters, which are set one by one (such as {name}.{inner}={example}), "
            f"got {value!r}"
        )
    for key in value:
        _check_shape(f"{name}.{key}", value[key], configured.get(key))
