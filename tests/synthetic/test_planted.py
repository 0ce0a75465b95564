"""Planted truth is checked by searching the sequences for the motifs, not by the generator's own bookkeeping."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esm2_amp.errors import InputError
from esm2_amp.parameters.planted_data import PlantedParameters, SplitCounts
from esm2_amp.synthetic.planted import AMINO_ACID_PERCENT, generate_interactome

SPLITS = ("train", "validation", "test")
SMALL = PlantedParameters(
    seed=3,
    n_proteins=SplitCounts(train=60, validation=40, test=40),
    n_pairs=SplitCounts(train=200, validation=60, test=61),
)


@pytest.fixture(scope="module")
def interactome():
    return generate_interactome(PlantedParameters())


def pairs_of(interactome):
    return {split: getattr(interactome, f"{split}_pairs") for split in SPLITS}


def found_motifs(interactome):
    """(family, role) of every motif that stands in a protein's sequence, and where (0-based), per Entry."""
    motifs = list(interactome.motifs.itertuples(index=False))
    return {
        protein.Entry: {
            (motif.Family, motif.Role): protein.Sequence.find(motif.Motif)
            for motif in motifs
            if motif.Motif in protein.Sequence
        }
        for protein in interactome.proteins.itertuples()
    }


def segments_of(length):
    """0-based residues of each segment, counted out one by one as METHOD section 1 words it."""
    sizes = [length // 10 + (1 if i < length % 10 else 0) for i in range(10)]
    residues = iter(range(length))
    return [[next(residues) for _ in range(size)] for size in sizes]


def test_a_pair_interacts_exactly_when_lock_and_key_of_one_family_are_found_in_its_sequences(interactome):
    found = found_motifs(interactome)
    complement = {"lock": "key", "key": "lock"}
    for pairs in pairs_of(interactome).values():
        expected = [
            int(any((family, complement[role]) in found[p2] for family, role in found[p1]))
            for p1, p2 in zip(pairs.Protein1, pairs.Protein2, strict=True)
        ]
        assert pairs.Label.tolist() == expected


def test_sites_stand_where_the_table_says_and_nowhere_else(interactome):
    found = {entry: places for entry, places in found_motifs(interactome).items() if places}
    listed = {s.Entry: {(s.Family, s.Role): s.Start - 1} for s in interactome.sites.itertuples()}
    assert listed == found
    assert ((interactome.sites.End - interactome.sites.Start + 1) == interactome.motifs.Motif.str.len()[0]).all()


def test_each_site_lies_within_its_segment_and_all_segments_occur(interactome):
    length_of = interactome.proteins.set_index("Entry").Sequence.str.len()
    for site in interactome.sites.itertuples():
        assert set(range(site.Start - 1, site.End)) <= set(segments_of(length_of[site.Entry])[site.Segment])
    shares = interactome.sites.Segment.value_counts(normalize=True)
    assert sorted(shares.index) == list(range(10))
    assert shares.between(0.06, 0.14).all()  # 675 sites, 0.1 expected: more than 3 standard deviations


def test_splits_share_no_protein_and_pairs_are_unique_without_self_pairs(interactome):
    splits = pairs_of(interactome)
    proteins = {split: set(pairs.Protein1) | set(pairs.Protein2) for split, pairs in splits.items()}
    assert all(proteins[a].isdisjoint(proteins[b]) for a, b in combinations(SPLITS, 2))
    for pairs in splits.values():
        unordered = {frozenset(pair) for pair in zip(pairs.Protein1, pairs.Protein2, strict=True)}
        assert len(unordered) == len(pairs)
        assert all(len(pair) == 2 for pair in unordered)


def test_pairs_are_balanced_and_half_the_negatives_are_hard(interactome):
    carriers = set(interactome.sites.Entry)
    for split, pairs in pairs_of(interactome).items():
        assert len(pairs) == getattr(PlantedParameters().n_pairs, split)
        assert pairs.Label.mean() == 0.5
        negatives = pairs[pairs.Label == 0]
        hard = negatives.Protein1.isin(carriers) & negatives.Protein2.isin(carriers)
        assert hard.mean() == 0.5
        first_role = pairs.Protein1.map(interactome.sites.set_index("Entry").Role)[pairs.Label == 1]
        assert 0.4 < (first_role == "lock").mean() < 0.6


def test_proteins_have_the_asked_lengths_and_natural_composition(interactome):
    sequences = interactome.proteins.Sequence
    assert interactome.proteins.Entry.is_unique
    assert interactome.proteins.Entry.str.fullmatch(r"SYN\d{4}").all()
    assert sequences.str.len().min() == 100
    assert sequences.str.len().max() == 160
    assert sum(AMINO_ACID_PERCENT.values()) == pytest.approx(100, abs=0.1)
    counts = pd.Series(list("".join(sequences))).value_counts(normalize=True) * 100
    # 60 of about 130 residues come from six motifs, whose own composition is a small sample.
    assert (counts - pd.Series(AMINO_ACID_PERCENT)).abs().max() < 4


def test_regions_are_the_sites_as_uniprot_writes_them_and_decoys_of_another_type(interactome):
    regions = interactome.regions.set_index("Entry")
    assert list(regions.columns) == ["Length", "Domain [FT]", "Region", "Compositional bias", "Repeat", "Motif"]
    assert (regions.Length == interactome.proteins.set_index("Entry").Sequence.str.len()).all()
    motifs = regions.Motif.dropna()
    assert motifs.to_dict() == {
        s.Entry: f'MOTIF {s.Start}..{s.End}; /note="planted {s.Role} {s.Family}"'
        for s in interactome.sites.itertuples()
    }
    decoys = regions.Region.str.extract(r'^REGION (?P<start>\d+)\.\.(?P<end>\d+); /note="decoy"$').astype(int)
    assert (decoys.end - decoys.start + 1 == 10).all()
    for entry, decoy in decoys.iterrows():
        inside = [set(range(decoy.start - 1, decoy.end)) <= set(s) for s in segments_of(regions.Length[entry])]
        assert sum(inside) == 1


def test_the_seed_decides_every_byte():
    def as_bytes(parameters):
        return [table.to_csv(index=False) for table in generate_interactome(parameters)]

    assert as_bytes(SMALL) == as_bytes(SMALL)
    other = as_bytes(SMALL.model_copy(update={"seed": 4}))
    assert all(a != b for a, b in zip(as_bytes(SMALL), other, strict=True))


def test_mutated_sites_differ_from_their_motif_at_the_asked_rate():
    interactome = generate_interactome(SMALL.model_copy(update={"mutation_rate": 0.2}))
    sequence_of = interactome.proteins.set_index("Entry").Sequence
    motif_of = interactome.motifs.set_index(["Family", "Role"]).Motif
    differs = [
        residue != expected
        for s in interactome.sites.itertuples()
        for residue, expected in zip(sequence_of[s.Entry][s.Start - 1 : s.End], motif_of[s.Family, s.Role], strict=True)
    ]
    assert np.mean(differs) == pytest.approx(0.2, abs=0.05)  # 1,050 residues: 4 standard deviations


@pytest.mark.parametrize(
    "classifier",
    [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        HistGradientBoostingClassifier(random_state=0, max_iter=20),
    ],
    ids=["logistic regression", "boosted trees"],
)
def test_composition_does_not_tell_interacting_pairs(interactome, classifier):
    counts = {
        protein.Entry: np.array([protein.Sequence.count(residue) for residue in AMINO_ACID_PERCENT])
        for protein in interactome.proteins.itertuples()
    }

    def features(pairs):
        a, b = (np.stack([counts[entry] for entry in pairs[side]]) for side in ("Protein1", "Protein2"))
        return np.hstack([a + b, abs(a - b), a * b])

    classifier.fit(features(interactome.train_pairs), interactome.train_pairs.Label)
    probability = classifier.predict_proba(features(interactome.test_pairs))[:, 1]
    auroc = roc_auc_score(interactome.test_pairs.Label, probability)
    assert 0.25 < auroc < 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"length_range": (99, 160)},
            r"at most the shortest segment, 9 residues in a protein of 99, got 10; .* at 100",
        ),
        ({"length_range": (160, 100)}, r"shortest, longest\), got \(160, 100\)"),
        ({"n_families": 6}, r"room for the residues of all motifs, 120 .*, got 100"),
        ({"n_pairs": SplitCounts(train=200, validation=60, test=4000)}, r"n_pairs.test = 4000 .* only 75; lower"),
        ({"carrier_fraction": 1.0}, r"pairs with a protein without a site, but the split's 60 proteins make only 0"),
    ],
)
def test_parameters_that_cannot_be_met_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        generate_interactome(SMALL.model_copy(update=change))


def test_unknown_parameters_are_refused():
    with pytest.raises(ValidationError, match="n_familys"):
        PlantedParameters(n_familys=2)
