"""Latents of proteins and of pairs: how well they hold the features, their columns by name, their sums by token."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from esm2_amp.errors import InputError
from esm2_amp.explanation.autoencoder import Autoencoder
from esm2_amp.explanation.context import LatentContext
from esm2_amp.explanation.results import PAIR_COLUMNS, Explanation
from esm2_amp.pairs import Pairs
from esm2_amp.protein import SIDES, pair_token_names

FITTED, HELD_OUT, UNSEEN = "fitted", "held out", "unseen"
"""Proteins that the autoencoder was fitted on, those that decided when to stop, and all others."""

_PROTEINS_AT_ONCE = 256


class Reconstruction(NamedTuple):
    """Latents of proteins, and how far their vectors are from those that the autoencoder rebuilds.

    Attributes
    ----------
    latents : ndarray, shape (P, T / 2, K), float32
        The latents of each token.
    squared_error : ndarray, shape (P, T / 2), float64
        The squared error of each token, mean over D.
    """

    latents: NDArray[np.float32]
    squared_error: NDArray[np.float64]


def protein_groups(pairs: pd.DataFrame, n_proteins: int, held_out: float, seed: int) -> NDArray[np.object_]:
    """Which proteins an autoencoder is fitted on: those of the training pairs, but for a held-out fraction.

    Parameters
    ----------
    pairs : DataFrame
        Columns `a`, `b`, rows of the proteins, and `split`.
    n_proteins : int
        Number P of proteins.
    held_out : float
        Fraction of the training proteins that is held out, at least one protein.
    seed : int
        Seed of the choice.

    Returns
    -------
    group : ndarray, shape (P,), object
        `FITTED`, `HELD_OUT` or `UNSEEN`.

    Raises
    ------
    InputError
        The training pairs have fewer than two proteins.
    """
    proteins = np.unique(pairs.loc[pairs["split"] == "train", ["a", "b"]])
    if len(proteins) < 2:  # noqa: PLR2004
        raise InputError(
            f"The autoencoder needs training pairs of at least 2 proteins, to fit on and to hold out, got "
            f"{len(proteins)}; add pairs"
        )
    count = min(max(1, round(held_out * len(proteins))), len(proteins) - 1)
    group = np.full(n_proteins, UNSEEN, dtype=object)
    group[proteins] = FITTED
    group[np.random.default_rng(seed).choice(proteins, count, replace=False)] = HELD_OUT
    return group


@torch.inference_mode()
def reconstruct(network: Autoencoder, table: Tensor, device: torch.device) -> Reconstruction:
    """Encode and rebuild the vectors of proteins, a table of shape (P, T / 2, D)."""
    network = network.to(device).eval()
    latents, errors = [], []
    for some in table.split(_PROTEINS_AT_ONCE):
        tokens = some.to(device).float().flatten(0, 1)  # (proteins · T / 2, D)
        latent = network.encode(tokens)
        error = (network.fc3(network.decoder(latent)) - tokens).square().mean(dim=1)
        latents.append(latent.view(*some.shape[:2], -1).cpu())
        errors.append(error.view(some.shape[:2]).cpu())
    network.cpu()
    return Reconstruction(torch.cat(latents).numpy(), torch.cat(errors).double().numpy())


def reconstruction_table(
    table: Tensor, squared_error: NDArray[np.float64], group: NDArray[np.object_], tokens: Sequence[str]
) -> pd.DataFrame:
    """How well features are reconstructed, by group of proteins and token.

    Parameters
    ----------
    table : Tensor, shape (P, T / 2, D), float
        The vectors of the proteins.
    squared_error : ndarray, shape (P, T / 2)
        Of `reconstruct`.
    group : ndarray, shape (P,)
        Of `protein_groups`.
    tokens : sequence of str
        Names of the T / 2 tokens.

    Returns
    -------
    report : DataFrame
        `Proteins` (the group), `Token` (`all` too), `Samples`, `MSE`, `ExplainedVariance`: 1 − MSE / the variance
        around the token's own mean vector over the group, so that the mean vectors alone explain 0; NaN where there is
        no variance.
    """
    rows = []
    for name in [name for name in (FITTED, HELD_OUT, UNSEEN) if (group == name).any()]:
        chosen = group == name
        variance = np.array([_variance(table[torch.from_numpy(chosen), token]) for token in range(len(tokens))])
        error = squared_error[chosen].mean(axis=0)
        for token, mse, spread in [*zip(tokens, error, variance, strict=True), ("all", error.mean(), variance.mean())]:
            samples = chosen.sum() * (len(tokens) if token == "all" else 1)
            rows.append([name, token, samples, mse, 1 - mse / spread if spread > 0 else np.nan])
    return pd.DataFrame(rows, columns=["Proteins", "Token", "Samples", "MSE", "ExplainedVariance"])


def _variance(vectors: Tensor) -> float:
    """Mean over D of the variance over samples: (samples, D)."""
    return float(vectors.double().var(dim=0, correction=0).mean())


def latent_table(entries: Sequence[str], tokens: Sequence[str], latents: NDArray[np.float32]) -> pd.DataFrame:
    """Latents of shape (P, T / 2, K) as a table with a row per protein: `Entry`, then `cls_0` … `eos_149`."""
    columns = [f"{token}_{k}" for token in tokens for k in range(latents.shape[2])]
    table = pd.DataFrame(latents.reshape(len(latents), -1), columns=columns)
    table.insert(0, "Entry", list(entries))
    return table


class LatentVectors:
    """The latents of `latent_table` as one vector of each protein, for `esm2_amp.pairs.Pairs`."""

    def __init__(self, latents: pd.DataFrame) -> None:
        self.entries: list[str] = latents["Entry"].tolist()
        values = np.array(latents.drop(columns="Entry"), dtype=np.float32, order="C")
        self._values = torch.from_numpy(values).unsqueeze(1)  # (P, 1, D' / 2)

    def select(self, tokens: slice, rows: Sequence[int] | None = None) -> Tensor:
        """The vectors of all proteins or of some: (P or rows, 1, D' / 2)."""
        return self._values[:, tokens] if rows is None else self._values[list(rows)][:, tokens]


def pair_values(latents: pd.DataFrame, pairs: pd.DataFrame) -> NDArray[np.float32]:
    """Both proteins' latents side by side, found by their whole names: shape (B, D'), where D' = T · K.

    Raises
    ------
    InputError
        A pair names a protein without latents.
    """
    return Pairs.of(LatentVectors(latents), pairs, slice(None)).tokens().flatten(1).numpy()


def pair_features(latents: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """`pair_values` with the index of the pairs and the columns `A_cls_0` … `B_eos_149`."""
    columns = [f"{side}_{column}" for side in SIDES for column in latents.columns.drop("Entry")]
    return pd.DataFrame(pair_values(latents, pairs), index=pairs.index, columns=columns)


def token_means(values: ArrayLike, protein_tokens: slice) -> NDArray[np.float64]:
    """Mean absolute value within each (side, token) group: (…, D') → (…, T)."""
    array = np.abs(np.asarray(values, dtype=np.float64))
    means: NDArray[np.float64] = array.reshape(*array.shape[:-1], len(pair_token_names(protein_tokens)), -1).mean(-1)
    return means


def explanation_of_latents(
    context: LatentContext, by_column: NDArray[np.floating], check: dict[str, Any]
) -> Explanation:
    """The explanation of pairs from the attributions of their latents, shape (B, D'), and how well these add up.

    Its details have the `values` of each latent: `Protein1`, `Protein2`, then `A_cls_0` … `B_eos_149`.
    """
    explained, tokens = context.explained, context.protein_tokens
    columns = context.latents.columns
    values = pd.DataFrame(by_column.astype(np.float32), index=explained.index, columns=columns)
    explanation = Explanation.of_pairs(
        explained, token_means(by_column, tokens), tokens, values=explained[PAIR_COLUMNS].join(values)
    )
    return explanation._replace(check=check)
