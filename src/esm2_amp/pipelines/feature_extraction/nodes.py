"""Nodes of `feature_extraction`: proteins to 13 vectors each, kept in the feature store."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pandas as pd

from esm2_amp.cluster import Cluster
from esm2_amp.files import SourceTable
from esm2_amp.parameters.feature_extraction import EmbeddingParameters, ExtractionParameters
from esm2_amp.parameters.run import Device, RunParameters
from esm2_amp.pipelines.types import (
    CleanProteins,
    Encoder,
    FeatureIndex,
    FeatureShard,
    ProteinFeatures,
    PublishedFeatures,
    StoreContents,
    Tensor,
)
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)


_OTHER_PRECISION = {"float32": "bfloat16", "bfloat16": "float32"}


class _Extraction(NamedTuple):
    """A group of the store, and how its vectors are computed."""

    group: str
    width: int
    provenance: dict[str, Any]


def check_proteins(proteins_raw: SourceTable | None, parameters: ExtractionParameters) -> CleanProteins:
    """Check the protein file: ids that are there and unique, sequences of amino acids only, none cut or too short.

    What is harmless (case, blanks, a `*` at the end) is put right and counted.

    Parameters
    ----------
    proteins_raw : SourceTable, optional
        `Entry` and `Sequence`; None where features were given in place of proteins.
    parameters : ExtractionParameters
        How sequences are checked and embedded.

    Returns
    -------
    proteins : DataFrame
        Of `esm2_amp.validation.proteins.CleanProteins`; empty without `proteins_raw`.
    report : dict
        Counts of what was read, changed and dropped.
    dropped_proteins : DataFrame
        What was left out, and why.
    """
    from esm2_amp.validation.proteins import DROPPED_COLUMNS, CleanProteins, clean_proteins

    if proteins_raw is None:
        none = pd.DataFrame({"Entry": [], "Sequence": []}, dtype="str")
        return CleanProteins(none, {"read": 0, "kept": 0}, pd.DataFrame(columns=list(DROPPED_COLUMNS), dtype="str"))
    return clean_proteins(proteins_raw, bad_proteins=parameters.bad_proteins, shortest=parameters.shortest_protein)


def extract_features(
    proteins: pd.DataFrame,
    encoder: Callable[[], Encoder],
    stored: StoreContents,
    published: PublishedFeatures | None,
    parameters: ExtractionParameters,
    run: RunParameters,
) -> Iterator[FeatureShard | FeatureIndex]:
    """Embed each protein by ESM-2 as 13 vectors: cls, the means of ten segments, eos, and the mean of all residues.

    Only proteins that the store lacks are embedded, shard by shard; then all are indexed.

    Parameters
    ----------
    proteins : DataFrame
        Columns `Entry`, `Sequence`.
    encoder : callable
        Loads the encoder, where it is needed.
    stored : StoreContents
        What earlier runs left in the store.
    published : PublishedFeatures, optional
        Features in the published layout, which take the place of proteins and encoder.
    parameters : ExtractionParameters
        How sequences are checked and embedded.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Yields
    ------
    FeatureShard
        Vectors of some proteins, written before the next are computed.
    FeatureIndex
        Where the vectors of each protein are, once all have them.
    """
    from esm2_amp.io.feature_store import FeatureIndex

    if published is not None:
        yield from _import_published(published, parameters)
        return
    loaded, parameters = encoder(), _with_precision(parameters, run.device)
    extraction = _extraction(loaded, parameters)
    keys = proteins["Sequence"].map(_sha256)
    wanted = pd.DataFrame({"key": keys, "sequence": proteins["Sequence"], "length": proteins["Sequence"].str.len()})
    wanted = wanted.drop_duplicates("key")
    present = stored.of(extraction.group)
    missing = wanted[~wanted["key"].isin(present["key"])].sort_values(["length", "key"], ascending=[False, True])
    logger.info(
        "%s proteins, %s different sequences: %s are in the store, %s to embed",
        f"{len(proteins):,}", f"{len(wanted):,}", f"{len(wanted) - len(missing):,}", f"{len(missing):,}",
    )  # fmt: skip
    if len(missing) and (others := missing["key"].isin(stored.of(_other_group(loaded, parameters))["key"]).sum()):
        logger.info(
            "%s of them are in the store in %s, by another setting or machine: vectors of two precisions aren't mixed",
            f"{others:,}", _OTHER_PRECISION[parameters.embedding.precision],
        )  # fmt: skip
    located = [present]
    for shard in _embed_shards(missing, loaded, extraction.group, parameters, run):
        yield shard
        located.append(shard.table.assign(shard=shard.name, row=range(len(shard.table))))
    table = pd.DataFrame({"Entry": proteins["Entry"], "key": keys}).merge(pd.concat(located), on="key", how="left")
    if windowed := int((table["windows"] > 1).sum()):
        whole = parameters.embedding.whole_up_to
        logger.info("%s proteins above %s residues were read in overlapping windows", f"{windowed:,}", f"{whole:,}")
    yield FeatureIndex(extraction.group, table, extraction.width, extraction.provenance)


def export_features(features: ProteinFeatures) -> PublishedFeatures:
    """All vectors of all proteins as one table in the layout in which the authors of ESM2_AMP publish features."""
    from esm2_amp.io.published_features import PublishedFeatures

    return PublishedFeatures(features.entries, features.select(slice(None)).float().numpy())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _extraction(encoder: Encoder, parameters: ExtractionParameters) -> _Extraction:
    options = parameters.embedding.model_dump(exclude={"tokens_per_batch"}) | {"stored_as": parameters.stored_as}
    provenance = {"encoder": encoder.source, "fingerprint": encoder.fingerprint, "options": options}
    group = _sha256(json.dumps([encoder.fingerprint, options], sort_keys=True))[:16]
    return _Extraction(group, encoder.width, provenance)


def _with_precision(parameters: ExtractionParameters, device: Device) -> ExtractionParameters:
    """The parameters with the precision that `auto` is here: vectors of another one belong to another group."""
    from esm2_amp.devices import resolve_device
    from esm2_amp.precision import resolve_precision

    return _at_precision(parameters, resolve_precision(parameters.embedding.precision, resolve_device(device)))


def _at_precision(parameters: ExtractionParameters, precision: str) -> ExtractionParameters:
    embedding = parameters.embedding.model_copy(update={"precision": precision})
    return parameters.model_copy(update={"embedding": embedding})


def _other_group(encoder: Encoder, parameters: ExtractionParameters) -> str:
    """Where the store keeps vectors that differ from these by their precision alone."""
    return _extraction(encoder, _at_precision(parameters, _OTHER_PRECISION[parameters.embedding.precision])).group


def _embed_shards(
    missing: pd.DataFrame, encoder: Encoder, group: str, parameters: ExtractionParameters, run: RunParameters
) -> Iterator[FeatureShard]:
    """Embed shards of similar lengths, longest first, so that a lack of memory shows at once."""
    import torch

    from esm2_amp.encoder.embedding import embedding_work
    from esm2_amp.io.feature_store import FeatureShard

    work = embedding_work(missing["length"], encoder.width, parameters.embedding)
    progress = Progress(logger, "embedding residues", int(missing["length"].sum()), work=work)
    parts = [part for _, part in missing.groupby(_shard_numbers(missing["length"], parameters.shard_residues))]
    sequences, options, cluster = [part["sequence"].tolist() for part in parts], parameters.embedding, Cluster.of(run)
    if cluster:
        embedded = _embed_on_cluster(sequences, encoder, options, cluster, progress)
    else:
        embedded = _embed_locally(sequences, encoder, options, run.device, progress)
    for number, feature in embedded:
        part = parts[number]
        windows = [len(options.window_starts(length)) for length in part["length"]]
        table = part[["key", "length"]].assign(windows=windows).reset_index(drop=True)
        yield FeatureShard(group, table, feature.to(getattr(torch, parameters.stored_as)))


def _embed_locally(
    parts: list[list[str]], encoder: Encoder, options: EmbeddingParameters, device: Device, progress: Progress
) -> Iterator[tuple[int, Tensor]]:
    from esm2_amp.devices import resolve_device
    from esm2_amp.encoder.embedding import embed

    resolved = resolve_device(device)
    for number, part in enumerate(parts):
        yield number, embed(encoder, part, options, resolved, progress.add)


def _embed_on_cluster(
    parts: list[list[str]], encoder: Encoder, options: EmbeddingParameters, cluster: Cluster, progress: Progress
) -> Iterator[tuple[int, Tensor]]:
    from esm2_amp.encoder.cluster import SharedEncoder, embed_on_cluster
    from esm2_amp.encoder.embedding import embedding_work

    for number, features in embed_on_cluster(SharedEncoder.of(encoder), options, parts, cluster):
        lengths = [len(sequence) for sequence in parts[number]]
        progress.add(sum(lengths), embedding_work(lengths, encoder.width, options))
        yield number, features


def _shard_numbers(lengths: pd.Series, most: int) -> list[int]:
    """Number shards, filled one after another, so that a run that goes on after a kill makes the same shards."""
    numbers: list[int] = []
    number = filled = 0
    for length in lengths:
        if filled and filled + length > most:
            number, filled = number + 1, 0
        filled += length
        numbers.append(number)
    return numbers


def _import_published(published: PublishedFeatures, parameters: ExtractionParameters) -> Iterator[Any]:
    """A shard of imported features, keyed by their content, since no sequence is known, and its index."""
    import torch

    from esm2_amp.io.feature_store import FeatureIndex, FeatureShard

    feature = torch.from_numpy(published.feature).to(getattr(torch, parameters.stored_as))
    digest = hashlib.sha256(feature.contiguous().numpy().tobytes()).hexdigest()
    provenance = {
        "encoder": "imported",
        "fingerprint": digest,
        "options": {"stored_as": parameters.stored_as},
        "tokens": list(published.tokens),
    }
    group, width = f"imported-{digest[:16]}", feature.shape[-1]
    table = pd.DataFrame({"key": [_sha256(entry) for entry in published.entries], "length": 0, "windows": 0})
    shard = FeatureShard(group, table, feature)
    yield shard
    index = table.assign(Entry=published.entries, shard=shard.name, row=range(len(table)))
    yield FeatureIndex(group, index, width, provenance)
