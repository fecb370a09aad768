"""Holdouts made up with a known model."""

from __future__ import annotations

import numpy as np

from lamplighter.arrays import F32, I32


def holdout(n: int, classes: int, seed: int, *, signal: float = 1.5, skew: float = 0.0) -> tuple[I32, F32]:
    """n rows of a noisy softmax model; skew > 0 makes later classes rarer."""
    generator = np.random.default_rng(seed)
    share = np.exp(-skew * np.arange(classes))
    truth = generator.choice(classes, n, p=share / share.sum()).astype(np.int32)
    logits = generator.normal(size=(n, classes))
    logits[np.arange(n), truth] += signal
    proba = np.exp(logits)
    return truth, (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32)


def names(classes: int) -> list[str]:
    return [f"class {i}" for i in range(classes)]
