"""`functional_regions` as a user runs it, on planted truth and on the published tables, and its nodes on bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from kedro.framework.project import pipelines
from PIL import Image

from conftest import ROOT, kedro_run
from esm2_amp.errors import InputError
from esm2_amp.explanation.results import Explanation
from esm2_amp.files import SourceTable
from esm2_amp.io.explanations import ExplanationsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.io.regions import RegionFile, SegmentsDataset
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.pipelines.functional_regions.nodes import (
    measure_coverage,
    place_annotations,
    select_segments,
)
from quick_figures import DPI

RATES = ["Rank1Percent", "Rank2Percent", "Rank3Percent", "AnyRankPercent"]
KEY = ["Group", "Selection", "ThresholdPercent", "RegionType"]
EXPECTED = ["group", "selection", "threshold_percent", "region_type", "rank1", "rank2", "rank3", "any"]
"""The same in the table beside the published ones."""
OPTIONS = "--pipeline=functional_regions"


def parameters(**changes):
    usual = {
        "explained_model": "ESM2_AMPS",
        "explained_by": "attention",
        "types": None,
        "ranks": 1,
        "thresholds": [50],
        "group": "all",
        "fewest_pairs": 1,
        "unannotated": "count",
        "length_mismatch": "stop",
        "malformed": "report",
        "permutations": 100,
        "replicates": 100,
        "level": 0.05,
        "map_pairs": None,
        "maps": 1,
        "data_name": "three proteins",
    }
    return RegionParameters(**usual | changes)


def planted_importance(folder: Path) -> Explanation:
    """What a model that has found the planted sites would give: all decisions right, the sites most important."""
    planted = folder / "01_raw/planted"
    pairs = pd.read_csv(planted / "test_pairs.csv")
    segment = pd.read_csv(planted / "sites.csv").set_index("Entry")["Segment"]
    importance = 0.1 * np.random.default_rng(0).random((len(pairs), 20))
    for side, name in enumerate(("Protein1", "Protein2")):
        site = pairs[name].map(segment)
        importance[np.flatnonzero(site.notna()), 10 * side + site.dropna().astype(int)] += 0.2
    scored = pairs.assign(Probability=pairs["Label"] * 0.8 + 0.1, Prediction=pairs["Label"])
    return Explanation.of_pairs(scored, importance, slice(1, 11))


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    """A data folder with planted proteins, and the importances that `interpretability` would have written."""
    folder = tmp_path_factory.mktemp("explained")
    assert kedro_run(folder, "--pipeline=planted_data").exit_code == 0
    values, reports = (folder / f"{layer}/ESM2_AMPS/explanation" for layer in ("07_model_output", "08_reporting"))
    stored = ExplanationsDataset(filepath=str(values), reports=str(reports), needs="model")
    stored.save({"attention": planted_importance(folder)})
    return folder


@pytest.fixture(scope="module")
def reports(explained):
    run = kedro_run(explained, OPTIONS, f"--params=proteins={explained}/01_raw/planted/proteins.fasta")
    assert run.exit_code == 0, run.output
    return explained / "08_reporting/functional_regions"


@pytest.fixture(scope="module")
def published(shared):
    folder = shared / "functional_regions"
    if not (folder / "uniprot_regions.xlsx").is_file():
        pytest.skip("needs the published tables in ../shared/functional_regions")
    return folder


@pytest.mark.parametrize("group", ["1-1", "0-0"])
def test_published_hit_rates_are_reproduced(published, group, tmp_path):
    tables = f"top_segments={published}/{group}_Top3.xlsx,low_segments={published}/{group}_Low3.xlsx"
    run = kedro_run(tmp_path, OPTIONS, f"--params=regions={published}/uniprot_regions.xlsx,{tables},group={group}")
    assert run.exit_code == 0, run.output
    rates = pd.read_csv(tmp_path / "08_reporting/functional_regions/hit_rates.csv")
    assert rates.columns.tolist() == KEY + RATES
    names = dict(zip(EXPECTED, KEY + RATES, strict=True))
    expected = pd.read_csv(published / "expected_hit_rates.csv").rename(columns=names)
    expected = expected.set_index(KEY).loc[group:group, RATES]
    assert len(rates) == len(expected)
    difference = rates.set_index(KEY)[RATES] - expected
    assert difference.abs().max(axis=None) < 0.01


def test_planted_sites_are_found_in_top_segments(reports):
    table = pd.read_csv(reports / "enrichment.csv").query("RegionType == 'Motif' and Against == 'random segments'")
    verdicts = table.set_index(["Group", "Selection"])["Verdict"]
    assert verdicts["1-1", "Top"] == "enriched"
    assert verdicts["1-1", "Low"] != "enriched"


def test_run_writes_tables_and_figures(reports):
    book = openpyxl.load_workbook(reports / "functional_regions.xlsx")
    assert book.sheetnames == [
        "Hit rates, true negatives", "Hit rates, true positives", "Enrichment", "In words", "Segments", "Proteins",
    ]  # fmt: skip
    for folder in ("donuts", "coverage", "enrichment"):
        assert sorted(file.name for file in (reports / folder).iterdir()) == [
            "0-0.pdf", "0-0.png", "1-1.pdf", "1-1.png",
        ]  # fmt: skip
    assert Image.open(reports / "donuts/1-1.png").width == 7 * DPI
    report = json.loads((reports / "regions_report.json").read_text())
    assert report["types"] == ["Domain", "Region", "Compositional bias", "Repeat", "Motif"]
    assert report["problems"] == report["proteins_not_in_file"] == 0


def test_pairs_to_draw_are_named(explained, tmp_path):
    data = Path(shutil.copytree(explained, tmp_path / "data"))
    pairs = pd.read_csv(data / "01_raw/planted/test_pairs.csv").head(5)
    names = (pairs["Protein1"] + "-" + pairs["Protein2"]).iloc[[1, 4]].tolist()
    proteins = f"proteins={data}/01_raw/planted/proteins.fasta"
    run = kedro_run(data, OPTIONS, f"--params={proteins},map_pairs={names[0]} {names[1]}")
    assert run.exit_code == 0, run.output
    drawn = (data / "08_reporting/functional_regions/pairs").glob("*.png")
    assert sorted(file.stem for file in drawn) == sorted(names)
    run = kedro_run(data, OPTIONS, f"--params={proteins},map_pairs=SYN0001-SYN0001")
    assert "map_pairs must name pairs with ranked segments" in run.output


def test_missing_importances_name_the_pipeline_that_makes_them(tmp_path):
    planted = ROOT / "data/01_raw/planted"
    files = f"regions={planted}/regions.tsv,proteins={planted}/proteins.fasta"
    run = kedro_run(tmp_path, OPTIONS, f"--params={files}")
    assert run.exit_code == 1
    assert "run `kedro run --pipeline=interpretability` first" in run.output


def test_explanation_of_the_same_run_is_used():
    """In the default pipeline the importances come from the nodes that make them."""
    made = pipelines["__default__"].all_outputs()
    assert {"ESM2_AMPS.explanations", "ESM2_AMP_CSE.explanations"} <= pipelines["functional_regions"].inputs() & made


def test_choice_among_importances():
    pairs = pd.DataFrame({"Protein1": ["P1"], "Protein2": ["P2"], "Label": [1], "Prediction": [1]})
    attention, shap = (
        {name: Explanation.of_pairs(pairs, [np.roll(np.arange(20), shift)], slice(1, 11))}
        for name, shift in (("attention", 0), ("forest_shap", 1))
    )
    nothing = [None] * 4
    segments, importance, _, method = select_segments(
        None, None, parameters(explained_by="forest_shap"), attention, None, shap, None, *nothing
    )
    assert method == {"model": "ESM2_AMPS", "method": "forest_shap", "why": "it was asked for"}
    assert importance.equals(shap["forest_shap"].importance)
    assert segments.set_index("Selection")["Token"].to_dict() == {"Top": "A_segment0", "Low": "A_segment1"}
    with pytest.raises(InputError, match=r"one of ESM2_AMPS\.attention, ESM2_AMPS\.forest_shap; got ESM2_AMPS\.lime"):
        select_segments(None, None, parameters(explained_by="lime"), attention, None, shap, None, *nothing)


def test_method_that_earned_it_is_chosen_and_handed_on():
    pairs = pd.DataFrame({"Protein1": ["P1"], "Protein2": ["P2"], "Label": [1], "Prediction": [1]})
    found = {
        name: Explanation.of_pairs(pairs, [np.roll(np.arange(20), shift)], slice(1, 11))
        for shift, name in enumerate(("attention", "attention_rollout", "integrated_gradients"))
    }
    columns = ["Method", "Top", "Pairs", "Rate", "Low", "High"]
    planted = pd.DataFrame([(name, 1, 9, rate, 0.1, 0.9) for name, rate in zip(found, (0.2, 0.7, 0.5), strict=True)],
                           columns=columns)  # fmt: skip
    measured = [planted, planted.assign(Rate=[0.9, 0, 0]), None, None]
    _, importance, chosen, method = select_segments(
        None, None, parameters(explained_by="auto"), found, None, None, None, *measured
    )
    assert chosen.explained_by == method["method"] == "attention_rollout"
    assert method["why"].startswith("its top token holds a planted site in 70% (10% to 90%) of 9 recognised pairs")
    assert importance.equals(found["attention_rollout"].importance)


# ---- annotations by InterProScan

INTERPROSCAN = Path(__file__).parents[1] / "data/regions/interproscan"


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("ips_pipe.tsv", {"Homologous_superfamily": 1}),
        ("ips6_pipe.gff3", {"Family": 1}),
        ("ips6.gff3", {"Family": 1}),
    ],
)
def test_families_of_interproscan_are_no_regions(name, types):
    """847 residues: a domain covers 95 to 283, all but 9 of the 85 residues of segment 1 and all of segment 2."""
    tables = (SegmentsDataset(f"{INTERPROSCAN}/{file}.csv", selection=file.title()).load() for file in ("top", "low"))
    segments, *_ = select_segments(*tables, parameters(ranks=3))
    proteins = ProteinsDataset(f"{INTERPROSCAN}/my.fasta").load()
    *found, report, _ = place_annotations(RegionFile(INTERPROSCAN / name), segments, None, proteins, parameters())
    _, rates = measure_coverage(*found, report, parameters(thresholds=[25, 75]))
    hits = rates[(rates[RATES] > 0).any(axis=1)].set_index(KEY)
    expected = [("1-1", "Top", threshold, kind) for threshold in (25, 75) for kind in ("Domain", "ALL")]
    assert hits.index.tolist() == expected
    assert hits[RATES].to_numpy().tolist() == 4 * [[100, 100, 0, 100]]
    assert "Family" not in set(rates["RegionType"])
    assert report["regions_of_other_types"] == types


def test_segments_by_the_names_of_fasta_headers(tmp_path):
    segments = segments_of(("sp|P1|ONE_HUMAN", "P2"))
    regions = write_regions(tmp_path, "P1\t100\tDOMAIN 1..10\t", "P2\t100\t\t")
    proteins = sequences(**{"tr|P1|ONE_HUMAN": 100, "P2": 100})
    kept, found, *_ = place_annotations(regions, segments, proteins, None, parameters(group="1-1"))
    assert set(kept["Protein1"]) == set(found["Entry"]) == {"P1"}


# ---- bad input

HEADER = "Entry\tLength\tDomain [FT]\tMotif\n"


def write_regions(folder: Path, *lines: str) -> RegionFile:
    path = folder / "regions.tsv"
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return RegionFile(path)


def segments_of(*pairs: tuple[str, str]) -> pd.DataFrame:
    table = pd.DataFrame(pairs, columns=["ProteinA", "ProteinB"], dtype="str")
    table = SourceTable(table.assign(Top1="A_segment0", Low1="B_segment9"), "segments.csv")
    return select_segments(table, table, parameters(group="1-1"))[0]


def sequences(**lengths: int) -> pd.DataFrame:
    return pd.DataFrame({"Entry": list(lengths), "Sequence": ["A" * length for length in lengths.values()]})


def placed(folder, lines, pairs=(("P1", "P2"),), proteins=None, **changes):
    return place_annotations(write_regions(folder, *lines), segments_of(*pairs), proteins, None, parameters(**changes))


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ("DOMAIN 90..101", "Domain 90..101 of a protein of 100 residues must end within the protein"),
        ("DOMAIN 30..20", "Domain 30..20 of a protein of 100 residues must end where it starts or later"),
        ("DOMAIN 0..20", "Domain 0..20 of a protein of 100 residues must begin at residue 1 or later"),
        ("FOLD 3..20", "'FOLD 3..20' must have a known type, got 'FOLD'"),
    ],
)
def test_region_that_does_not_fit_is_listed_and_not_counted(feature, words, tmp_path):
    lines = [f"P1\t100\tDOMAIN 1..4; {feature}\t", "P2\t100\t\tMOTIF 5..9"]
    _, regions, _, report, problems = placed(tmp_path, lines)
    assert regions[["Entry", "Start", "End"]].to_records(index=False).tolist() == [("P1", 1, 4), ("P2", 5, 9)]
    assert problems[["Row", "Entry", "Problem"]].to_records(index=False).tolist() == [(2, "P1", words)]
    assert report["problems"] == 1
    with pytest.raises(InputError, match=r"regions\.tsv row 2: P1: "):
        placed(tmp_path, lines, malformed="stop")


def test_protein_without_annotation_counts_as_uncovered_and_is_reported(tmp_path):
    lines = ["P1\t100\tDOMAIN 1..10\t", "P2\t100\t\t"]
    pairs = [("P1", "P2"), ("P2", "P1"), ("P3", "P1")]
    results = placed(tmp_path, lines, pairs, sequences(P1=100, P2=100, P3=50))
    *kept, report, _ = results
    assert report["proteins_without_annotation"] == 2
    assert report["proteins_not_in_file"] == 1
    _, rates = measure_coverage(*kept, report, parameters(group="1-1"))
    top = rates.query("Selection == 'Top' and RegionType == 'Domain'")
    assert top["Rank1Percent"].tolist() == pytest.approx([100 / 3])


def test_pairs_of_proteins_without_annotation_are_left_out_by_parameter(tmp_path):
    lines = ["P1\t100\tDOMAIN 1..10\t", "P2\t100\t\t"]
    kept, *_, report, _ = placed(tmp_path, lines, [("P1", "P2"), ("P1", "P1")], unannotated="leave_out")
    assert set(kept["Protein2"]) == {"P1"}
    assert report["pairs_left_out"] == 1
    with pytest.raises(InputError, match="No pair is left"):
        placed(tmp_path, lines, [("P1", "P2")], unannotated="leave_out")


def test_sequence_of_another_length_than_its_annotation(tmp_path):
    lines = ["P1\t100\tDOMAIN 1..10\t", "P2\t100\t\t"]
    pairs = [("P1", "P2"), ("P1", "P1")]
    proteins = sequences(P1=100, P2=99)
    words = "its sequence has 99 residues, its annotation is for 100"
    with pytest.raises(InputError, match=f"1 of 2 proteins have another length; fetch both.*\n  P2: {words}"):
        placed(tmp_path, lines, pairs, proteins)
    kept, _, _, report, problems = placed(tmp_path, lines, pairs, proteins, length_mismatch="leave_out")
    assert report["pairs_left_out"] == 1
    assert set(kept["Protein2"]) == {"P1"}
    assert problems["Problem"].tolist() == [words]


def test_protein_of_unknown_length(tmp_path):
    with pytest.raises(
        InputError, match=r"2 of 3 are neither among the sequences nor in .* such as P8, P9; give their"
    ):
        placed(tmp_path, ["P1\t100\tDOMAIN 1..10\t"], [("P1", "P9"), ("P8", "P1")])


def test_regions_of_other_proteins(tmp_path):
    words = "has none of these 2: the pairs name P8, P9, the file P1; give theirs by --params=regions=FILE"
    with pytest.raises(InputError, match=words):
        placed(tmp_path, ["P1\t100\tDOMAIN 1..10\t"], [("P8", "P9")], sequences(P8=50, P9=50))


def test_names_that_are_nearly_the_same_are_shown_from_both_sides(tmp_path):
    words = r"has none of these 2: the pairs name ENSP1, ENSP2, the file ensp1, ENSP2\.3; give theirs"
    with pytest.raises(InputError, match=words):
        placed(tmp_path, ["ENSP2.3\t100\t\t", "ensp1\t100\t\t", "A1\t9\t\t"], [("ENSP1", "ENSP2")])


def test_some_names_that_are_nearly_the_same_are_warned_of(tmp_path, caplog):
    lines = ["P1\t100\tDOMAIN 1..10\t", "P2.1\t100\t\t"]
    *_, report, _ = placed(tmp_path, lines, [("P1", "P2")], sequences(P1=100, P2=100))
    assert report["similar_names"] == {"P2": "P2.1"}
    assert (
        "1 of 2 proteins are not in the annotations, which have similar names: the pairs name P2, the file P2.1"
        in caplog.text
    )


def test_sequences_of_nearly_the_same_name_are_shown(tmp_path):
    with pytest.raises(InputError, match=r"such as P2 \(there is P2-1\); give their"):
        placed(tmp_path, ["P1\t100\tDOMAIN 1..10\t"], [("P1", "P2")], sequences(**{"P1": 100, "P2-1": 100}))


def test_annotations_none_of_which_can_be_used(tmp_path):
    words = r"can be used, but none of its 2 can; .*\n  .*row 2: P1: 'FOLD 3\.\.20' must have a known type"
    with pytest.raises(InputError, match=words):
        placed(tmp_path, ["P1\t100\tFOLD 3..20\t", "P2\t100\tFOLD 3..20\t"])


def test_types_that_do_not_count_are_reported(tmp_path, caplog):
    caplog.set_level("INFO")
    lines = ["P1\t100\tDOMAIN 1..10\tMOTIF 1..2", "P2\t100\t\tMOTIF 5..9"]
    _, regions, proteins, report, _ = placed(tmp_path, lines, types=["Domain"])
    assert regions["Type"].tolist() == ["Domain"]
    assert proteins["Annotated"].tolist() == [True, False]
    assert (report["regions"], report["regions_of_other_types"]) == (1, {"Motif": 2})
    assert "Regions of other types don't count: 2 Motif" in caplog.text


def test_unknown_type(tmp_path):
    with pytest.raises(InputError, match=r"must be among Domain, Region, .*; got 'Domian' \(did you mean Domain\?\)"):
        placed(tmp_path, ["P1\t100\tDOMAIN 1..10\t", "P2\t100\t\t"], types=["Domian"])


def test_one_table_of_segments_without_the_other():
    table = pd.DataFrame({"ProteinA": ["P1"], "ProteinB": ["P2"], "Top1": ["A_segment0"]})
    with pytest.raises(InputError, match="give both top_segments=FILE and low_segments=FILE"):
        select_segments(SourceTable(table, "segments.csv"), None, parameters(group="1-1"))


def test_table_of_another_decision_is_warned_of(caplog):
    table = pd.DataFrame({"ProteinA": ["P1"], "ProteinB": ["P2"], "Top1": ["A_segment0"], "Low1": ["A_segment1"]})
    table = SourceTable(table.assign(Prediction="0").astype("str"), "segments.csv")
    select_segments(table, table, parameters(group="1-1"))
    assert "Prediction is 0, but the group given is 1-1" in caplog.text
