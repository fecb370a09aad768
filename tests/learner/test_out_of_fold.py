"""Out-of-fold predictions against scikit-learn's own, and what must not depend on order or on oneself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lamplighter import rng
from lamplighter.arrays import F32, F64, I32, I64
from lamplighter.errors import ConfigError, ModelError, TooFewClasses, UnknownClass
from lamplighter.learner import fit, out_of_fold
from lamplighter.learner.calibration import minimise
from lamplighter.learner.out_of_fold import dealt

from .cases import config, labelled, names

PLAIN = config(calibrate=False, params={"solver": "newton-cholesky", "tol": 1e-7})


def predicted(
    x: F32, y: I32, *, count: int = 3, calibrate: bool = False, ids: list[int] | None = None
) -> F64:
    keyed = None if ids is None else pa.array(ids, pa.int64())
    learner = PLAIN.model_copy(update={"calibrate": calibrate})
    return out_of_fold(learner, x, y, names(count), seed=7, round=3, ids=keyed)


def folds_of(y: I32, folds: int = 5) -> I64:
    """Deal by the rule, row by row: each class in the order of the hash, going on where the last ended."""
    digest = rng.row_hash(pa.array(np.arange(len(y))), rng.key(7, 3, "folds"))
    order = sorted(range(len(y)), key=lambda i: (y[i], digest[i]))
    fold = np.empty(len(y), np.int64)
    for turn, i in enumerate(order):
        fold[i] = turn % folds
    return fold


def test_equals_cross_val_predict_with_the_same_folds() -> None:
    x, y = labelled(90, 4, 3)
    sklearn = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-7))
    split = PredefinedSplit(folds_of(y))
    expected = cross_val_predict(sklearn, x.astype(np.float64), y, cv=split, method="predict_proba")
    np.testing.assert_allclose(predicted(x, y), expected, atol=1e-8)


def test_equals_fits_without_each_fold_with_weights() -> None:
    x, y = labelled(60, 3, 2)
    weights = np.random.default_rng(0).uniform(0.2, 1, 60)
    found = out_of_fold(PLAIN, x, y, names(2), seed=7, round=3, weights=weights)
    fold = folds_of(y)
    for k in range(5):
        sklearn = LogisticRegression(solver="newton-cholesky", tol=1e-7)
        scaler = StandardScaler().fit(x[fold != k].astype(np.float64), sample_weight=weights[fold != k])
        sklearn.fit(scaler.transform(x[fold != k]), y[fold != k], sample_weight=weights[fold != k])
        expected = sklearn.predict_proba(scaler.transform(x[fold == k].astype(np.float64)))
        np.testing.assert_allclose(found[fold == k], expected, atol=1e-8)


def test_each_fold_has_the_temperature_of_the_others() -> None:
    x, y = labelled(80, 3, 3, seed=4)
    plain, warm, fold = predicted(x, y), predicted(x, y, calibrate=True), folds_of(y)
    for k in range(5):
        with np.errstate(divide="ignore"):
            temperature, _ = minimise(np.log(plain[fold != k]), y[fold != k].astype(np.int64))
        assert temperature is not None
        scaled = plain[fold == k] ** (1 / temperature)
        np.testing.assert_allclose(warm[fold == k], scaled / scaled.sum(axis=1, keepdims=True), atol=1e-9)
    assert not np.allclose(plain, warm)


def test_a_row_has_no_say_in_its_own_prediction() -> None:
    x, y = labelled(60, 2, 2)
    x += 3 * y[:, None]  # large means class 1,
    x[0], y[0] = 50, 0  # but row 0, far out, has the other label
    seen = fit(PLAIN, x, y, names(2), seed=7, round=3).predict_proba(x)[0]
    unseen = predicted(x, y, count=2)[0]
    assert seen[1] < 0.98
    assert unseen[1] > 0.99


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(40)))
def test_with_ids_the_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    x, y = labelled(40, 3, 3)
    ids = list(range(100, 140))
    straight = predicted(x, y, ids=ids, calibrate=True)
    mixed = predicted(x[order], y[order], ids=[ids[i] for i in order], calibrate=True)
    np.testing.assert_array_equal(mixed, straight[order])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(2, 7))
def test_folds_are_even_in_all_and_in_each_class(labels: list[int], folds: int) -> None:
    y = np.array(labels, np.int32)
    fold = dealt(y, folds)
    for part in (fold, *(fold[y == c] for c in np.unique(y))):
        sizes = np.bincount(part, minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_a_class_that_the_other_folds_lack_has_probability_0() -> None:
    x, y = labelled(30, 3, 2)
    y[4] = 2
    found = predicted(x, y, count=4, calibrate=True)
    assert (found[4, 2], found[:, 3].max()) == (0, 0)
    assert (np.delete(found[:, 2], 4) > 0).any()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_few_rows_have_fewer_folds() -> None:
    x, y = labelled(4, 2, 2)
    found = predicted(x, y, count=2)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_rows_that_are_not_finite_have_no_opinion_and_no_influence() -> None:
    x, y = labelled(30, 3, 2)
    x[5, 0], x[9, 2] = np.nan, np.inf
    found = predicted(x, y, count=2, ids=list(range(30)))
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [5, 9]
    keep = np.delete(np.arange(30), [5, 9])
    np.testing.assert_array_equal(found[keep], predicted(x[keep], y[keep], count=2, ids=keep.tolist()))


@pytest.mark.parametrize(
    ("labels", "there"),
    [
        ([], "none"),
        ([0, 0, 0], "3 of 'class 0'"),
        ([0, 0, 0, 1], "3 of 'class 0', 1 of 'class 1'"),
        ([0, 1, 2], "1 of 'class 0', 1 of 'class 1', 1 of 'class 2'"),
    ],
)
def test_too_few_rows_are_counted(labels: list[int], there: str) -> None:
    x = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    with pytest.raises(TooFewClasses, match=f"there are: {there}; label more rows"):
        predicted(x, np.array(labels, np.int32))


def test_what_does_not_fit_is_refused() -> None:
    x, y = labelled(12, 2, 2)
    with pytest.raises(ConfigError, match="folds is 1; allowed: a whole number of at least 2"):
        out_of_fold(PLAIN, x, y, names(2), seed=7, round=3, folds=1)
    with pytest.raises(ModelError, match=r"features \(12, 2\), labels \(11,\)"):
        predicted(x, y[1:])
    with pytest.raises(ModelError, match="ids must be as many"):
        predicted(x, y, ids=[1])
    with pytest.raises(UnknownClass, match="label 1 is no position in the 1 classes"):
        predicted(x, y, count=1)
