"""Temperature scaling against a grid search, and against data of known temperature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lamplighter import rng
from lamplighter.arrays import F64, I64
from lamplighter.learner.calibration import BOUNDS, apply_temperature, fit_temperature, minimise

from .cases import config, fitted, labelled


def softmax(z: F64) -> F64:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    result: F64 = powers / powers.sum(axis=1, keepdims=True)
    return result


def draw(logits: F64, generator: np.random.Generator) -> I64:
    uniform = generator.random((len(logits), 1))
    drawn: I64 = np.argmax(softmax(logits).cumsum(axis=1) > uniform, axis=1)
    return drawn


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_finds_the_temperature_that_made_the_labels(true: float) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 4)) * 4
    temperature, _ = minimise(np.log(softmax(logits)), draw(logits / true, generator))
    assert temperature == pytest.approx(true, rel=0.05)


def test_is_the_minimum_of_the_log_loss_on_a_grid() -> None:
    generator = np.random.default_rng(1)
    proba = softmax(generator.normal(size=(300, 3)) * 3)
    y = draw(np.log(proba) / 2, generator)
    temperature, _ = minimise(np.log(proba), y)
    grid = np.geomspace(*BOUNDS, 4000)
    losses = [-np.log(apply_temperature(proba, t)[np.arange(300), y]).mean() for t in grid]
    assert temperature == pytest.approx(grid[int(np.argmin(losses))], rel=2e-3)


def test_separated_folds_stop_at_the_bound_so_that_there_is_something_left_to_rank() -> None:
    proba = softmax(np.eye(3)[np.arange(30) % 3] * 5)
    temperature, _ = minimise(np.log(proba), np.arange(30) % 3)
    assert temperature == pytest.approx(BOUNDS[0], rel=1e-3)


def test_rows_of_probability_zero_say_nothing() -> None:
    generator = np.random.default_rng(2)
    proba = softmax(generator.normal(size=(100, 3)) * 3)
    y = draw(np.log(proba) / 2, generator)
    with np.errstate(divide="ignore"):
        impossible = np.log(np.vstack([proba, np.eye(3)]))
    with_impossible, _ = minimise(impossible, np.concatenate([y, [1, 2, 0]]))
    alone, _ = minimise(np.log(proba), y)
    assert with_impossible == alone
    assert minimise(impossible[100:], np.array([1, 2, 0])) == (
        None,
        "not calibrated: every true class has probability 0 out of fold",
    )


@settings(max_examples=50)
@given(temperature=st.floats(*BOUNDS), seed=st.integers(0, 1000))
def test_keeps_the_order_the_sum_and_the_zeros(temperature: float, seed: int) -> None:
    proba = softmax(np.random.default_rng(seed).normal(size=(20, 4)) * 5)
    proba[:, 2] = 0
    proba /= proba.sum(axis=1, keepdims=True)
    scaled = apply_temperature(proba, temperature)
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    assert (scaled[:, 2] == 0).all()
    np.testing.assert_array_equal(scaled.argmax(axis=1), proba.argmax(axis=1))
    powers = proba ** (1 / temperature)
    np.testing.assert_allclose(scaled, powers / powers.sum(axis=1, keepdims=True))


def test_small_probabilities_do_not_underflow() -> None:
    proba = np.array([[1e-200, 3e-200, 0.0]])
    np.testing.assert_allclose(apply_temperature(proba, 0.5), [[0.1, 0.9, 0.0]])


@pytest.mark.parametrize(("smallest", "folds"), [(2, 2), (3, 3), (5, 5), (40, 5)])
def test_every_row_is_predicted_once_by_a_fit_that_did_not_see_it(smallest: int, folds: int) -> None:
    y = np.concatenate([np.zeros(50, np.int64), np.ones(smallest, np.int64)])
    calls: list[tuple[I64, I64]] = []

    def predict(train: I64, test: I64) -> F64:
        calls.append((train, test))
        return np.full((len(test), 2), 0.5)

    fit_temperature(y, predict, seed=1)
    assert len(calls) == folds
    assert sorted(np.concatenate([test for _, test in calls]).tolist()) == list(range(len(y)))
    for train, test in calls:
        assert not set(train) & set(test)
        assert set(y[train]) == {0, 1}


def test_a_class_with_one_row_is_not_calibrated_and_said_so() -> None:
    x, labels = labelled(40, 3, 2)
    labels[0] = 2
    model = fitted(config(), x, labels)
    assert model.temperature is None
    assert model.note == "not calibrated: a class has fewer than 2 labelled rows"


def test_the_model_calibrates_on_its_own_out_of_fold_predictions() -> None:
    """Against the folds done by hand with scikit-learn."""
    x, labels = labelled(90, 5, 3)
    labels[::4] = (labels[::4] + 1) % 3
    model = fitted(config(), x, labels, seed=7, round=3)
    folds = StratifiedKFold(5, shuffle=True, random_state=rng.key(7, 3, "calibration folds") % 2**32)
    proba = np.empty((90, 3))
    for train, test in folds.split(x, labels):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        proba[test] = pipeline.fit(x[train].astype(float), labels[train]).predict_proba(x[test].astype(float))
    expected, _ = minimise(np.log(proba), labels.astype(np.int64))
    assert model.temperature == pytest.approx(expected, rel=1e-5)
    whole = make_pipeline(StandardScaler(), LogisticRegression()).fit(x.astype(float), labels)
    np.testing.assert_allclose(
        model.predict_proba(x), apply_temperature(whole.predict_proba(x.astype(float)), expected), atol=1e-6
    )
