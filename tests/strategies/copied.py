"""Rows with noisy copies, and which of them are near one another by the formula."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import F32, F64, Bools
from lamplighter.strategies.base import Context
from lamplighter.testing.strategy_round import CLASSES
from tests.strategies.heaps import knowing


def told(k: int, labelled: F32 | None = None, *, embedding: bool = True) -> Context:
    return knowing(k, labelled, embedding=embedding)


def near_by_formula(x: F32, y: F32, distance: float, *, embedding: bool) -> Bools:
    """Compare all pairs, in float64."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    if not embedding:
        a, b = (part - a.mean(axis=0) for part in (a, b))
        a, b = a / (deviation := a.std(axis=0)), b / deviation
        root: F64 = np.sqrt(np.square(a[:, None] - b[None]).mean(axis=2))
        return root <= distance
    apart: F64 = np.square(a[:, None] - b[None]).sum(axis=2)
    lengths: F64 = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    near: Bools = np.logical_or(apart == 0, apart <= 2 * distance * lengths)
    return near


def kept_by_hand(x: F32, labelled: F32, distance: float, *, embedding: bool, wanted: int) -> list[int]:
    near = near_by_formula(x, x, distance, embedding=embedding)
    barred = set(np.nonzero(near_by_formula(x, labelled, distance, embedding=embedding))[0].tolist())
    kept = list[int]()
    for i in range(len(x)):
        if len(kept) < wanted and i not in barred and not near[i, kept].any():
            kept.append(i)
    return kept


def families(rows: int, copies: int, noise: float, seed: int) -> F32:
    """Draw rows and noisy copies of each, shuffled."""
    draws = np.random.default_rng(seed)
    x = np.repeat(draws.normal(size=(rows, 20)), copies, axis=0)
    return (x + noise * draws.normal(size=x.shape))[draws.permutation(len(x))].astype(np.float32)


def probabilities(rows: int, seed: int) -> F32:
    z = np.random.default_rng(seed).normal(size=(rows, CLASSES))
    return np.asfortranarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), dtype=np.float32)
