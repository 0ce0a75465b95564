"""Shapley values by their definition, over all coalitions of a few features."""

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np


def brute_force_shapley(score: Callable[[np.ndarray], np.ndarray], x: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values of one pair's features: (D',), absent ones taken from each background pair in turn."""
    count = len(x)
    coalitions = [frozenset(some) for size in range(count + 1) for some in combinations(range(count), size)]
    mixed = np.repeat(background[None], len(coalitions), axis=0)
    for rows, coalition in zip(mixed, coalitions, strict=True):
        rows[:, list(coalition)] = x[list(coalition)]
    scores = np.asarray(score(mixed.reshape(-1, count))).reshape(len(coalitions), -1).mean(axis=1)
    worth = dict(zip(coalitions, scores, strict=True))
    values = np.zeros(count)
    for coalition, value in worth.items():
        for feature in set(range(count)) - coalition:
            weight = factorial(len(coalition)) * factorial(count - len(coalition) - 1) / factorial(count)
            values[feature] += weight * (worth[coalition | {feature}] - value)
    return values
