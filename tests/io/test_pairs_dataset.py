from pathlib import Path

import pandas as pd
import pytest

from esm2_amp.io.pairs import PairsDataset

BERNETT = Path(__file__).parents[2] / "../shared/bernett"


def test_label_is_read_where_there_is_one(tmp_path):
    (tmp_path / "labelled.csv").write_text("Protein1,Protein2,Label,Source\nP1,P2,1,x\n")
    (tmp_path / "plain.csv").write_text("Source,Protein1,Protein2\nx,P1,P2\n")
    assert list(PairsDataset(str(tmp_path / "labelled.csv")).load().frame) == ["Protein1", "Protein2", "Label"]
    assert list(PairsDataset(str(tmp_path / "plain.csv")).load().frame) == ["Protein1", "Protein2"]


@pytest.mark.skipif(not BERNETT.is_dir(), reason="needs ../shared/bernett beside the project")
@pytest.mark.parametrize(("split", "pairs"), [("train", 163_192), ("validation", 59_260), ("test", 52_048)])
def test_bernett_pairs_agree_with_pandas(split, pairs):
    file = BERNETT / f"{split}_pairs.csv.gz"
    read = PairsDataset(str(file)).load().frame
    assert len(read) == pairs
    expected = pd.read_csv(file, dtype="str", keep_default_na=False)
    pd.testing.assert_frame_equal(read.reset_index(drop=True), expected)
    assert read.index[[0, -1]].to_list() == [2, pairs + 1]
