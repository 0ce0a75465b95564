import contextlib
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tables
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.io.published_features import PublishedFeatures, PublishedFeaturesDataset, read_published_features
from esm2_amp.protein import TOKENS

GOLDEN = np.load(Path(__file__).parents[1] / "data/golden/features.npz")
WIDTH = 3


def published_columns(token, width):
    """Names as METHOD gives them, spelt out."""
    stem = f"ESM2_{token}_mean" if token.startswith("segment") else f"ESM2_{token}"
    return [f"{stem}{k}" for k in range(width)]


@pytest.fixture
def frame():
    """Three proteins, every number telling its protein, token and position; `Entry` a column of objects."""
    columns = [column for token in TOKENS for column in published_columns(token, WIDTH)]
    values = np.arange(3 * len(columns), dtype=np.float32).reshape(3, -1)
    frame = pd.DataFrame(values, columns=columns)
    frame.insert(0, "Entry", pd.Series(["P1", "P2", "P3"], dtype=object))
    return frame


@pytest.fixture
def path(tmp_path):
    return tmp_path / "features.h5"


def read_bad(frame, path, words):
    frame.to_hdf(path, key="df", mode="w")
    with pytest.raises(InputError, match=re.escape(words)):
        read_published_features(path)


def test_golden_features_in_the_published_layout_are_read(path):
    columns = [column for token in GOLDEN["token"] for column in published_columns(token, 32)]
    frame = pd.DataFrame(GOLDEN["feature"].reshape(16, -1), columns=columns)
    frame.insert(0, "Entry", GOLDEN["entry"].astype(object))
    frame.to_hdf(path, key="df", mode="w")
    read = PublishedFeaturesDataset(str(path)).load()
    assert read.entries == GOLDEN["entry"].tolist()
    assert read.tokens == TOKENS
    assert read.feature.dtype == np.float32
    for token, expected in zip(GOLDEN["token"], GOLDEN["feature"].swapaxes(0, 1), strict=True):
        np.testing.assert_array_equal(read.feature[:, TOKENS.index(token)], expected)


@pytest.mark.parametrize(
    "change",
    {
        "entry as text": lambda frame: frame.astype({"Entry": "str"}),
        "entry as index": lambda frame: frame.set_index("Entry"),
        "columns in another order": lambda frame: frame.sample(frac=1, axis=1, random_state=0),
        "other columns too": lambda frame: frame.assign(Organism="human", Length=[1, 2, None]),
        "float64": lambda frame: frame.astype(dict.fromkeys(frame.columns[1:], "float64")),
        "several blocks": lambda frame: pd.concat([frame[[column]] for column in frame], axis=1),
    }.items(),
    ids=lambda change: change[0],
)
def test_layouts_that_mean_the_same(frame, path, change):
    expected = frame.drop(columns="Entry").to_numpy().reshape(3, 13, WIDTH)
    change[1](frame).to_hdf(path, key="df", mode="w")
    read = read_published_features(path)
    assert read.entries == ["P1", "P2", "P3"]
    np.testing.assert_array_equal(read.feature, expected)


def test_queryable_format_is_read(frame, path):
    frame.to_hdf(path, key="df", mode="w", format="table")
    np.testing.assert_array_equal(read_published_features(path).feature.ravel(), np.arange(3 * 13 * WIDTH))


def test_more_rows_than_are_read_at_once(path):
    features = PublishedFeatures([f"P{i}" for i in range(1300)], np.random.default_rng(0).random((1300, 13, 2), "f4"))
    PublishedFeaturesDataset(str(path)).save(features)
    read = PublishedFeaturesDataset(str(path)).load()
    assert read.entries == features.entries
    np.testing.assert_array_equal(read.feature, features.feature)


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[1:11], TOKENS[:12], ("mean",)], ids=len)
def test_export_reads_back_exactly(path, tokens):
    feature = np.random.default_rng(0).standard_normal((2, len(tokens), 5), dtype=np.float32)
    PublishedFeaturesDataset(str(path)).save(PublishedFeatures(["P1", "NA"], feature, tokens))
    entries, read, read_tokens = PublishedFeaturesDataset(str(path)).load()
    assert (entries, read_tokens) == (["P1", "NA"], tokens)
    np.testing.assert_array_equal(read, feature)


def test_export_is_what_the_published_scripts_read(path):
    feature = np.random.default_rng(0).random((2, 13, WIDTH), "f4")
    PublishedFeaturesDataset(str(path)).save(PublishedFeatures(["P1", "P2"], feature))
    frame = pd.read_hdf(path, key="df")
    assert frame["Entry"].to_list() == ["P1", "P2"]
    segments = frame[[column for column in frame if re.match(r"ESM2_segment\d+", column)]]
    np.testing.assert_array_equal(segments.to_numpy().reshape(2, 10, WIDTH), feature[:, 1:11])


def test_failed_export_leaves_the_earlier_file(frame, path, monkeypatch):
    frame.to_hdf(path, key="df", mode="w")
    before = path.read_bytes()

    def full_disk(self, file, **options):
        Path(file).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_hdf", full_disk)
    with pytest.raises(DatasetError, match="No space left on device"):
        PublishedFeaturesDataset(str(path)).save(PublishedFeatures(["P1"], np.zeros((1, 13, 2), "f4")))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_export_that_a_full_disk_cuts_in_silence_leaves_the_earlier_file(frame, path, monkeypatch):
    frame.to_hdf(path, key="df", mode="w")
    before, to_hdf = path.read_bytes(), pd.DataFrame.to_hdf

    def full_disk(self, file, **options):
        to_hdf(self, file, **options)
        with Path(file).open("rb+") as written:
            written.truncate(written.seek(0, 2) // 2)

    monkeypatch.setattr(pd.DataFrame, "to_hdf", full_disk)
    with pytest.raises(DatasetError, match="not all of it could be written; the disk may be full"):
        PublishedFeaturesDataset(str(path)).save(PublishedFeatures(["P1"], np.ones((1, 13, 2), "f4")))
    assert path.read_bytes() == before


def write_datasets(path, datasets):
    """A dataset per protein, as UniProt and bio_embeddings write embeddings."""
    with tables.open_file(path, "w") as file:
        for name, values in datasets.items():
            file.create_array("/", name, np.asarray(values))


def test_mean_vectors_of_uniprot_are_read():
    path = Path(__file__).parents[1] / "data/per-protein.h5"  # two proteins in the layout of UniProt's file
    entries, feature, tokens = PublishedFeaturesDataset(str(path)).load()
    assert (entries, tokens, feature.shape, feature.dtype) == (["P01308", "P0DP23"], ("mean",), (2, 1, 1024), "f4")
    with tables.open_file(path) as file:
        np.testing.assert_array_equal(feature[1, 0], file.root.P0DP23.read())


@pytest.mark.filterwarnings("ignore::tables.exceptions.NaturalNameWarning")
def test_mean_vectors_are_named_by_their_original_id_where_they_have_one(path):
    write_datasets(path, {"0": np.ones(4, "f2"), "P2-2": np.zeros(4, "f2")})
    with tables.open_file(path, "a") as file:
        file.set_node_attr("/0", "original_id", "sp|P1|ONE")
    assert read_published_features(path).entries == ["sp|P1|ONE", "P2-2"]
    with tables.open_file(path, "a") as file:
        file.set_node_attr("/0", "original_id", "P2-2")
    with pytest.raises(InputError, match="Entry 'P2-2' must stand in one row, has several"):
        read_published_features(path)


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        (
            {"P1": np.ones((30, 4)), "P2": np.ones((40, 4))},
            "holds a vector for each residue of a protein, as UniProt's per-residue.h5 does (the first has the shape "
            "(30, 4)), but models read mean vectors, of whole proteins or of ten segments; give the file",
        ),
        ({"P1": np.ones(4), "P2": np.ones(5)}, "P2 holds float64 of the shape (5,), and the first has the shape (4,)"),
        ({"P1": np.ones(4), "names": [b"P1", b"P2", b"P3", b"P4"]}, "names holds |S2 of the shape (4,)"),
        ({"features": np.ones((9, 13, 4))}, "has no table 'df', so each of its datasets must be the mean vector"),
        ({"P1": np.ones(2), "P2": [1, np.nan]}, "Entry 'P2' must have finite numbers, got nan in position 1"),
    ],
)
def test_other_datasets_are_refused_with_what_they_are(path, datasets, words):
    write_datasets(path, datasets)
    with pytest.raises(InputError, match=re.escape(words)):
        read_published_features(path)


def test_hdf5_file_that_holds_nothing(path):
    tables.open_file(path, "w").close()
    with pytest.raises(InputError, match="must hold a table under the key 'df', got the keys: none"):
        read_published_features(path)


def test_file_that_is_not_hdf5(path):
    path.write_text("Entry,ESM2_cls0\n")
    with pytest.raises(InputError, match="must be an HDF5 file as its ending says, got other data"):
        read_published_features(path)
    with pytest.raises(InputError, match=r"must end in one of \.h5, \.hdf5, \.hdf, got 'features\.npz'"):
        read_published_features(path.with_name("features.npz"))


def test_file_cut_short(frame, path):
    frame.to_hdf(path, key="df", mode="w")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match="can't be read as an HDF5 file"):
        read_published_features(path)


def test_other_keys_are_listed(frame, path):
    frame.to_hdf(path, key="features", mode="w")
    frame.to_hdf(path, key="more/features")
    with pytest.raises(InputError, match="under the key 'df', got the keys: features, more/features; rename it"):
        read_published_features(path)


def test_key_that_holds_no_frame(frame, path):
    read_bad(frame["ESM2_cls0"], path, "the key 'df' must hold a DataFrame, got a series")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="Entry"), "must name the proteins in a column or index 'Entry', got none"),
        (lambda f: f.assign(Entry=["P1", "P2", "P1"]), "Entry 'P1' must stand in one row, has several"),
        (lambda f: f.assign(Entry=["P1", None, "P3"]), "row 2: Entry must name a protein, got none"),
        (lambda f: f[["Entry"]], "must have feature columns as ESM2_cls0 or ESM2_segment0_mean0, got Entry"),
        (lambda f: f.iloc[:0], "must hold at least one protein, got a table without rows"),
        (
            lambda f: f.drop(columns="ESM2_eos2"),
            "must have 3 columns ESM2_eos{k} as the widest token has, lacks ESM2_eos2; export",
        ),
        (
            lambda f: f.drop(columns=[c for c in f if "segment4" in c]),
            "lacks ESM2_segment4_mean0, ESM2_segment4_mean1, ESM2_segment4_mean2; export the table again",
        ),
        (lambda f: f.assign(ESM2_mean9=0.0), "lacks ESM2_cls3, ESM2_cls4, ESM2_cls5, ESM2_cls6, ESM2_cls7 and 2 more"),
        (lambda f: f.assign(ESM2_cls1="high"), "must hold numbers in its feature columns, got others in ESM2_cls1"),
        (
            lambda f: f.assign(ESM2_cls1=[0, np.nan, 0], ESM2_mean0=[0, np.inf, 0]),
            "Entry 'P2' must have finite numbers, got nan in ESM2_cls1, ESM2_mean0; embed this protein again",
        ),
        (
            lambda f: f.assign(ESM2_mean0=[0.0, 0.0, 1e300]),
            "Entry 'P3' must have finite numbers, got inf in",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast", "ignore::pandas.errors.PerformanceWarning")
def test_message_names_column_entry_and_remedy(frame, path, change, words):
    read_bad(change(frame), path, words)


class RunsCode:
    """Makes a folder when unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
def test_pickled_code_in_a_column_does_not_run(frame, path):
    folder = path.parent / "made_by_the_file"
    frame.assign(Entry=["P1", RunsCode(folder), "P3"]).to_hdf(path, key="df", mode="w")
    with pytest.raises(InputError, match=r"must hold only numbers and text, but would run (posix|nt)\.mkdir when read"):
        read_published_features(path)
    assert not folder.exists()
    with contextlib.suppress(TypeError, ValueError):
        pd.read_hdf(path, key="df")
    assert folder.exists(), "the file should run code where nothing keeps it from it"


@pytest.mark.filterwarnings("ignore::tables.exceptions.NaturalNameWarning")
@pytest.mark.parametrize("node", ["/", "/df", "/df/axis0"])
def test_pickled_code_in_an_attribute_does_not_run(frame, path, node):
    folder = path.parent / "made_by_the_file"
    frame.to_hdf(path, key="df", mode="w")
    with tables.open_file(path, "a") as file:
        file.set_node_attr(node, "note", RunsCode(folder))
    with pytest.raises(InputError, match=r"would run (posix|nt)\.mkdir when read; nothing of it was run"):
        read_published_features(path)
    assert not folder.exists()
    with contextlib.suppress(TypeError, ValueError):
        pd.read_hdf(path, key="df")
    assert folder.exists(), "the file should run code where nothing keeps it from it"
