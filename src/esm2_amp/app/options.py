"""What a run accepts after `--params=`, beside the groups of the parameter files."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from esm2_amp.errors import InputError
from esm2_amp.models.registry import network_class
from esm2_amp.parameters.base import Parameters

_FILES = (
    "proteins", "pairs", "validation_pairs", "test_pairs", "features", "regions", "entry_list", "top_segments",
    "low_segments",
)  # fmt: skip


class RunOptions(Parameters):
    """Files and choices of one run; each replaces the default of the catalog or of `globals.yml`.

    Attributes
    ----------
    proteins : str
        FASTA, CSV, TSV or XLSX, gzip too.
    pairs, validation_pairs, test_pairs : str
        CSV, TSV or XLSX with `Protein1`, `Protein2` and `Label`.
    features : str
        Features in the published HDF5 layout; they take the place of `proteins`.
    encoder : str
        Folder, fair-esm file or hub name of an ESM-2.
    model, checkpoint : str
        For prediction: name of the model, and a folder or `.pth` file to use in place of the trained one.
    release : str
        Folder for a model to give away.
    regions, entry_list : str
        Annotations of proteins, as downloaded; InterPro's list of entries, for InterPro's files.
    top_segments, low_segments : str
        Ranked segments in the published layout; they take the place of a model's importances.
    group : {"1-1", "1-0", "0-1", "0-0", "all"}
        Label and decision of the pairs to look at.
    explained_model, explained_by : str
        Model and method whose importances are looked up in the regions.
    map_pairs : str
        Pairs to draw with their regions, as `P1-P2`, separated by blanks or semicolons.
    device : {"auto", "cpu", "cuda", "mps"}
    seed : int
    data_name : str
        What figures call the data; the pair file's name when one is given.
    """

    proteins: str | None = None
    pairs: str | None = None
    validation_pairs: str | None = None
    test_pairs: str | None = None
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
    explained_model: str | None = None
    explained_by: str | None = None
    map_pairs: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] | None = None
    seed: int | None = None
    data_name: str | None = None

    @model_validator(mode="after")
    def _either_proteins_or_features(self) -> "RunOptions":
        if self.proteins and self.features:
            raise ValueError(
                "give either proteins=FILE or features=FILE, not both: features take the place of proteins"
            )
        for model in (self.model, self.explained_model):
            if model is not None:
                network_class(model)
        return self


def check_options(given: dict[str, Any], groups: Iterable[str]) -> None:
    """Raise InputError for a name after `--params=` that nothing reads, or for a file that isn't there.

    Parameters
    ----------
    given : dict
        The parameters of the command line.
    groups : iterable of str
        Groups of the parameter files; what is inside them is checked by their own types.
    """
    known = [*RunOptions.model_fields, *sorted(group for group in groups if not group.startswith("_"))]
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InputError(f"--params knows no {name!r}{hint}; it must be one of {', '.join(known)}")
    options = RunOptions(**{name: value for name, value in given.items() if name in RunOptions.model_fields})
    for name in _FILES:
        file = getattr(options, name)
        if file is not None and not Path(file).is_file():
            raise InputError(f"{file}: there is no such file; check the path")


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
        for name in [f"{group}.{key}" for key in inner] if of_group else [group]:
            if name not in read:
                known = of_group or sorted({name.split(".")[0] for name in read})
                hint = f" (did you mean {close[0]}?)" if (close := get_close_matches(name, known, n=1)) else ""
                raise InputError(
                    f"Nothing reads the parameters {name}{hint}; the groups in the files of parameters and after "
                    f"--params= must be among {', '.join(known)}"
                )


def check_pair_files(given: dict[str, Any], split: str) -> None:
    """Raise InputError when a split given by three files is named in part: the rest would be the demonstration's.

    Parameters
    ----------
    given : dict
        The parameters of the command line.
    split : str
        `pair_building.split` of the configuration, which `given` may replace.
    """
    files = ("pairs", "validation_pairs", "test_pairs")
    named = [name for name in files if name in given]
    if given.get("pair_building", {}).get("split", split) == "files" and len(named) in (1, 2):
        raise InputError(
            f"pair_building.split is 'files', which takes {', '.join(files)} together, got only {', '.join(named)}; "
            "name all three, or add pair_building.split=protein_disjoint (or random) to split one file"
        )
