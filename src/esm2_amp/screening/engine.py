"""The screen itself: tiles are scored here or by the workers of a cluster, and what remains of them is added up."""

import copy
import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.cluster import Cluster
from esm2_amp.devices import resolve_device, side_by_side
from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import hash_tensors
from esm2_amp.parameters.run import Device, ResolvedPrecision
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.progress import Progress
from esm2_amp.screening.kept import COARSE, EDGES, Keeping, Kept, PartOfScreen, Watch, candidate_pairs, keep
from esm2_amp.screening.scorers import Prepared, Scorer, pairs_at_once, scorer_of
from esm2_amp.screening.store import ScreenStore
from esm2_amp.screening.tiles import Tile, WantedPairs, sub_grids, tile_shape
from esm2_amp.statistics.metrics import sigmoid

logger = logging.getLogger(__name__)

_PREPARED_AT_ONCE: Final = 64
_SAMPLED: Final = (64, 16)
"""Blocks of pairs that are drawn to estimate how many reach the threshold, and the proteins of a block's sides."""

_BYTES_OF_A_CANDIDATE: Final = 200
"""Of a pair in all files of results together, about."""

MANY_THREADS: Final = 1 << 20
"""More batches than there are threads."""


@dataclass(frozen=True)
class Work:
    """What all tiles of a screen have in common. It is sent to the workers of a cluster as it is.

    Attributes
    ----------
    network : PairNetwork
        The network that scores.
    device : {"auto", "cpu", "cuda", "mps"}
        Where tiles are scored, on each worker's machine.
    precision : {"float32", "bfloat16"}
        Number format of the network while it scores, the same on all machines.
    wanted : WantedPairs
        The pairs that are scored.
    keeping : Keeping
        What is kept of the scores.
    """

    network: PairNetwork
    device: Device
    precision: ResolvedPrecision
    wanted: WantedPairs
    keeping: Keeping

    @cached_property
    def scorer(self) -> Scorer:
        """The network as it scores on this machine."""
        network = copy.deepcopy(self.network).requires_grad_(requires_grad=False)
        return scorer_of(network.to(resolve_device(self.device), getattr(torch, self.precision)))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "scorer"}

    def fingerprint(self, table: Tensor, shape: tuple[int, int]) -> str:
        """A hash of everything that decides the scores and what is kept of them."""
        watch = self.keeping.watch
        parts = [self.wanted.queries, self.wanted.targets, *watch]
        digest = hash_tensors(table, *self.network.state_dict().values(), *map(torch.from_numpy, parts))
        others = self.precision, self.wanted.self_pairs, self.keeping.top, self.keeping.threshold, shape, len(EDGES)
        return hashlib.sha256(repr((digest, type(self.network).__name__, others)).encode()).hexdigest()


def screen(
    work: Work, table: Tensor, folder: Path, parameters: ScreeningParameters, cluster: Cluster | None = None
) -> Kept:
    """Score all pairs that are wanted.

    Parameters
    ----------
    work : Work
        What all tiles have in common.
    table : Tensor, shape (P, T / 2, D), float32 or float16
        The vectors of the proteins that the network reads, on the CPU.
    folder : Path
        Where what is kept so far is written. A screen of the same proteins, model and parameters goes on from there.
    parameters : ScreeningParameters
        Which pairs are scored, and what is kept of them.
    cluster : Cluster, optional
        Workers that score the tiles.

    Raises
    ------
    InputError
        Too many pairs reach the threshold, a score isn't a number, or the disk is full.
    """
    wanted = work.wanted
    shape = tile_shape(wanted, 4 * work.scorer.floats_per_protein, parameters.pairs_per_tile)
    tiles = list(wanted.tiles(shape))
    folder.mkdir(parents=True, exist_ok=True)
    store = ScreenStore(folder, work.fingerprint(table, shape), parameters.save_every)
    kept, done = store.load(wanted.queries, work.keeping, len(tiles))
    scored = int(kept.scores.sum())
    if scored:
        logger.info("%s of %s pairs were scored by an earlier run", f"{scored:,}", f"{len(wanted):,}")
    else:
        _check_room(work, table, folder, parameters.most_candidates)
    progress = Progress(logger, "scoring pairs", len(wanted) - scored, unit="pairs")
    waiting = ((number, tile) for number, tile in enumerate(tiles) if not done[number])
    results = _parts_of_cluster(work, table, waiting, cluster) if cluster else _parts_here(work, table, waiting)
    for number, part in results:
        kept.add(part)
        done[number] = True
        progress.add(int(part.scores.sum()))
        if kept.n_above > parameters.most_candidates:
            raise _too_many(kept, len(wanted), work.keeping.threshold, parameters.most_candidates)
        store.save(kept, done)
    store.save(kept, done, now=True)
    return kept


def background_of(
    work: Work,
    table: Tensor,
    kept: Kept,
    folder: Path,
    parameters: ScreeningParameters,
    seed: int,
    cluster: Cluster | None = None,
) -> Kept | None:
    """Scores of the queries' partners with others drawn at random, which tell partners that score high with all.

    The sample has neither queries nor partners, so that every partner is scored with the same proteins.

    Parameters
    ----------
    work : Work
        A screen of queries.
    table : Tensor, shape (P, T / 2, D), float32 or float16
        The vectors of each protein that the network reads.
    kept : Kept
        What is kept of it.
    folder : Path
        That of the screen; this one's is below it.
    parameters : ScreeningParameters
        Among them how many proteins are drawn.
    seed : int
        Of the draw.
    cluster : Cluster, optional
        Workers that score the tiles.

    Returns
    -------
    background : Kept, or None
        None where no proteins are to be drawn or none are left, or all partners are queries.
    """
    pairs = candidate_pairs(kept)
    partners = np.setdiff1d(np.concatenate([pairs.a, pairs.b]), work.wanted.queries)
    others = np.setdiff1d(work.wanted.targets, np.union1d(partners, work.wanted.queries))
    size = min(parameters.background, len(others))
    if not size or not len(partners):
        return None
    drawn = np.random.default_rng(seed).choice(others, size, replace=False)
    is_partner, is_drawn = np.zeros((2, len(table)), bool)
    is_partner[partners], is_drawn[drawn] = True, True
    wanted = WantedPairs.of(is_partner, is_drawn, self_pairs=False)
    logger.info("Scoring the %s partners found with %s proteins drawn at random", f"{len(partners):,}", f"{size:,}")
    keeping = Keeping(1, np.inf, Watch.nothing(len(table)))
    return screen(replace(work, wanted=wanted, keeping=keeping), table, folder / "background", parameters, cluster)


def keep_of_tile(work: Work, number: int, tile: Tile, of_rows: Tensor, of_columns: Tensor) -> tuple[int, PartOfScreen]:
    """Score a tile, and keep what is kept of it.

    Parameters
    ----------
    work : Work
        What all tiles have in common.
    number : int
        Of the tile, which is returned with the part.
    tile : Tile
        The rows and columns that are scored.
    of_rows, of_columns : Tensor, shape (r, T / 2, D) and (c, T / 2, D), float32 or float16
        The vectors of its proteins.
    """
    with side_by_side(MANY_THREADS, work.scorer.device) as pool:
        return number, _kept_of(work, tile, _scored(work, pool, tile, of_rows, of_columns))


def _parts_of_cluster(
    work: Work, table: Tensor, tiles: Iterable[tuple[int, Tile]], cluster: Cluster
) -> Iterator[tuple[int, PartOfScreen]]:
    parts = ((number, tile, *_vectors(work.wanted, table, tile)) for number, tile in tiles)
    yield from cluster.results(keep_of_tile, work, parts)


def _parts_here(work: Work, table: Tensor, tiles: Iterable[tuple[int, Tile]]) -> Iterator[tuple[int, PartOfScreen]]:
    """What is kept of each tile; while this is found out, the next tile is scored already."""
    before: tuple[int, Future[PartOfScreen]] | None = None
    with side_by_side(MANY_THREADS, work.scorer.device) as pool:
        for number, tile in tiles:
            logit = _scored(work, pool, tile, *_vectors(work.wanted, table, tile))
            if before is not None:
                yield before[0], before[1].result()
            before = number, pool.submit(_kept_of, work, tile, logit)
        if before is not None:
            yield before[0], before[1].result()


def _vectors(wanted: WantedPairs, table: Tensor, tile: Tile) -> tuple[Tensor, Tensor]:
    rows, columns = wanted.queries[tile.rows], wanted.targets[tile.columns]
    return table[torch.from_numpy(rows)], table[torch.from_numpy(columns)]


def _kept_of(work: Work, tile: Tile, logit: Tensor) -> PartOfScreen:
    rows, columns = work.wanted.queries[tile.rows], work.wanted.targets[tile.columns]
    return keep(logit, work.wanted.mask(tile), rows, columns, work.wanted, work.keeping)


def _scored(work: Work, pool: Executor, tile: Tile, of_rows: Tensor, of_columns: Tensor) -> Tensor:
    """Logits of a tile, 0 for pairs that aren't wanted: shape (r, c), float32, on the scorer's device."""
    return score_grid(work.scorer, pool, of_rows, of_columns, work.wanted.mask(tile))


def score_grid(scorer: Scorer, pool: Executor, of_rows: Tensor, of_columns: Tensor, mask: NDArray[np.bool_]) -> Tensor:
    """Logits of the pairs of r with c proteins, scored part by part by the threads of a pool.

    Parameters
    ----------
    scorer : Scorer
        The network as it scores.
    pool : Executor
        Of `esm2_amp.devices.side_by_side`, so that each operation is by one thread, and no score depends on how many
        threads there are.
    of_rows, of_columns : Tensor, shape (r, T / 2, D) and (c, T / 2, D), float32 or float16
        The vectors of both sides' proteins.
    mask : ndarray, shape (r, c), bool
        Which pairs are wanted. Others are scored or not.

    Returns
    -------
    logit : Tensor, shape (r, c), float32
        On the scorer's device; 0 for pairs that weren't scored.
    """
    rows, columns = (prepare_all(scorer, pool, vectors) for vectors in (of_rows, of_columns))
    logit = torch.zeros(mask.shape, device=scorer.device)

    @torch.inference_mode()
    def score(part: tuple[slice, slice]) -> None:
        logit[part] = scorer.score(*(tuple(x[at] for x in of) for of, at in zip((rows, columns), part, strict=True)))

    list(pool.map(score, sub_grids(mask, pairs_at_once(scorer))))
    return logit


def prepare_all(scorer: Scorer, pool: Executor, vectors: Tensor) -> Prepared:
    """What scoring needs of each of n proteins, prepared part by part by the threads of a pool.

    Parameters
    ----------
    scorer : Scorer
        The network as it scores.
    pool : Executor
        Of `esm2_amp.devices.side_by_side`.
    vectors : Tensor, shape (n, T / 2, D), float32 or float16
        The vectors that the network reads.
    """
    prepare = torch.inference_mode()(scorer.prepare)
    parts: Sequence[Prepared] = list(pool.map(prepare, vectors.split(_PREPARED_AT_ONCE)))
    return tuple(torch.cat(of_all) for of_all in zip(*parts, strict=True))


def sample_of_logits(work: Work, table: Tensor) -> NDArray[np.float32]:
    """Logits of some wanted pairs, drawn block by block, always the same ones; shape (B,), float32."""
    rng, (blocks, side) = np.random.default_rng(0), _SAMPLED
    logits = []
    with side_by_side(MANY_THREADS, work.scorer.device) as pool:
        for _ in range(blocks):
            rows, columns = (
                torch.from_numpy(rng.choice(of, min(side, len(of)), replace=False))
                for of in (work.wanted.queries, work.wanted.targets)
            )
            mask = np.ones((len(rows), len(columns)), bool)
            logits.append(score_grid(work.scorer, pool, table[rows], table[columns], mask).flatten().cpu().numpy())
    return np.concatenate(logits)


def _check_room(work: Work, table: Tensor, folder: Path, most: int) -> None:
    """Raise InputError where more pairs than may be kept, or more than the disk has room for, must be expected."""
    n_queries, top = len(work.wanted.queries), work.keeping.top
    expected = min(len(work.wanted), n_queries * top)
    if expected > most:
        raise InputError(
            f"The {top} best partners of {n_queries:,} proteins are up to {expected:,} pairs, but "
            f"screening.most_candidates is {most:,}; give --params=screening.top={max(1, most // n_queries)}, or a "
            "larger screening.most_candidates"
        )
    if len(work.wanted) > most:
        expected += _expected_above(work, table, most)
    state = work.keeping.top * 8 + COARSE * 4
    needed, free = 2 * n_queries * state + _BYTES_OF_A_CANDIDATE * expected, shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"The screen needs about {needed / 1e6:,.0f} MB below {folder}, where {free / 1e6:,.0f} MB are free; free "
            "some space, give another folder by --params=output=DIR, or lower screening.top"
        )


def _expected_above(work: Work, table: Tensor, most: int) -> int:
    """About how many pairs reach the threshold, by a sample; InputError where these are too many."""
    threshold, total = work.keeping.threshold, len(work.wanted)
    logit = sample_of_logits(work, table)
    above = int(np.mean(logit >= threshold) * total)
    if above > most:
        higher = float(np.quantile(logit, 1 - most / total))
        raise InputError(
            f"About {above:,} of the {total:,} pairs would reach screening.threshold {_probability(threshold)}, by a "
            f"sample of {len(logit):,}, but screening.most_candidates is {most:,}; {_remedy(higher)}"
        )
    return above


def _too_many(kept: Kept, total: int, threshold: float, most: int) -> InputError:
    """The error for a screen that comes to keep too much, whatever a sample promised."""
    scored, higher = int(kept.scores.sum()), kept.scores[::-1].cumsum()[::-1]  # of each bin and those above it
    fits = np.flatnonzero(higher <= most * scored / total)
    lowest = float(EDGES[max(0, min(fits[0], len(EDGES)) - 1)] if len(fits) else EDGES[-1])
    return InputError(
        f"{kept.n_above:,} of the first {scored:,} of {total:,} pairs reach screening.threshold "
        f"{_probability(threshold)}, but screening.most_candidates is {most:,}; {_remedy(lowest)}"
    )


def _remedy(logit: float) -> str:
    return f"give --params=screening.threshold={_probability(logit)} or higher, or a larger screening.most_candidates"


def _probability(logit: float) -> str:
    """A probability with as many digits as tell it from 1."""
    probability = float(sigmoid(logit))
    return f"{probability:.4f}" if probability < 0.999 else f"{probability:.9f}"  # noqa: PLR2004
