"""Nodes of `pair_building`: cleaned pairs as row numbers into the protein features, with their split."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.parameters.pair_building import SPLITS, PairParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Figure, ProteinFeatures, Section, SplitFractions

logger = logging.getLogger(__name__)


_MODEL_COLUMNS = ["Protein1", "Protein2", "a", "b", "label", "split"]


def compare_sequences(proteins: pd.DataFrame, parameters: PairParameters) -> pd.DataFrame:
    """Find proteins with similar sequences (MMseqs2), which a split may have to keep together.

    The table is empty where neither the split nor the audit needs it.

    Parameters
    ----------
    proteins : DataFrame
        Columns `Entry`, `Sequence`; empty where features were imported in their place.
    parameters : PairParameters
        How pairs are cleaned, split and audited.

    Returns
    -------
    similar : DataFrame
        The result of `esm2_amp.splits.similarity.similar_proteins`.
    """
    from esm2_amp.splits.similarity import similar_proteins

    if not parameters.compares_sequences:
        none = np.empty(0, dtype=np.int64)
        return pd.DataFrame({"a": none, "b": none, "identity": none.astype(np.float64)})
    if proteins.empty:
        raise InputError(
            "pair_building.split cluster_disjoint and pair_building.similarity compare sequences, but there are none: "
            "features were imported in their place; give --params=proteins=FILE instead of features=FILE, or choose "
            "another split and similarity.enabled=false"
        )
    return similar_proteins(proteins["Sequence"].tolist(), parameters.similarity)


def clean_pair_files(
    pairs_raw: SourceTable,
    validation_pairs_raw: SourceTable | None,
    test_pairs_raw: SourceTable | None,
    proteins: pd.DataFrame,
    dropped_proteins: pd.DataFrame | None,
    parameters: PairParameters,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check the pair files against the proteins, and put them into one table.

    Parameters
    ----------
    pairs_raw, validation_pairs_raw, test_pairs_raw : SourceTable
        The files as read; the last two are needed only for `split: files`.
    proteins : DataFrame
        Column `Entry`: the known proteins. Where it is empty, since features are given in their place, `split_pairs`
        looks the names up in these.
    dropped_proteins : DataFrame, optional
        Proteins that were left out of the features, whose pairs are left out, too.
    parameters : PairParameters
        How pairs are cleaned, split and audited.

    Returns
    -------
    pairs : DataFrame
        Columns `Protein1`, `Protein2`, `Label` (int8), `file` and `row` where a pair stands, and `file_split`, which is
        empty unless files give the split.
    report : dict
        Counts of what was read, changed and dropped, by file.
    """
    from esm2_amp.validation.pairs import clean_pairs

    dropped = [] if dropped_proteins is None else dropped_proteins["Entry"].unique().tolist()
    files = {"train": pairs_raw}
    if parameters.split == "files":
        others = {"validation": validation_pairs_raw, "test": test_pairs_raw}
        for name, table in others.items():
            if table is None:
                raise InputError(
                    f"pair_building.split is 'files', which needs a {name} pair file, but there is none where "
                    f"{name}_pairs points; give --params={name}_pairs=FILE, or choose split random or protein_disjoint"
                )
            files[name] = table
    tables, report = [], {}
    for split, raw in files.items():
        clean, report[split] = clean_pairs(
            raw,
            proteins["Entry"].tolist() if len(proteins) else None,
            self_pairs=parameters.self_pairs,
            duplicate_pairs=parameters.duplicate_pairs,
            labels="required",
            protein_source="the protein file",
            dropped=dropped,
        )
        if of_dropped := report[split]["of_dropped_proteins"]:
            logger.warning("%s pairs of %s are left out: a protein of theirs was dropped", f"{of_dropped:,}", raw.file)
        file_split = split if parameters.split == "files" else ""
        tables.append(clean.assign(file=Path(raw.file).name, file_split=file_split))
    return pd.concat(tables, ignore_index=True), report


def split_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    proteins: pd.DataFrame,
    similar: pd.DataFrame,
    parameters: PairParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Give every pair its split: training, validation or test.

    Row numbers of its proteins in the features, and how many of the two are in training pairs, are added.

    Parameters
    ----------
    pairs : DataFrame
        Pairs from `clean_pair_files`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    proteins, similar : DataFrame
        The input and the result of `compare_sequences`.
    parameters : PairParameters
        How pairs are cleaned, split and audited.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    model_pairs : DataFrame
        Columns `Protein1`, `Protein2`; `a`, `b` (int32 rows into the features); `label` (float32); `split`; `seen`.
    report : dict
        What the data is called; how the split was made; pairs, positives and proteins by split, and pairs dropped.
    """
    from esm2_amp.pairs import protein_rows
    from esm2_amp.splits.audit import check_split
    from esm2_amp.splits.splitting import seen_class

    entries = features.entries
    if proteins.empty:
        pairs = _named_as_features(pairs, entries)
    if parameters.compares_sequences and proteins["Entry"].tolist() != entries:
        raise InputError(
            "Similar proteins were searched among other proteins than those of the stored features; "
            "run `kedro run --pipeline=feature_extraction`, then pair_building again"
        )
    a, b = (rows.astype(np.int32) for rows in protein_rows(entries, pairs))
    table = pairs.assign(a=a, b=b, label=pairs["Label"].to_numpy(np.float32))
    table["split"] = _assign_splits(table, similar, len(entries), parameters, run.seed)
    kept = table[table["split"].notna()]
    # Before the sample: whether a split is sound must not depend on the pairs drawn.
    check_split(kept, claims_disjoint_proteins=parameters.claims_disjoint_proteins)
    kept = _sample(kept[_MODEL_COLUMNS], parameters, run.seed).reset_index(drop=True)
    kept = kept.assign(seen=seen_class(kept))
    made: dict[str, Any] = {"data_name": run.data_name, "split": parameters.split}
    report = made | {"pairs_dropped": len(table) - len(kept)} | _split_report(kept)
    _check_splits(kept, parameters)
    logger.info("%s", "; ".join(f"{split} {report[split]['pairs']:,} pairs" for split in SPLITS))
    if apart := int(table["split"].isna().sum()):
        logger.info("%s pairs are left out: their two proteins are in different splits", f"{apart:,}")
    return kept, report


def _named_as_features(pairs: pd.DataFrame, entries: list[str]) -> pd.DataFrame:
    """Pairs under the names of imported features, or an InputError with those that are of none."""
    from esm2_amp.names import examples_of_unknown, match_names

    partners = ["Protein1", "Protein2"]
    entry_of = match_names(pd.unique(pairs[partners].to_numpy().ravel()), entries)
    unknown = pairs[~pairs[partners].isin(list(entry_of)).all(axis=1)]
    if len(unknown):
        names = [name for name in unknown[partners].to_numpy().ravel() if name not in entry_of]
        raise InputError(
            f"Every pair must be of proteins that have features, but {len(unknown):,} pairs aren't, first row "
            f"{unknown['row'].iloc[0]} of {unknown['file'].iloc[0]}: such as {examples_of_unknown(names, entries)}; "
            "add the features of these proteins, or drop their pairs"
        )
    return pairs.assign(**{name: pairs[name].map(entry_of) for name in partners})


def _assign_splits(
    table: pd.DataFrame, similar: pd.DataFrame, n_proteins: int, parameters: PairParameters, seed: int
) -> NDArray[np.object_]:
    from esm2_amp.splits.clusters import cluster_disjoint_split, similarity_clusters
    from esm2_amp.splits.splitting import SplitFractions, protein_disjoint_split, random_split

    fractions = SplitFractions(parameters.validation_fraction, parameters.test_fraction)
    a, b, label = (table[name].to_numpy() for name in ("a", "b", "Label"))
    if parameters.split == "files":
        return table["file_split"].to_numpy(object)
    if parameters.split == "random":
        _check_enough_for_split(label, fractions)
        return random_split(label, fractions, seed)
    if parameters.split == "protein_disjoint":
        return protein_disjoint_split(a, b, fractions, seed)
    cluster = similarity_clusters(similar, n_proteins)
    sizes = np.bincount(cluster)
    logger.info(
        "%s proteins in %s clusters of similar ones, %s in the largest",
        f"{n_proteins:,}", f"{len(sizes):,}", f"{sizes.max():,}",
    )  # fmt: skip
    return cluster_disjoint_split(a, b, cluster, fractions, seed)


def _check_enough_for_split(label: np.ndarray, fractions: SplitFractions) -> None:
    fewest, kind = min((int((label == value).sum()), kind) for value, kind in ((0, "negative"), (1, "positive")))
    needed = int(np.ceil(1 / min(fractions.all)))
    if fewest < needed:
        raise InputError(
            f"A random split in the fractions {', '.join(f'{share:.2g}' for share in fractions.all)} needs at least "
            f"{needed} pairs of each class, got {fewest} {kind}; add pairs or change the fractions"
        )


def _sample(pairs: pd.DataFrame, parameters: PairParameters, seed: int) -> pd.DataFrame:
    parts = []
    for split in SPLITS:
        part, most = pairs[pairs["split"] == split], parameters.sample.get(split)
        parts.append(part if most is None or most >= len(part) else part.sample(most, random_state=seed))
    return pd.concat(parts).sort_index()


def _split_report(pairs: pd.DataFrame) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for split in SPLITS:
        part = pairs[pairs["split"] == split]
        report[split] = {
            "pairs": len(part),
            "positives": int(part["label"].sum()),
            "proteins": int(np.unique(part[["a", "b"]]).size),
        }
    return report


def _check_splits(pairs: pd.DataFrame, parameters: PairParameters) -> None:
    for split in SPLITS:
        label = pairs.loc[pairs["split"] == split, "label"]
        if label.nunique() < 2:  # noqa: PLR2004
            raise InputError(
                f"The {split} split must hold pairs of both classes, got {int((label == 1).sum())} positive and "
                f"{int((label == 0).sum())} negative after split '{parameters.split}'; add pairs, or choose "
                "another split, fractions or seed under pair_building"
            )


def audit_split(
    pairs: pd.DataFrame,
    split_report: dict[str, Any],
    features: ProteinFeatures,
    similar: pd.DataFrame,
    parameters: PairParameters,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Count what the splits share: proteins, identical sequences, similar proteins.

    The more the test pairs share with the training pairs, the more a score may be memory. How far the label follows
    from a protein's number of partners (its degree) is measured, too.

    Parameters
    ----------
    pairs : DataFrame
        Model pairs from `split_pairs`.
    split_report : dict
        The report of `split_pairs`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    similar : DataFrame
        Similar proteins from `compare_sequences`.
    parameters : PairParameters
        How pairs are cleaned, split and audited.

    Returns
    -------
    report : dict
        `split_report`, and under `audit` the report of `esm2_amp.splits.audit.Audit`.
    degrees : DataFrame
        The degrees of the same audit.
    """
    from esm2_amp.splits.audit import audit_pairs

    audit = audit_pairs(pairs, features.index["key"].tolist(), similar if parameters.compares_sequences else None)
    seen = audit.report["splits"]["test"]["seen_in_training"]
    logger.info(
        "Test pairs with both proteins in training (C1): %s, with one (C2): %s, with none (C3): %s",
        *(f"{seen[name]:,}" for name in ("C1", "C2", "C3")),
    )
    return split_report | {"audit": audit.report}, audit.degrees


def draw_audit(leakage_audit: dict[str, Any], degrees: pd.DataFrame, run: RunParameters) -> Figure:
    """Draw how many pairs proteins have in positives and in negatives, and how many proteins two splits share.

    Parameters
    ----------
    leakage_audit : dict
        The report of `audit_split`.
    degrees : DataFrame
        The degrees of `audit_split`.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    """
    from esm2_amp.splits.audit import Audit
    from esm2_amp.splits.figures import audit_figure

    return audit_figure(Audit(leakage_audit["audit"], degrees), f"Split of {run.data_name}")


def describe_data(
    proteins_report: dict[str, int], pairs_report: dict[str, Any], leakage_audit: dict[str, Any], plot: bytes | None
) -> Section:
    """Say for the report what the files held, how pairs were split, and what the splits share.

    Parameters
    ----------
    proteins_report : dict
        Of `feature_extraction`.
    pairs_report : dict
        Of `clean_pair_files`.
    leakage_audit : dict
        The report of `audit_split`.
    plot : bytes, optional
        PNG of `draw_audit`.
    """
    from esm2_amp.report.run import data_part

    return data_part(proteins_report, pairs_report, leakage_audit, plot)
