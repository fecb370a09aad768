"""Annotators against plain loops, by hand, and in simulated crowds with a spammer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError
from lamplighter.evaluation import wilson
from lamplighter.quality.annotators import (
    AnnotatorQuality,
    agreement_with_others,
    annotator_quality,
    below,
    excluding,
)
from lamplighter.quality.answers import Answers
from lamplighter.quality.lead_times import lead_times
from lamplighter.rounds import Estimate
from lamplighter.votes import Labels
from tests.quality.crowds import LAW, answers_of, by_row, crowds, of_matrix, one_coin, simulated


def gold_of(known: dict[int, int]) -> Labels:
    ids = sorted(known)
    return Labels(
        pa.array(ids, pa.int64()), np.array([known[i] for i in ids], np.int32), np.ones(len(ids), np.int32)
    )


def with_others(answers: Answers) -> list[float]:
    found = []
    rows = by_row(answers)
    for i, j, c in zip(answers.row, answers.annotator, answers.label, strict=True):
        others = [said for who, said in rows[i].items() if who != j]
        leaders = {s for s in others if others.count(s) == max(map(others.count, others))}
        found.append(1 / len(leaders) if c in leaders else 0.0)
    return found


@LAW
@given(crowds(rows=5, annotators=7))
def test_agreement_leaves_the_own_vote_out(answers: Answers) -> None:
    np.testing.assert_allclose(agreement_with_others(answers), with_others(answers))


def test_one_class_and_nobody() -> None:
    assert agreement_with_others(of_matrix([[0, 0], [0, None]], classes=1)).tolist() == [1, 1, 0]
    assert annotator_quality(answers_of({})) == ()


@LAW
@given(crowds(), st.dictionaries(st.integers(0, 9), st.integers(0, 2)))
def test_shares_equal_plain_counts(answers: Answers, known: dict[int, int]) -> None:
    rows, ids, others = by_row(answers), answers.ids.to_pylist(), with_others(answers)
    for j, found in enumerate(annotator_quality(answers, gold_of(known))):
        mine = {i: v[j] for i, v in enumerate(rows) if j in v}
        right = [c == known[ids[i]] for i, c in mine.items() if ids[i] in known]
        assert (found.name, found.votes) == (answers.annotators[j], len(mine))
        assert (found.gold is None) == (not right)
        if found.gold:
            assert (found.gold.value, found.gold.n) == (sum(right) / len(right), len(right))
            assert (found.gold.low, found.gold.high) == wilson(sum(right), len(right))
        agreed = [others[v] for v in np.flatnonzero((answers.annotator == j) & answers.shared)]
        assert (found.agreement is None) == (not agreed)
        if found.agreement:
            assert found.agreement.value == pytest.approx(sum(agreed) / len(agreed))
            assert found.agreement.n == len(agreed)


def test_lead_times_by_hand() -> None:
    seconds = np.exp(np.array([1.0, 2.0, 3.0, 4.0, 5.0, -4.0, 9.0]))
    # ln: median 3, absolute deviations 2 1 0 1 2 7 6, their median 2.
    found = lead_times(np.append(seconds, [np.nan, 0.0, -3.0, np.inf]), limit=2.0)
    scale = 1.4826022185056018 * 2
    assert found.fast_below_s == pytest.approx(np.exp(3 - 2 * scale))
    assert found.slow_above_s == pytest.approx(np.exp(3 + 2 * scale))
    assert found.median_s == pytest.approx(np.exp(3))
    assert np.flatnonzero(found.fast).tolist() == [5]
    assert np.flatnonzero(found.slow).tolist() == [6]
    assert found.known.tolist() == [True] * 7 + [False] * 4


def test_lead_times_that_are_mostly_one_value_have_a_scale_still() -> None:
    found = lead_times(np.array([5.0] * 9 + [500.0]))
    assert np.flatnonzero(found.slow).tolist() == [9]
    assert not found.fast.any()
    assert lead_times(np.full(4, 7.0)).slow_above_s is None
    assert not lead_times(np.full(4, 7.0)).slow.any()
    unknown = lead_times(np.array([np.nan, 0.0]))
    assert (unknown.median_s, unknown.fast_below_s) == (None, None)
    assert not (unknown.fast | unknown.slow | unknown.known).any()


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=30), st.floats(0.01, 100))
def test_the_unit_of_time_does_not_matter(seconds: list[float], unit: float) -> None:
    # Values on a coarse grid, so that none is a rounding away from a bound.
    times = np.exp2(np.round(np.log2(np.array(seconds))))
    first, second = lead_times(times, limit=3.3), lead_times(times * unit, limit=3.3)
    np.testing.assert_array_equal(first.fast, second.fast)
    np.testing.assert_array_equal(first.slow, second.slow)


def test_lead_times_are_counted_per_annotator() -> None:
    draw = np.random.default_rng(0)
    lead = {(i, j): float(draw.lognormal(2, 0.3)) for i in range(50) for j in range(3)}
    lead |= {(i, 2): 0.1 for i in range(10)} | {(11, 1): 10_000.0, (12, 1): float("nan")}
    answers = answers_of(dict.fromkeys(lead, 0), lead=lead)
    found = annotator_quality(answers)
    assert [(a.fast, a.slow) for a in found] == [(0, 0), (0, 1), (10, 0)]
    expected = np.median([s for (i, j), s in lead.items() if j == 1 and i != 12])
    assert found[1].median_lead_time_s == pytest.approx(expected)
    assert annotator_quality(answers_of({(0, 0): 1}))[0].median_lead_time_s is None


def estimate(right: int, n: int) -> Estimate:
    low, high = wilson(right, n)
    return Estimate(value=right / n, low=low, high=high, n=n)


def measured(name: str, gold: Estimate | None, agreement: Estimate | None = None) -> AnnotatorQuality:
    return AnnotatorQuality(name, 100, gold, agreement, None, 0, 0)


def test_only_who_is_surely_below_the_bound_is_named() -> None:
    # 6 of 10 may be an annotator of 0.83 (Wilson), 60 of 100 may not.
    crowd = [measured("few", estimate(6, 10)), measured("bad", estimate(60, 100)), measured("none", None)]
    assert [v.name for v in below(crowd, 0.8)] == ["bad"]
    assert below(crowd, estimate(60, 100).high) == ()
    (verdict,) = below(crowd, 0.8)
    assert str(verdict) == (
        "annotator 'bad' has 60.0% of 100 gold rows right (95% interval 50.2% to 69.1%), "
        "below the bound of 80.0%"
    )


def test_agreement_names_only_where_asked_and_gold_did_not() -> None:
    crowd = [
        measured("both", estimate(20, 100), estimate(20, 100)),
        measured("odd", estimate(99, 100), estimate(30, 100)),
    ]
    assert [(v.name, v.measure) for v in below(crowd, 0.8)] == [("both", "gold")]
    found = below(crowd, 0.8, agreement_bound=0.5)
    assert [(v.name, v.measure, v.bound) for v in found] == [("both", "gold", 0.8), ("odd", "agreement", 0.5)]
    assert "agreement with the other annotators" in str(found[1])


def test_a_spammer_is_found_and_left_out() -> None:
    truth = np.random.default_rng(3).integers(0, 3, 900)
    answers = simulated(truth, one_coin([0.9, 0.9, 0.85, 1 / 3, 0.95], 3), votes=3, seed=4)
    gold = gold_of({i: int(truth[i]) for i in range(0, 900, 9)})
    by_gold = below(annotator_quality(answers, gold), 0.7)
    by_peers = below(annotator_quality(answers), 0.7, agreement_bound=0.6)
    assert [v.name for v in by_gold] == [v.name for v in by_peers] == ["ann 3"]
    left = excluding(answers, by_gold)
    assert "ann 3" not in left.annotators
    assert len(left) == np.count_nonzero(answers.annotator != 3)
    assert excluding(answers, ()).annotators == answers.annotators


@pytest.mark.parametrize(
    "bounds", [{"bound": 1.2}, {"bound": float("nan")}, {"bound": 0.5, "agreement_bound": -1}]
)
def test_a_bound_that_is_no_share_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="allowed: from 0 up to 1"):
        below([], **bounds)
