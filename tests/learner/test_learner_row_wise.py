"""Law 1: a row's outputs depend on the row and the model, never on its neighbours or its block."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.arrays import F32, I64
from lamplighter.learner import Scored, Scorer
from lamplighter.strategies.base import Output

from .cases import ALL, LOGISTIC, SGD, config, fitted, labelled

LEARNERS = {
    "softmax": (LOGISTIC, {}, 10, 0.0),
    "two classes": (LOGISTIC, {}, 2, 0.0),
    "many classes": (LOGISTIC, {"max_iter": 10}, 37, 0.0),
    "sigmoids": (SGD, {"loss": "log_loss"}, 10, 0.0),
    "float64": (LOGISTIC, {}, 10, 1e5),
    "network": ("sklearn.neural_network.MLPClassifier", {"hidden_layer_sizes": [16], "max_iter": 5}, 10, 0.0),
    "forest": ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5, "n_jobs": 2}, 10, 0.0),
    "discriminant": ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", {}, 10, 0.0),
}
ROWS = 5000


@cache
def scorer_and_pool(learner: str, features: int) -> tuple[Scorer, F32, Scored]:
    """Give a scorer, a pool with a few bad rows, and the pool scored in one block."""
    name, params, classes, shift = LEARNERS[learner]
    x, labels = labelled(ROWS, features, classes)
    x += np.float32(shift)
    scorer = fitted(config(name, params=params, calibrate=False), x[:200], labels[:200]).scorer()
    x[np.arange(1, ROWS, 499), 0] = np.nan
    x[np.arange(2, ROWS, 499), -1] = np.inf
    x[np.arange(3, ROWS, 499), 1] = 3e38
    return scorer, x, scorer.outputs(x, ALL)


def assert_same_rows(part: Scored, whole: Scored, rows: I64) -> None:
    np.testing.assert_array_equal(part.valid, whole.valid[rows])
    for name in (Output.PROBA, Output.LOGITS):
        np.testing.assert_array_equal(part.outputs[name], whole.outputs[name][rows])


@pytest.mark.parametrize("features", [7, 64])
@pytest.mark.parametrize("learner", LEARNERS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_split_gives_the_same_bits(learner: str, features: int, data: st.DataObject) -> None:
    scorer, x, whole = scorer_and_pool(learner, features)
    cuts = sorted(data.draw(st.sets(st.integers(0, ROWS), max_size=4)) | {0, ROWS})
    for start, stop in pairwise(cuts):
        assert_same_rows(scorer.outputs(x[start:stop], ALL), whole, np.arange(start, stop))


@pytest.mark.parametrize("features", [7, 64])
@pytest.mark.parametrize("learner", LEARNERS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1, 2, 15, 16, 17, 255, 1000, 4097]))
def test_any_rows_in_any_order_give_the_same_bits(learner: str, features: int, seed: int, size: int) -> None:
    scorer, x, whole = scorer_and_pool(learner, features)
    rows = np.random.default_rng(seed).permutation(ROWS)[:size]
    assert_same_rows(scorer.outputs(x[rows], ALL), whole, rows)


@pytest.mark.parametrize("learner", LEARNERS)
def test_memory_layout_does_not_matter(learner: str) -> None:
    scorer, x, whole = scorer_and_pool(learner, 7)
    columns = np.asfortranarray(x)
    strided = np.repeat(x, 2, axis=0)[::2]
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    read_only = x.copy()
    read_only.flags.writeable = False
    for same in (columns, strided, unaligned, read_only):
        assert_same_rows(scorer.outputs(same, ALL), whole, np.arange(ROWS))
