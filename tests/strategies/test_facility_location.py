"""Facility location: lazy is naive greedy, parts and samples keep their guarantees, the bound is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.arrays import F32, F64, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies import _coverage
from lamplighter.strategies._coverage import Covering, largest_gains, lazy, stochastic
from lamplighter.strategies._similarity import Sites, covered_by, excess, median_distance, unit
from lamplighter.strategies.base import Choice, Context, Output, Shortlist
from lamplighter.strategies.facility_location import FacilityLocation, Task, in_parts
from lamplighter.strategies.uncertainty import margin
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case
from lamplighter.testing.strategy_round import block

CASES = {
    "facility_location": FacilityLocation(),
    "facility_location_sampled": FacilityLocation(
        "entropy", similarity="rbf", reference=50, method="stochastic"
    ),
    "facility_location_parts": FacilityLocation("max_disagreement", part=50, beyond_labelled=False),
}


@pytest.mark.parametrize("case", contract.cases(CASES), ids=str)
def test_contract(case: Case) -> None:
    case()


def sites(x: F32, reference: F32, labelled: F32, *, angular: bool) -> Sites:
    """Put rows beside a reference."""
    if angular:
        x, reference, labelled = unit(x), unit(reference), unit(labelled)
    return Sites(x, reference, covered_by(labelled, reference, angular=angular), angular)


def similarities(of: Sites) -> F64:
    """Give s+ of rows to the reference, by the formula in float64: (m, R)."""
    x, reference = of.x.astype(np.float64), of.reference.astype(np.float64)
    if of.angular:
        return np.maximum(x @ reference.T, 0)
    found: F64 = np.exp(-((x[:, None] - reference[None]) ** 2).sum(axis=2) / 2)
    return found


def value_of(of: Sites, picks: I64) -> float:
    """Give f of some picks."""
    covered = similarities(of)[picks].max(axis=0, initial=0)
    return float(np.maximum(covered, of.covered).sum() - of.covered.sum())


def naively(of: Sites, k: int) -> I64:
    """Pick greedily, with all gains made anew for each pick; the first of equals."""
    similar, covered, picks = similarities(of), of.covered, list[int]()
    for _ in range(k):
        gains = np.maximum(similar - covered, 0).sum(axis=1)
        gains[picks] = -1
        picks.append(int(np.flatnonzero(gains >= gains.max() - 1e-9)[0]))
        covered = np.maximum(covered, similar[picks[-1]])
    return np.array(picks, np.int64)


def best_value(of: Sites, k: int) -> float:
    """Give the largest f of any k rows."""
    return max(value_of(of, np.array(some)) for some in combinations(range(len(of.x)), k))


def made(kind: str, m: int, seed: int) -> F32:
    """Give data that are easy, clustered, full of ties, full of duplicates, constant."""
    draws = np.random.default_rng(seed)
    x = {
        "gauss": draws.normal(size=(m, 6)),
        "clusters": draws.normal(size=(15, 8))[draws.integers(15, size=m)] + 0.3 * draws.normal(size=(m, 8)),
        "signs": draws.integers(-1, 2, size=(m, 4)),
        "duplicates": draws.normal(size=(20, 4))[draws.integers(20, size=m)],
        "constant": np.ones((m, 3)),
    }[kind]
    return x.astype(np.float32)


@pytest.mark.parametrize("angular", [True, False], ids=["cosine", "rbf"])
@pytest.mark.parametrize("kind", ["gauss", "clusters", "duplicates", "constant"])
def test_lazy_picks_are_those_of_naive_greedy(kind: str, angular: bool) -> None:
    x = made(kind, 900, 0)
    for labelled in (x[:0], made(kind, 5, 1)):
        of = sites(x, x[::3], labelled, angular=angular)
        found, plain = lazy(of, 40), naively(of, 40)
        assert found.positions.tolist() == plain.tolist()
        assert len(set(found.positions.tolist())) == 40
        assert found.value == pytest.approx(value_of(of, plain), abs=1e-3)
        assert found.value == pytest.approx(value_of(of, found.positions), abs=1e-9)


@pytest.mark.parametrize("angular", [True, False], ids=["cosine", "rbf"])
def test_few_promising_rows_make_the_same_picks(angular: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # So few that all rows are looked at after nearly every pick.
    monkeypatch.setattr(_coverage, "_PROMISING", 2)
    monkeypatch.setattr(_coverage, "_KEPT", 1)
    of = sites(made("clusters", 300, 2), made("clusters", 90, 3), made("clusters", 3, 4), angular=angular)
    assert lazy(of, 60).positions.tolist() == naively(of, 60).tolist()


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 3), st.booleans())
def test_bounds_hold_against_brute_force(seed: int, m: int, k: int, angular: bool) -> None:
    draws = np.random.default_rng(seed)
    kind = "signs" if seed % 2 else "gauss"
    x = made(kind, m, seed)
    of = sites(x, made(kind, 7, seed + 1), x[: seed % 3], angular=angular)
    k = min(k, m)
    best = best_value(of, k)
    split = [part for part in np.array_split(draws.permutation(m), 3) if len(part)]
    parts = in_parts(Task(of, k, None, 0), [np.sort(part) for part in split], over=plain_map)
    for found in (lazy(of, k), stochastic(of, k, 0.1, draws), parts):
        assert len(set(found.positions.tolist())) == len(found.positions) == k
        assert found.value == pytest.approx(value_of(of, found.positions), abs=1e-6)
        assert found.bound >= best - 1e-9
        assert 0 <= found.certificate <= 1
        assert found.value >= found.certificate * best - 2e-4
    assert lazy(of, k).value >= (1 - np.exp(-1)) * best - 1e-5


def plain_map(function: Any, items: Any) -> list[Any]:
    return [function(item) for item in items]


def test_sampling_and_random_parts_keep_their_guarantees() -> None:
    ratios: dict[str, list[float]] = {"stochastic": [], "parts": []}
    for seed in range(30):
        draws = np.random.default_rng(seed)
        of = sites(
            made("gauss", 12, seed), made("gauss", 12, seed + 100), np.empty((0, 6), np.float32), angular=True
        )
        best = best_value(of, 3)
        ratios["stochastic"].append(stochastic(of, 3, 0.2, draws).value / best)
        parts = [np.sort(part) for part in np.array_split(draws.permutation(12), 3)]
        ratios["parts"].append(in_parts(Task(of, 3, None, 0), parts, over=plain_map).value / best)
    assert np.mean(ratios["stochastic"]) >= 1 - np.exp(-1) - 0.2
    assert min(ratios["parts"]) >= 0.316


def test_a_sample_as_large_as_the_rows_is_greedy() -> None:
    of = sites(made("gauss", 40, 0), made("gauss", 40, 1), made("gauss", 1, 2), angular=True)
    found = stochastic(of, 5, 1e-9, np.random.default_rng(0))
    assert found.positions.tolist() == lazy(of, 5).positions.tolist()


def test_one_part_is_the_whole_and_a_part_may_win() -> None:
    of = sites(made("gauss", 40, 0), made("gauss", 40, 1), made("gauss", 0, 2), angular=True)
    whole = in_parts(Task(of, 4, None, 0), [np.arange(40)], over=plain_map)
    assert whole.positions.tolist() == lazy(of, 4).positions.tolist()
    # Greedy on the union takes a row that is best alone; the part without it does better.
    x = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    reference = np.repeat(x[1:3], 4, axis=0)
    trap = sites(x, reference, x[:0], angular=True)
    found = in_parts(Task(trap, 2, None, 0), [np.array([0, 3]), np.array([1, 2])], over=plain_map)
    assert found.value == pytest.approx(8)
    assert found.positions.tolist() == [1, 2]
    assert lazy(trap, 2).value < 8


def test_gains_of_some_columns_take_whole_gains_along() -> None:
    of = sites(made("gauss", 700, 0), made("gauss", 60, 1), made("gauss", 2, 2), angular=False)
    every, higher = np.arange(60), of.covered.copy()
    higher[::4] += 0.1
    changed = np.flatnonzero(higher > of.covered)
    lost = of.gains(None, changed, of.covered[changed], (higher - of.covered)[changed])
    assert of.gains(None, every, of.covered) - lost == pytest.approx(of.gains(None, every, higher), abs=1e-4)
    exact = np.maximum(similarities(of) - higher, 0).sum(axis=1)
    assert of.gains(None, every, higher) == pytest.approx(exact, abs=1e-4)
    assert np.sort(largest_gains(of, higher, 5)) == pytest.approx(np.sort(exact)[-5:], abs=1e-4)


def test_similarities_by_hand() -> None:
    x = np.array([[3, 4], [0, 0], [-1, 0]], np.float32)
    reference = np.array([[1, 0], [0, 2]], np.float32)
    none = np.zeros(2, np.float32)
    assert excess(unit(x), unit(reference), none, angular=True) == pytest.approx(
        np.array([[0.6, 0.8], [0, 0], [0, 0]]), abs=1e-6
    )
    found = excess(x, reference, none, angular=False)
    assert found == pytest.approx(np.exp(-np.array([[20, 13], [1, 4], [4, 5]]) / 2), abs=1e-6)
    assert covered_by(x[1:], reference, angular=False) == pytest.approx(np.exp([-0.5, -2.0]), abs=1e-6)
    assert median_distance(np.array([[0, 0], [3, 4], [3, 5], [3, 4]], np.float32)) == 1
    assert median_distance(np.ones((3, 2), np.float32)) == median_distance(x[:1]) == 1


def test_nothing_to_cover_is_certified() -> None:
    zeros = np.zeros((5, 2), np.float32)
    found = lazy(sites(zeros, zeros, zeros, angular=True), 3)
    assert found.positions.tolist() == [0, 1, 2]
    assert found.certificate == 1
    assert Covering(found.positions, 2.0, 4.0, found.covered).certificate == 0.5


def listed(x: F32) -> Shortlist:
    """Give rows as a shortlist, in their order."""
    zeros = np.zeros(len(x), np.int32)
    return Shortlist(
        pa.array(range(len(x)), pa.int64()),
        np.linspace(1, 0, len(x), dtype=np.float32),
        np.arange(len(x), dtype=np.uint64),
        zeros,
        zeros,
        np.arange(len(x)),
        {Output.EMBEDDING: x},
    )


def choose(strategy: FacilityLocation, x: F32, k: int, **known: Any) -> Choice:
    context = Context(seed=1, round=2, k=k, rows=len(x), classes=("a", "b"))
    return strategy.choose(listed(x), replace(context, **known))


def test_every_cluster_gets_a_pick_and_the_record_a_certificate() -> None:
    draws = np.random.default_rng(0)
    cluster = draws.integers(8, size=400)
    x = (np.eye(8)[cluster] + 0.05 * draws.normal(size=(400, 8))).astype(np.float32)
    for strategy in (FacilityLocation(), FacilityLocation(method="stochastic"), FacilityLocation(part=100)):
        found = choose(strategy, x, 8)
        assert sorted(cluster[found.positions].tolist()) == list(range(8))
        assert found.facts["facility_location_reference"] == 400
        assert 0.9 < float(found.facts["facility_location_covered"]) < 1
        assert 0.63 < float(found.facts["facility_location_certificate"]) <= 1


def test_what_is_labelled_needs_no_more_cover() -> None:
    x = np.repeat(np.eye(3, dtype=np.float32), [30, 20, 10], axis=0)
    labelled = {"load": lambda: (x[:1], np.zeros(1, np.int32))}
    assert choose(FacilityLocation(), x, 2, **labelled).positions.tolist() == [30, 50]
    assert choose(FacilityLocation(beyond_labelled=False), x, 2, **labelled).positions.tolist() == [0, 30]


def test_columns_of_a_table_are_compared_by_distance() -> None:
    # Near the mean, and 1000 times as large in one column: directions and raw distances would mislead.
    draws = np.random.default_rng(1)
    x = np.repeat([[0, 0], [1000, 0], [0, 1]], 20, axis=0) + draws.normal(size=(60, 2)) * [10, 0.01]
    found = choose(FacilityLocation(), x.astype(np.float32), 3, embedding=False)
    assert sorted((found.positions // 20).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("offset", [0, 1000, 10_000])
def test_an_offset_large_against_the_spread_leaves_distances_exact(offset: int) -> None:
    x = (np.random.default_rng(2).normal(size=(400, 16)) + offset).astype(np.float32)
    order = Context(1, 2, 20, 400, ("a", "b")).generator("facility_location").permutation(400)
    wide = x.astype(np.float64)
    steps = np.sqrt((np.diff(wide[order], axis=0) ** 2).sum(axis=1))
    gaps = ((wide[:, None] - wide[None]) ** 2).sum(axis=2)
    labelled, similar = wide[:3], np.exp(-gaps / np.median(steps) ** 2 / 2)
    covered, picks = similar[:3].max(axis=0), list[int]()
    for _ in range(20):
        picks.append(int(np.maximum(similar - covered, 0).sum(axis=1).argmax()))
        covered = np.maximum(covered, similar[picks[-1]])
    known = {"load": lambda: (labelled.astype(np.float32), np.zeros(3, np.int32))}
    found = choose(FacilityLocation(similarity="rbf"), x, 20, **known)
    assert found.positions.tolist() == picks
    assert found.facts["facility_location_covered"] == pytest.approx(covered.mean(), rel=1e-5)


def test_the_reference_bounds_the_work() -> None:
    x = made("clusters", 300, 0)
    assert choose(FacilityLocation(reference=17), x, 5).facts["facility_location_reference"] == 17
    assert choose(FacilityLocation(reference=1000), x, 5).facts["facility_location_reference"] == 300
    assert choose(FacilityLocation(), x, 300).positions.tolist() == list(range(300))


def test_the_score_is_the_uncertainty() -> None:
    rows = block()
    assert FacilityLocation().score(rows).tolist() == margin(rows.proba).tolist()
    assert FacilityLocation("vote_entropy").requires == {Output.EMBEDDING, Output.COMMITTEE}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"uncertainty": "margn"}, "did you mean 'margin'"),
        ({"oversample": 0}, "oversample is 0"),
        ({"similarity": "dot"}, "similarity is 'dot'; allowed: 'auto', 'cosine', 'rbf'"),
        ({"reference": 0}, "reference is 0"),
        ({"method": "naive"}, "method is 'naive'; allowed: 'lazy', 'stochastic'"),
        ({"epsilon": 0.0}, "epsilon is 0.0"),
        ({"epsilon": 1.0}, "epsilon is 1.0"),
        ({"part": 0}, "part is 0"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FacilityLocation(**wrong)
