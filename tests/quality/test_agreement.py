"""Alpha against published values, brute force and its laws; kappa against scikit-learn."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import cohen_kappa_score

from lamplighter.errors import ConfigError
from lamplighter.evaluation.intervals import Z
from lamplighter.quality.agreement import agreement, pairs
from lamplighter.quality.answers import Answers
from lamplighter.quality.majority import majority
from tests.quality.crowds import LAW, answers_of, by_row, crowds, of_matrix, one_coin, simulated


def read(*lines: str) -> Answers:
    """Give the answers of one observer per line: a letter or digit per unit, a dot where missing."""
    known = sorted(set("".join(lines)) - {"."})
    return of_matrix([[None if c == "." else known.index(c) for c in line] for line in lines], len(known))


#: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", sections A, B and C; and the example
#: of the article "Krippendorff's alpha" in the English Wikipedia, section "A computational example".
PUBLISHED = [
    (("0100000010", "1110010000"), 0.095),
    (("aabbdcccedda", "babbbccceddd"), 0.692),
    (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
    ((".....34121133.3", "1.213343.......", "..21344.21133.4"), 0.691),
]


@pytest.mark.parametrize(("lines", "alpha"), PUBLISHED)
def test_the_published_examples(lines: tuple[str, ...], alpha: float) -> None:
    found = agreement(read(*lines), seed=0, round=0)
    assert found.alpha == pytest.approx(alpha, abs=5e-4)


def by_pairs(answers: Answers) -> tuple[float, float]:
    """Give observed and expected disagreement by going through all pairs of votes."""
    rows = [list(v.values()) for v in by_row(answers) if len(v) > 1]
    values = [c for row in rows for c in row]
    seen = sum(sum(a != b for a, b in permutations(row, 2)) / (len(row) - 1) for row in rows)
    chance = sum(a != b for a, b in permutations(values, 2)) / (len(values) - 1)
    return seen / len(values), chance / len(values)


@LAW
@given(crowds())
def test_alpha_equals_brute_force(answers: Answers) -> None:
    found = agreement(answers, seed=1, round=2, resamples=50)
    shared = [v for v in by_row(answers) if len(v) > 1]
    assert (found.rows, found.votes) == (len(shared), sum(map(len, shared)))
    if not shared:
        assert found.alpha is found.observed is None
        return
    seen, chance = by_pairs(answers)
    assert found.observed == pytest.approx(1 - seen)
    if found.alpha is None or found.low is None or found.high is None:
        assert chance == pytest.approx(0, abs=1e-12)
        return
    assert found.alpha == pytest.approx(1 - seen / chance)
    assert found.low <= found.alpha <= found.high


@LAW
@given(crowds())
def test_only_what_was_said_counts(answers: Answers) -> None:
    """Names of annotators and classes do not, nor rows that one of them saw."""
    renamed = answers_of(
        {(i + 50, 9 - j): 2 - c for i, v in enumerate(by_row(answers)) for j, c in v.items()}
        | {(200 + c, 0): c for c in range(3)}
    )
    first, second = (agreement(a, seed=1, round=1, resamples=20) for a in (answers, renamed))
    assert first.alpha == pytest.approx(second.alpha)
    assert first.observed == pytest.approx(second.observed)
    assert first.rows == second.rows


CROWD = one_coin([0.9, 0.85, 0.8, 0.75], 3)


def test_the_interval_holds_its_level_and_is_drawn_by_key() -> None:
    whole = simulated(np.random.default_rng(0).integers(0, 3, 20_000), CROWD, votes=2, seed=1)
    truth = agreement(whole, seed=0, round=0).alpha
    found = []
    for k in range(100):
        part = whole.of_rows(np.arange(20_000) // 200 == k)
        found.append(agreement(part, seed=k, round=1, resamples=300))
    held = [a.low <= truth <= a.high for a in found if a.low and a.high and truth]
    # Binomial(100, 0.95): 88 or fewer once in 300 times, and this draw is fixed.
    assert len(held) == 100
    assert 88 <= sum(held) <= 100
    assert found[7] == agreement(whole.of_rows(np.arange(20_000) // 200 == 7), seed=7, round=1, resamples=300)
    assert (
        found[7].low
        != agreement(whole.of_rows(np.arange(20_000) // 200 == 7), seed=8, round=1, resamples=300).low
    )


def test_the_interval_is_that_of_rows_drawn_one_by_one() -> None:
    answers = simulated(np.arange(60) % 3, CROWD, votes=3, seed=4)
    draw, alphas = np.random.default_rng(0), []
    rows = by_row(answers)
    for _ in range(400):
        drawn = [rows[i] for i in draw.integers(0, 60, 60)]
        seen, chance = by_pairs(answers_of({(i, j): c for i, v in enumerate(drawn) for j, c in v.items()}))
        alphas.append(1 - seen / chance)
    found = agreement(answers, seed=0, round=0, resamples=4000)
    assert [found.low, found.high] == pytest.approx(np.quantile(alphas, [0.025, 0.975]).tolist(), abs=0.04)


def test_a_few_rows_without_a_dispute_do_not_look_certain() -> None:
    found = agreement(read("0011", "0011"), seed=0, round=0)
    expected = 1 - 2 * 4 * 3 / (8 * 7)
    assert (found.alpha, found.high, found.observed) == (1, 1, 1)
    assert found.low == pytest.approx(1 - Z * Z / (4 + Z * Z) / expected)


def test_one_class_tells_nothing() -> None:
    found = agreement(read("000", "000"), seed=0, round=0)
    assert (found.alpha, found.low, found.high, found.observed, found.rows) == (None, None, None, 1.0, 3)
    nobody = answers_of({})
    assert agreement(nobody, seed=0, round=0).rows == 0
    assert pairs(nobody) == []


def test_rows_of_a_stratum() -> None:
    answers = read("00112", "01112")
    part = answers.of_rows(np.array([True, True, False, False, False]))
    assert agreement(part, seed=0, round=0).observed == 0.5
    assert part.ids.to_pylist() == [0, 1]
    assert majority(answers.of_rows(np.zeros(5, bool))).label.tolist() == []


@LAW
@given(crowds(rows=12))
def test_pairs_equal_scikit_learn(answers: Answers) -> None:
    rows = by_row(answers)
    expected = {}
    for j in range(len(answers.annotators)):
        for k in range(j + 1, len(answers.annotators)):
            both = [(v[j], v[k]) for v in rows if j in v and k in v]
            if both:
                expected[answers.annotators[j], answers.annotators[k]] = both
    found = pairs(answers)
    assert [(p.first, p.second) for p in found] == list(expected)
    for pair, both in zip(found, expected.values(), strict=True):
        assert pair.rows == len(both)
        assert pair.observed == pytest.approx(np.mean([a == b for a, b in both]))
        if len({c for b in both for c in b}) == 1:
            assert pair.kappa is None
        else:
            first, second = zip(*both, strict=True)
            assert pair.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)


def test_no_resample_is_refused() -> None:
    with pytest.raises(ConfigError, match="resamples is 0"):
        agreement(read("01", "01"), seed=0, round=0, resamples=0)
