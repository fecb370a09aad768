"""A model and its committee scored at once, against each one's own scorer and scikit-learn in float64."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lamplighter.arrays import F32, F64, I64
from lamplighter.config import CommitteeConfig, LearnerConfig
from lamplighter.errors import ModelError
from lamplighter.learner import CommitteeScorer, LinearScorer, Model, Scored, fit_committee
from lamplighter.strategies.base import Output

from .cases import ALL, LOGISTIC, PROBA, SGD, config, fitted, labelled, names, oracle

FOREST = config("sklearn.ensemble.RandomForestClassifier", params={"n_estimators": 3}, calibrate=False)
TREE = config("sklearn.tree.DecisionTreeClassifier", params={"max_depth": 3}, calibrate=False)
OVER = config(SGD, params={"loss": "log_loss"}, calibrate=False)
WITH = ALL | {Output.COMMITTEE, Output.DIVERGENCE}
ROWS = 9000

#: Name: learners of main and members, classes, shift of the features, whether one product serves all.
CASES: dict[str, tuple[list[LearnerConfig], int, float, bool]] = {
    "softmax": ([config()] * 6, 10, 0.0, True),
    "two classes": ([config()] * 4, 2, 0.0, True),
    "many classes": ([config(params={"max_iter": 10}, calibrate=False)] * 3, 37, 0.0, True),
    "sigmoids": ([OVER] * 3, 5, 0.0, False),
    "softmax and sigmoids": ([config(), config(), OVER], 5, 0.0, False),
    "float64": ([config()] * 3, 4, 1e5, False),
    "trees": ([config(), FOREST, TREE], 4, 0.0, False),
}


def models(learners: Sequence[LearnerConfig], classes: int, features: int, shift: float) -> list[Model]:
    """Fit each learner on other rows."""
    x, labels = labelled(80 * len(learners), features, classes)
    x += np.float32(shift)
    parts = np.array_split(np.arange(len(x)), len(learners))
    return [
        fitted(one, x[part], labels[part], classes=classes) for one, part in zip(learners, parts, strict=True)
    ]


@cache
def case(name: str, features: int = 7) -> tuple[list[Model], CommitteeScorer, F32, Scored]:
    """Give models, their scorer, a pool with some bad rows, and the pool scored in one block."""
    learners, classes, shift, stacked = CASES[name]
    made = models(learners, classes, features, shift)
    scorer = CommitteeScorer.of(made[0], made[1:])
    assert bool(scorer.forms) == stacked
    pool, _ = labelled(ROWS, features, classes, seed=1)
    pool += np.float32(shift)
    pool[np.arange(1, ROWS, 499), 0] = np.nan
    pool[np.arange(2, ROWS, 499), -1] = np.inf
    pool[np.arange(3, ROWS, 499), 1] = 3e38
    pool[np.arange(4, ROWS, 499)] = -np.inf
    return made, scorer, pool, scorer.outputs(pool, WITH)


def assert_same_rows(part: Scored, whole: Scored, rows: I64) -> None:
    np.testing.assert_array_equal(part.valid, whole.valid[rows])
    for name in WITH - {Output.EMBEDDING}:
        np.testing.assert_array_equal(part.outputs[name], whole.outputs[name][rows])


@pytest.mark.parametrize("name", CASES)
def test_equals_every_models_own_scorer(name: str) -> None:
    made, _, pool, scored = case(name)
    alone = [model.scorer().outputs(pool, ALL) for model in made]
    valid = np.logical_and.reduce([one.valid for one in alone])
    np.testing.assert_array_equal(scored.valid, valid)
    for output in (Output.PROBA, Output.LOGITS):
        atol = 1e-6 if output is Output.PROBA else 1e-4
        np.testing.assert_allclose(scored.outputs[output][valid], alone[0].outputs[output][valid], atol=atol)
    committee = scored.outputs[Output.COMMITTEE]
    assert committee.shape == (ROWS, len(made) - 1, len(made[0].classes))
    assert committee.dtype == np.float32
    for m, one in enumerate(alone[1:]):
        np.testing.assert_allclose(committee[valid, m], one.outputs[Output.PROBA][valid], atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_equals_scikit_learn(name: str) -> None:
    made, _, pool, scored = case(name)
    ordinary = np.flatnonzero(scored.valid & (np.abs(pool).max(axis=1) < 1e30))
    for m, model in enumerate(made):
        ours = scored.outputs[Output.COMMITTEE][:, m - 1] if m else scored.outputs[Output.PROBA]
        np.testing.assert_allclose(ours[ordinary], oracle(model, pool[ordinary]), atol=1e-5)


def explicit_divergences(scored: Scored) -> F64:
    """Give KL(p_m || q) of the members' probabilities of rows that count, in float64."""
    proba = scored.outputs[Output.COMMITTEE][scored.valid].astype(np.float64)
    proba /= proba.sum(axis=2, keepdims=True)
    mean = proba.mean(axis=1)
    return np.stack([stats.entropy(proba[:, m], mean, axis=1) for m in range(proba.shape[1])], axis=1)


@pytest.mark.parametrize("name", CASES)
def test_divergences_are_those_of_the_probabilities(name: str) -> None:
    made, scorer, pool, scored = case(name)
    found, valid = scored.outputs[Output.DIVERGENCE], scored.valid
    assert found.shape == (ROWS, len(made) - 1)
    assert found.dtype == np.float32
    assert found.min() >= 0
    np.testing.assert_allclose(found[valid], explicit_divergences(scored), atol=1e-5)
    assert found[valid].max() > 0.01
    alone = scorer.outputs(pool, frozenset({Output.DIVERGENCE})).outputs[Output.DIVERGENCE]
    np.testing.assert_array_equal(alone, found)


@pytest.mark.parametrize("name", CASES)
def test_rows_that_do_not_count_are_zero(name: str) -> None:
    _, _, pool, scored = case(name)
    finite = np.isfinite(pool).all(axis=1)
    np.testing.assert_array_equal(scored.valid, finite)
    for output in WITH - {Output.EMBEDDING}:
        assert not scored.outputs[output][~finite].any()
        assert np.isfinite(scored.outputs[output]).all()


@pytest.mark.parametrize("features", [7, 64])
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_any_split_gives_the_same_bits(name: str, features: int, data: st.DataObject) -> None:
    _, scorer, pool, whole = case(name, features)
    cuts = sorted(data.draw(st.sets(st.integers(0, ROWS), max_size=4)) | {0, ROWS})
    for start, stop in pairwise(cuts):
        assert_same_rows(scorer.outputs(pool[start:stop], WITH), whole, np.arange(start, stop))


@pytest.mark.parametrize("features", [7, 64])
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1, 2, 17, 127, 129, 255, 1000, 4097]))
def test_any_rows_in_any_order_give_the_same_bits(name: str, features: int, seed: int, size: int) -> None:
    _, scorer, pool, whole = case(name, features)
    rows = np.random.default_rng(seed).permutation(ROWS)[:size]
    assert_same_rows(scorer.outputs(pool[rows], WITH), whole, rows)


@pytest.mark.parametrize("features", [130, 700])
def test_any_rows_of_a_wide_product_give_the_same_bits(features: int) -> None:
    made = models([config(params={"max_iter": 5}, calibrate=False)] * 6, 10, features, 0.0)
    scorer = CommitteeScorer.of(made[0], made[1:])
    assert scorer.forms
    pool, _ = labelled(2000, features, 10, seed=1)
    whole = scorer.outputs(pool, WITH)
    for rows in (np.arange(1), np.arange(1999, -1, -1), np.random.default_rng(0).permutation(2000)[:777]):
        assert_same_rows(scorer.outputs(pool[rows], WITH), whole, rows)


@pytest.mark.parametrize("name", ["softmax", "trees"])
def test_memory_layout_does_not_matter(name: str) -> None:
    _, scorer, pool, whole = case(name)
    read_only = pool.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + pool.tobytes(), np.uint8)[1:].view(np.float32).reshape(pool.shape)
    for same in (np.asfortranarray(pool), np.repeat(pool, 2, axis=0)[::2], unaligned, read_only):
        assert_same_rows(scorer.outputs(same, WITH), whole, np.arange(ROWS))


@pytest.mark.parametrize("stretch", [30.0, 300.0, 3000.0])
def test_rows_far_out_are_scored_as_each_model_would(stretch: float) -> None:
    """Decision values of hundreds, whose exponentials float32 does not hold."""
    made, scorer, pool, _ = case("softmax")
    ordinary = np.nan_to_num(np.abs(pool).max(axis=1), nan=np.inf) < 1e30
    far = pool[ordinary][:3000] * np.float32(stretch)
    scored = scorer.outputs(far, WITH)
    assert scored.valid.all()
    found = scored.outputs[Output.DIVERGENCE]
    np.testing.assert_allclose(found, explicit_divergences(scored), atol=2e-5)
    for m, model in enumerate(made[1:]):
        alone = model.scorer().outputs(far, PROBA).outputs[Output.PROBA]
        np.testing.assert_allclose(scored.outputs[Output.COMMITTEE][:, m], alone, atol=2e-5)


def test_minus_infinity_in_one_class_is_not_taken_for_a_probability_of_zero() -> None:
    """A partial sum that overflows float32, of a decision value that is moderate."""
    _, scorer, _, _ = case("two classes")
    nothing = replace(scorer.forms[0], weights=np.zeros((7, 2)), bias=np.zeros(2))
    weights = np.zeros((7, 2))
    weights[:3, 1] = -1.5, 0.75, 0.75
    forms = (nothing, replace(nothing, weights=weights))
    own = [one for one in scorer.scorers if isinstance(one, LinearScorer)]
    scorers = tuple(replace(one, form=form) for one, form in zip(own, forms, strict=False))
    odd = replace(scorer, forms=forms, scorers=scorers)
    row = np.array([[3e38, 3e38, 3e38, 0, 0, 0, 0]], np.float32)
    assert odd.outputs(row, WITH).outputs[Output.COMMITTEE][0, 0].tolist() == [0.5, 0.5]


def test_a_class_that_a_member_never_saw_has_probability_zero_there() -> None:
    x, labels = labelled(300, 6, 4)
    main = fitted(config(), x, labels)
    some = np.isin(labels, [1, 3])
    for learner in (config(), FOREST):
        members = [fitted(learner, x[some], labels[some], classes=4), main]
        scored = CommitteeScorer.of(main, members).outputs(x, WITH)
        committee = scored.outputs[Output.COMMITTEE]
        assert scored.valid.all()
        assert not committee[:, 0, [0, 2]].any()
        np.testing.assert_allclose(committee.sum(axis=2), 1, atol=1e-5)
        np.testing.assert_allclose(committee[:, 0], members[0].predict_proba(x), atol=1e-5)


class HalfSure(Model):
    """Gives half of a distribution for rows with a large first feature."""

    def proba64(self, x: F64) -> F64:
        return super().proba64(x) / np.where(x[:, :1] > 1, 2, 1)


def test_a_row_on_which_one_member_fails_is_left_out() -> None:
    x, labels = labelled(300, 6, 4)
    main, member = (fitted(learner, x, labels) for learner in (config(), FOREST))
    scored = CommitteeScorer.of(main, [main, HalfSure(**vars(member))]).outputs(x, WITH)
    np.testing.assert_array_equal(scored.valid, x[:, 0] <= 1)
    assert not scored.outputs[Output.PROBA][~scored.valid].any()
    assert not scored.outputs[Output.COMMITTEE][~scored.valid].any()


def test_what_a_committee_gives() -> None:
    x, labels = labelled(60, 4, 3)
    main = fitted(config(), x, labels)
    scorer = CommitteeScorer.of(main, [main, main])
    assert scorer.gives == main.scorer().gives | {Output.COMMITTEE, Output.DIVERGENCE}
    with pytest.raises(ModelError, match="the strategy wants committee; this learner gives embedding, "):
        main.scorer().outputs(x, frozenset({Output.COMMITTEE}))
    with pytest.raises(ModelError, match="there are none"):
        CommitteeScorer.of(main, [])
    with pytest.raises(ModelError, match="member 1 of the committee has 3 classes and 3 features"):
        CommitteeScorer.of(main, [main, fitted(config(), x[:, :3], labels)])
    other = replace(main, classes=names(4))
    with pytest.raises(ModelError, match="member 0 of the committee has 4 classes"):
        CommitteeScorer.of(main, [other])


def test_columns_are_contiguous_and_an_empty_block_is_one() -> None:
    _, scorer, pool, _ = case("softmax")
    for start, stop, scored in scorer.tiles(pool, WITH):
        committee = scored.outputs[Output.COMMITTEE]
        assert committee.shape == (stop - start, 5, 10)
        assert committee.strides[0] == 4
        assert scored.outputs[Output.DIVERGENCE].strides[0] == 4
    empty = scorer.outputs(pool[:0], WITH)
    assert empty.outputs[Output.COMMITTEE].shape == (0, 5, 10)
    assert empty.outputs[Output.DIVERGENCE].shape == (0, 5)


def test_a_scorer_travels_to_a_worker() -> None:
    _, scorer, pool, whole = case("trees")
    assert_same_rows(pickle.loads(pickle.dumps(scorer)).outputs(pool, WITH), whole, np.arange(ROWS))  # noqa: S301 - our own bytes


def test_bootstrap_members_of_a_linear_learner_take_one_product() -> None:
    x, labels = labelled(90, 4, 3)
    main = fitted(config(LOGISTIC), x, labels)
    members = fit_committee(CommitteeConfig(members=3), main, x, labels, seed=1, round=1).members
    scorer = CommitteeScorer.of(main, members)
    assert len(scorer.forms) == 4
    committee = scorer.outputs(x, WITH).outputs[Output.COMMITTEE]
    assert np.ptp(committee, axis=1).max() > 0.05
