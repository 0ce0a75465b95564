"""What a page says of masked residues, and of measures that agree or don't."""

import numpy as np
import pandas as pd
import pytest

from esm2_amp.report.residues import agreement_table, deletion_table, deletion_words, masked_pairs_table

AREAS = pd.DataFrame(
    [
        ("Attribution", 12, 0.4, 1.5, 0.25, 1.25, 0.8, 1.7, "better than random"),
        ("ScanEffect", 12, 0.4, 2.0, 0.5, 1.5, 1.0, 2.0, "better than random"),
    ],
    columns=["Method", "Pairs", "UpTo", "Fall", "RandomFall", "Difference", "Low", "High", "Verdict"],
)
AGREEMENT = pd.DataFrame(
    [("P", "Q", "A", 0.5, 10, 12, 2), ("P", "Q", "B", np.nan, 3, 33, 30), ("P", "R", "A", 0.7, 7, 11, 4)],
    columns=["Protein1", "Protein2", "Side", "Correlation", "AttributionPeak", "ScanPeak", "Distance"],
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "by 1.25 more than masking random windows of the same sizes (12 pairs, 95 % interval +0.80 to +1.70; the "
             "mean over shares up to 40% of the residues)"),
        ({"Difference": -0.5, "Low": -0.9, "High": -0.1}, "by 0.50 less than masking random windows of the same sizes "
                                                          "(12 pairs, 95 % interval -0.90 to -0.10;"),
        ({"Pairs": 1, "Low": np.nan, "High": np.nan, "Verdict": "too few pairs"},
         "by 1.25 more than masking random windows of the same sizes (1 pair, too few for an interval;"),
    ],
)  # fmt: skip
def test_one_number_is_put_into_words(changes, words):
    areas = AREAS.copy()
    areas.loc[0, list(changes)] = list(changes.values())
    told = deletion_words(areas, None)
    assert f"Masking the residues named first by Integrated Gradients lowers the logit {words}" in told
    assert "is no test" in told
    assert "rank correlation" not in told


def test_agreement_is_the_median_over_proteins():
    told = deletion_words(AREAS, AGREEMENT)
    assert "rank correlation of 0.60, and their peaks are 4 residues apart (medians of 3 proteins of pairs)" in told
    assert deletion_words(AREAS, AGREEMENT[:0]) == deletion_words(AREAS, None)


def test_tables_hold_the_values_and_call_measures_by_their_names():
    table = deletion_table(AREAS)
    assert [row[0].text for row in table.rows] == ["Integrated Gradients", "Changed sequence"]
    difference = table.rows[0][table.headings.index("Difference")]
    assert (difference.text, difference.note) == ("+1.25", "+0.80 to +1.70")
    pairs = pd.DataFrame([("P", "Q", "ScanEffect", 1.0, 0.25, 0.75, 3, 4)],
                         columns=["Protein1", "Protein2", "Method", "Fall", "RandomFall", "Difference", "Exceeded",
                                  "Placements"])  # fmt: skip
    assert [cell.text for cell in masked_pairs_table(pairs).rows[0]] == [
        "P", "Q", "Changed sequence", "1.00", "0.25", "+0.75", "3 of 4 placements",
    ]  # fmt: skip
    assert [cell.text for cell in agreement_table(AGREEMENT).rows[1]] == ["P", "Q", "B", "–", "3", "33", "30"]
