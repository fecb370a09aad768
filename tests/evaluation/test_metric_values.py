"""Values against scikit-learn, weightings included: a resample is a weighting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk

from lamplighter import evaluation
from lamplighter.arrays import F32, F64, I32
from lamplighter.errors import ConfigError, LabelError, ModelError, UnknownName
from lamplighter.evaluation.holdout import calibration_error
from lamplighter.evaluation.scores import BY_NAME, Holdout
from tests.evaluation.holdouts import holdout, names

Oracle = Callable[[I32, F32, Any], float]


def _macro_average_precision(truth: I32, proba: F32, weight: Any) -> float:
    present = [c for c in range(proba.shape[1]) if weight[truth == c].sum() > 0]
    scores = [sk.average_precision_score(truth == c, proba[:, c], sample_weight=weight) for c in present]
    return float(np.mean(scores))


def _rows(truth: I32, proba: F32, weight: Any) -> tuple[I32, Any]:
    """Repeat each row as often as its weight says: what a resample is, written out."""
    rows = np.repeat(np.arange(len(truth)), weight.astype(int))
    return truth[rows], proba[rows].argmax(axis=1)


def _balanced(truth: I32, proba: F32, weight: Any) -> float:
    true, predicted = _rows(truth, proba, weight)
    present = np.unique(true)
    return float(sk.recall_score(true, predicted, labels=present, average="macro", zero_division=0))


def _f1(truth: I32, proba: F32, weight: Any) -> float:
    true, predicted = _rows(truth, proba, weight)
    return float(sk.f1_score(true, predicted, average="macro", zero_division=0))


ORACLES: dict[str, Oracle] = {
    "accuracy": lambda t, p, w: sk.accuracy_score(t, p.argmax(axis=1), sample_weight=w),
    "macro_f1": _f1,
    "balanced_accuracy": _balanced,
    "average_precision": _macro_average_precision,
    "log_loss": lambda t, p, w: sk.log_loss(
        t,
        p.astype(np.float64) / p.sum(axis=1, dtype=np.float64)[:, None],
        sample_weight=w,
        labels=range(p.shape[1]),
    ),
}


def test_every_metric_has_an_oracle() -> None:
    assert set(ORACLES) == set(evaluation.METRICS)


@pytest.mark.parametrize("metric", evaluation.METRICS)
@pytest.mark.parametrize("shape", [(300, 4, 0.0), (60, 12, 0.5), (40, 2, 2.0), (1, 3, 0.0)], ids=str)
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
def test_values_and_resamples_equal_scikit_learn(
    metric: str, shape: tuple[int, int, float], tied: bool
) -> None:
    n, classes, skew = shape
    truth, proba = holdout(n, classes, seed=n, skew=skew)
    if tied:  # probabilities of a small tree: few distinct values
        proba = np.round(proba * 4) + 1
        proba = (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32)
    draws = np.random.default_rng(7).multinomial(n, np.full(n, 1 / n), size=12)
    weights = np.vstack([np.ones(n), draws]).astype(np.float32)
    got = BY_NAME[metric].score(Holdout(truth, proba), weights)
    expected = [ORACLES[metric](truth, proba, row) for row in weights]
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)


def test_the_document_holds_values_recall_and_confusion() -> None:
    truth = np.array([0, 0, 0, 1, 1, 3], np.int32)
    predicted = np.array([0, 0, 1, 1, 0, 0])
    proba = np.full((6, 4), 0.1, np.float32)
    proba[np.arange(6), predicted] = 0.7
    metrics = evaluation.evaluate(truth, proba, list("abcd"), metric="macro_f1", seed=1, round=2)
    assert metrics.primary == "macro_f1"
    assert metrics.holdout_rows == 6
    assert metrics.confusion == ((2, 1, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0))
    assert metrics.estimates["accuracy"].value == 0.5
    assert metrics.estimates["balanced_accuracy"].value == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert metrics.recall["c"] is None
    recall = metrics.recall["a"]
    assert recall is not None
    assert recall.value == pytest.approx(2 / 3)
    assert recall.n == 3
    assert metrics.recall["d"] is not None
    assert metrics.recall["d"].value == 0
    # 3 of 6 right at confidence 0.7.
    assert metrics.calibration_error == pytest.approx(0.2, abs=1e-6)
    assert type(metrics).model_validate_json(metrics.model_dump_json()) == metrics


def _calibration_by_hand(confidence: F64, right: Any) -> float:
    """One bin per fifteenth of the rows; only for distinct confidences and n divisible by 15."""
    order = np.argsort(confidence)
    bins = np.split(order, 15)
    return float(sum(len(b) / len(order) * abs(right[b].mean() - confidence[b].mean()) for b in bins))


def test_shares_are_divided_in_float64() -> None:
    """427 / 539 in float32 is off by 2e-8: more than what a paired test takes for rounding."""
    truth = np.zeros(539, np.int32)
    truth[:112] = 1
    proba = np.tile(np.array([1, 0], np.float32), (539, 1))
    metrics, _ = evaluation.measure(truth, proba, ["a", "b"])
    assert metrics["accuracy"] == 427 / 539
    assert metrics["average_precision"] == (427 / 539 + 112 / 539) / 2
    assert metrics["balanced_accuracy"] == 0.5


def test_calibration_error_over_bins_of_equal_mass() -> None:
    truth, proba = holdout(15 * 20, 5, seed=3)
    confidence, right = proba.max(axis=1).astype(np.float64), proba.argmax(axis=1) == truth
    assert len(np.unique(confidence)) == 300
    assert calibration_error(Holdout(truth, proba)) == pytest.approx(_calibration_by_hand(confidence, right))


def test_calibration_error_does_not_depend_on_the_order_of_rows() -> None:
    truth, proba = holdout(200, 3, seed=4)
    proba = (np.round(proba * 5) + 1).astype(np.float32)
    proba /= proba.sum(axis=1, keepdims=True)
    shuffled = np.random.default_rng(0).permutation(200)
    expected = calibration_error(Holdout(truth, proba))
    assert calibration_error(Holdout(truth[shuffled], proba[shuffled])) == pytest.approx(expected)


def test_log_loss_of_an_impossible_row_is_finite() -> None:
    proba = np.array([[1, 0], [1, 0]], np.float32)
    metrics = evaluation.evaluate(
        np.array([0, 1], np.int32), proba, ["a", "b"], metric="log_loss", seed=0, round=1
    )
    assert metrics.estimates["log_loss"].value == pytest.approx(-np.log(np.finfo(np.float32).eps) / 2)


def test_only_log_loss_is_better_when_lower() -> None:
    assert [name for name in evaluation.METRICS if not evaluation.higher_is_better(name)] == ["log_loss"]
    with pytest.raises(UnknownName, match="did you mean 'macro_f1'"):
        evaluation.higher_is_better("macro-f1")


GOOD = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)


@pytest.mark.parametrize(
    ("truth", "proba", "error", "said"),
    [
        ([], np.empty((0, 2), np.float32), LabelError, "no labelled row"),
        ([0, 2], GOOD, LabelError, "from 0 to 2 among 2 classes"),
        ([-1, 1], GOOD, LabelError, "from -1 to 1"),
        ([0, 1], GOOD[:, :1], ModelError, r"shape (2, 1) for 2 holdout rows and 2 classes"),
        ([0, 1], GOOD * 2, ModelError, "2 of 2 holdout rows have invalid probabilities"),
        ([0, 1], np.array([[0.5, 0.5], [np.nan, 1]], np.float32), ModelError, "the first is row 1"),
        ([0, 1], np.array([[0.5, 0.5], [-0.5, 1.5]], np.float32), ModelError, "1 of 2"),
    ],
)
def test_bad_input_is_named(truth: list[int], proba: F32, error: type[ValueError], said: str) -> None:
    with pytest.raises(error) as caught:
        evaluation.evaluate(np.array(truth, np.int32), proba, ["a", "b"], metric="accuracy", seed=0, round=1)
    assert said in str(caught.value)


def test_an_unknown_metric_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="unknown metric 'f1'"):
        evaluation.evaluate(
            np.empty(0, np.int32), np.empty((0, 2), np.float32), names(2), metric="f1", seed=0, round=1
        )
