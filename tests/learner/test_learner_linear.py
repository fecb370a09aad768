"""The fused linear path against scikit-learn in float64."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lamplighter.arrays import F32
from lamplighter.errors import ModelError
from lamplighter.learner import GenericScorer, LinearScorer, Model
from lamplighter.strategies.base import Output

from .cases import ALL, LOGISTIC, PROBA, SGD, config, fitted, labelled, oracle

LEARNERS: list[tuple[str, dict[str, Any], int]] = [
    *[
        (LOGISTIC, {"solver": solver, "max_iter": 300}, classes)
        for solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
        for classes in (2, 5)
    ],
    (LOGISTIC, {"solver": "liblinear"}, 2),
    (LOGISTIC, {"fit_intercept": False}, 3),
    (LOGISTIC, {"solver": "saga", "l1_ratio": 1, "C": 0.01, "max_iter": 300}, 3),
    (
        "sklearn.linear_model.LogisticRegressionCV",
        {"Cs": [1.0], "cv": 2, "l1_ratios": [0], "use_legacy_attributes": False},
        3,
    ),
    (SGD, {"loss": "log_loss"}, 2),
    (SGD, {"loss": "log_loss"}, 5),
    (SGD, {"loss": "log_loss", "penalty": "l1", "alpha": 0.01}, 3),
]


@pytest.mark.parametrize("dressed", [True, False], ids=["scaled-calibrated", "bare"])
@pytest.mark.parametrize(("name", "params", "classes"), LEARNERS)
def test_equals_scikit_learn(name: str, params: dict[str, Any], classes: int, dressed: bool) -> None:
    x, labels = labelled(200, 9, classes)
    model = fitted(config(name, params=params, scale=dressed, calibrate=dressed), x, labels)
    scorer = model.scorer()
    assert isinstance(scorer, LinearScorer)
    assert (model.temperature is not None) == dressed
    pool, _ = labelled(5000, 9, classes, seed=1)
    assert_equal(model, pool)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 20.0])
@pytest.mark.parametrize("name", [LOGISTIC, SGD])
@pytest.mark.parametrize("classes", [2, 4])
def test_equals_scikit_learn_at_any_temperature(name: str, temperature: float, classes: int) -> None:
    params = {"loss": "log_loss"} if name == SGD else {}
    x, labels = labelled(300, 9, classes)
    model = replace(fitted(config(name, params=params), x, labels), temperature=temperature)
    assert_equal(model, labelled(3000, 9, classes, seed=1)[0])


@pytest.mark.parametrize("name", [LOGISTIC, SGD])
@pytest.mark.parametrize(
    ("shift", "stretch"), [(1e4, 1.0), (-3e6, 10.0), (0.0, 1e12), (0.0, 1e-12), (100.0, 0.01)]
)
def test_equals_scikit_learn_on_badly_scaled_features(name: str, shift: float, stretch: float) -> None:
    params = {"loss": "log_loss"} if name == SGD else {}
    x, labels = labelled(300, 9, 4)
    pool, _ = labelled(3000, 9, 4, seed=1)
    columns = np.arange(9) % 3 == 0
    for rows in (x, pool):
        rows[:, columns] = rows[:, columns] * np.float32(stretch) + np.float32(shift)
    model = fitted(config(name, params=params), x, labels)
    assert_equal(model, pool)


def test_large_offsets_are_multiplied_in_float64_and_ordinary_features_are_not() -> None:
    x, labels = labelled(300, 9, 4)
    ordinary, shifted = (fitted(config(), rows, labels).scorer() for rows in (x, x + np.float32(1e5)))
    assert isinstance(ordinary, LinearScorer)
    assert isinstance(shifted, LinearScorer)
    assert (ordinary.wide, shifted.wide) == (False, True)


def test_float32_alone_would_have_failed_where_float64_is_chosen() -> None:
    x, labels = labelled(300, 9, 4)
    x += np.float32(1e5)
    model = fitted(config(), x, labels)
    scorer = model.scorer()
    assert isinstance(scorer, LinearScorer)
    narrow = replace(scorer, wide=False).outputs(x, PROBA).outputs[Output.PROBA]
    assert np.abs(narrow - oracle(model, x)).max() > 1e-5


def test_unscaled_sgd_far_from_its_training_rows_is_uniform_as_in_scikit_learn() -> None:
    x, labels = labelled(300, 9, 4)
    model = fitted(config(SGD, params={"loss": "log_loss"}, scale=False), x, labels)
    estimator: Any = model.fitted.estimator
    # A row on which every class has a decision value of about -2000.
    solution, *_ = np.linalg.lstsq(estimator.coef_, np.full(4, -2000.0) - estimator.intercept_, rcond=None)
    rows = np.stack([solution, solution / 4, x[0]]).astype(np.float32)
    assert (estimator.decision_function(rows.astype(np.float64))[0] < -1900).all()
    proba = model.scorer().outputs(rows, PROBA).outputs[Output.PROBA]
    np.testing.assert_allclose(proba[0], 0.25, rtol=1e-6)
    np.testing.assert_allclose(proba[[0, 2]], oracle(model, rows)[[0, 2]], atol=1e-5)


@pytest.mark.parametrize("name", [LOGISTIC, SGD])
@pytest.mark.parametrize("kept", [(1, 4), (0, 2, 5)])
def test_classes_without_labels_have_probability_zero(name: str, kept: tuple[int, ...]) -> None:
    params = {"loss": "log_loss"} if name == SGD else {}
    x, labels = labelled(300, 9, 6)
    rows = np.isin(labels, kept)
    model = fitted(config(name, params=params), x[rows], labels[rows], classes=6)
    assert model.seen == kept
    scored = model.scorer().outputs(x, ALL)
    missing = [c for c in range(6) if c not in kept]
    assert (scored.outputs[Output.PROBA][:, missing] == 0).all()
    assert np.isfinite(scored.outputs[Output.LOGITS]).all()
    assert_equal(model, x)


@pytest.mark.parametrize("classes", [2, 3, 16, 17, 40])
@pytest.mark.parametrize("features", [1, 2, 33])
def test_any_number_of_classes_and_features(classes: int, features: int) -> None:
    x, labels = labelled(20 * classes, features, classes)
    model = fitted(config(calibrate=False), x, labels)
    assert_equal(model, x)


@pytest.mark.parametrize("shift", [0.0, 1e5])
@pytest.mark.parametrize("params", [{}, {"solver": "saga", "l1_ratio": 1, "C": 1e-4}])
@pytest.mark.parametrize("classes", [2, 4])
def test_nan_and_infinity_in_any_feature_make_a_row_invalid(
    classes: int, params: dict[str, Any], shift: float
) -> None:
    x, labels = labelled(300, 9, classes)
    model = fitted(config(params=params, calibrate=False), x + np.float32(shift), labels)
    assert_invalid_rows(model, x + np.float32(shift))


@pytest.mark.parametrize("classes", [2, 4])
def test_nan_and_infinity_make_a_row_invalid_under_sigmoids(classes: int) -> None:
    x, labels = labelled(300, 9, classes)
    assert_invalid_rows(fitted(config(SGD, params={"loss": "log_loss"}), x, labels), x)


def assert_invalid_rows(model: Model, x: F32) -> None:
    rows = np.repeat(x[:1], 4 * 9 + 1, axis=0)
    for feature in range(9):
        rows[4 * feature : 4 * feature + 4, feature] = (np.nan, np.inf, -np.inf, np.nan)
        rows[4 * feature + 3, (feature + 1) % 9] = np.inf
    scored = model.scorer().outputs(rows, ALL)
    np.testing.assert_array_equal(scored.valid, [False] * 36 + [True])
    for name in (Output.PROBA, Output.LOGITS):
        assert (scored.outputs[name][:-1] == 0).all()
    np.testing.assert_allclose(scored.outputs[Output.PROBA][-1:], oracle(model, rows[-1:]), atol=1e-5)


@pytest.mark.parametrize("name", [LOGISTIC, SGD])
def test_finite_rows_that_overflow_float32_are_scored_in_float64(name: str) -> None:
    params = {"loss": "log_loss"} if name == SGD else {"C": 1000.0}
    x, labels = labelled(300, 9, 4)
    model = fitted(config(name, params=params, scale=False, calibrate=False), x, labels)
    scorer = model.scorer()
    assert isinstance(scorer, LinearScorer)
    assert not scorer.wide
    rows = x.copy()
    rows[::7] *= np.float32(3e37)
    with np.errstate(over="ignore"):
        assert not np.isfinite(rows[::7] @ scorer.form.weights.astype(np.float32)).all()
    scored = scorer.outputs(rows, ALL)
    assert scored.valid.all()
    assert np.isfinite(scored.outputs[Output.LOGITS]).all()
    np.testing.assert_allclose(scored.outputs[Output.PROBA], oracle(model, rows), atol=1e-5)


def test_neighbours_of_bad_rows_are_untouched() -> None:
    x, labels = labelled(6000, 9, 4)
    scorer = fitted(config(), x[:300], labels[:300]).scorer()
    clean = scorer.outputs(x, ALL)
    dirty_rows = x.copy()
    dirty_rows[::11, 3] = np.nan
    dirty_rows[5::11, 3] = 3e38
    dirty = scorer.outputs(dirty_rows, ALL)
    others = (np.arange(len(x)) % 11 != 0) & (np.arange(len(x)) % 11 != 5)
    for name in (Output.PROBA, Output.LOGITS):
        np.testing.assert_array_equal(dirty.outputs[name][others], clean.outputs[name][others])
    np.testing.assert_array_equal(dirty.valid, np.arange(len(x)) % 11 != 0)


@pytest.mark.parametrize("name", [LOGISTIC, SGD])
def test_logits_give_the_probabilities_and_peak_at_zero(name: str) -> None:
    params = {"loss": "log_loss"} if name == SGD else {}
    x, labels = labelled(300, 9, 4)
    scored = fitted(config(name, params=params), x, labels).scorer().outputs(x, ALL)
    logits = scored.outputs[Output.LOGITS].astype(np.float64)
    np.testing.assert_array_equal(logits.max(axis=1), 0)
    powers = np.exp(logits)
    np.testing.assert_allclose(
        scored.outputs[Output.PROBA], powers / powers.sum(axis=1, keepdims=True), atol=1e-6
    )


def test_asking_for_logits_does_not_change_probabilities() -> None:
    x, labels = labelled(5000, 9, 4)
    scorer = fitted(config(), x[:300], labels[:300]).scorer()
    np.testing.assert_array_equal(
        scorer.outputs(x, ALL).outputs[Output.PROBA], scorer.outputs(x, PROBA).outputs[Output.PROBA]
    )


def test_arrays_are_class_major_and_the_embedding_is_not_copied() -> None:
    x, labels = labelled(5000, 9, 4)
    scorer = fitted(config(), x[:300], labels[:300]).scorer()
    before = x.copy()
    scored = scorer.outputs(x, ALL)
    assert scored.outputs[Output.EMBEDDING] is x
    for name in (Output.PROBA, Output.LOGITS):
        assert scored.outputs[name].flags.f_contiguous
        assert scored.outputs[name].dtype == np.float32
    np.testing.assert_array_equal(x, before)


def test_tiles_give_what_outputs_gives() -> None:
    x, labels = labelled(9000, 9, 4)
    x[::13, 2] = np.inf
    scorer = fitted(config(), x[1:300], labels[1:300]).scorer()
    whole = scorer.outputs(x, ALL)
    covered = 0
    for start, stop, scored in scorer.tiles(x, ALL):
        assert start == covered
        covered = stop
        assert stop - start <= scorer.tile
        np.testing.assert_array_equal(scored.valid, whole.valid[start:stop])
        for name in ALL:
            np.testing.assert_array_equal(scored.outputs[name], whole.outputs[name][start:stop])
        assert scored.outputs[Output.PROBA][:, 0].flags.c_contiguous
    assert covered == len(x)


def test_no_rows_give_empty_outputs() -> None:
    x, labels = labelled(300, 9, 4)
    scored = fitted(config(), x, labels).scorer().outputs(x[:0], ALL)
    assert scored.outputs[Output.PROBA].shape == (0, 4)
    assert scored.valid.shape == (0,)


def test_a_scorer_travels_to_workers_and_may_be_used_by_several_scans_at_once() -> None:
    x, labels = labelled(9000, 9, 4)
    scorer = fitted(config(), x[:300], labels[:300]).scorer()
    travelled = pickle.loads(pickle.dumps(scorer))  # noqa: S301 - what Dask does within one cluster
    expected = scorer.outputs(x, PROBA).outputs[Output.PROBA]
    for (start, stop, one), (_, _, other) in zip(
        travelled.tiles(x, PROBA), travelled.tiles(x[::-1], PROBA), strict=True
    ):
        np.testing.assert_array_equal(one.outputs[Output.PROBA], expected[start:stop])
        np.testing.assert_array_equal(other.outputs[Output.PROBA], expected[::-1][start:stop])


def test_wrong_features_and_outputs_are_refused() -> None:
    x, labels = labelled(300, 9, 4)
    scorer = fitted(config(), x, labels).scorer()
    with pytest.raises(ModelError, match=r"shape \(300, 8\); the model was fitted on \(n, 9\)"):
        scorer.outputs(x[:, :8], PROBA)
    with pytest.raises(ModelError, match="float64"):
        scorer.outputs(x.astype(np.float64), PROBA)
    with pytest.raises(ModelError, match="wants committee"):
        scorer.outputs(x, frozenset({Output.COMMITTEE}))


def test_a_subclass_of_a_linear_model_is_scored_by_its_own_method() -> None:
    class Odd(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
        """Has probabilities of its own."""

    x, labels = labelled(300, 9, 4)
    model = fitted(config(), x, labels)
    odd = Odd().fit(model.fitted.transform(x.astype(np.float64)), labels)
    assert isinstance(replace(model, fitted=replace(model.fitted, estimator=odd)).scorer(), GenericScorer)


def test_a_diverged_fit_is_an_error() -> None:
    x, labels = labelled(300, 9, 4)
    model = fitted(config(), x, labels)
    estimator: Any = model.fitted.estimator
    estimator.coef_[1, 2] = np.nan
    with pytest.raises(ModelError, match="diverged"):
        model.scorer()


def assert_equal(model: Model, x: F32) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored = model.scorer().outputs(x, PROBA)
    assert scored.valid.all()
    expected = oracle(model, x)
    np.testing.assert_allclose(scored.outputs[Output.PROBA], expected, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-7)
