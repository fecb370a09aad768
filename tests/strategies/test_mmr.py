"""Maximal marginal relevance: the fast path is the plain one, by hand and by brute force."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamplighter.arrays import F32, F64, I64
from lamplighter.errors import ConfigError
from lamplighter.strategies.base import Context, Output, Shortlist
from lamplighter.strategies.mmr import Mmr, mmr
from lamplighter.strategies.uncertainty import entropy, margin
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case
from lamplighter.testing.strategy_round import block

CASES = {
    "mmr": Mmr(),
    "mmr_beyond": Mmr(relevance=0.2, beyond_labelled=True, uncertainty="entropy"),
    "mmr_committee": Mmr(uncertainty="vote_entropy", oversample=2),
}


@pytest.mark.parametrize("case", contract.cases(CASES), ids=str)
def test_contract(case: Case) -> None:
    case()


def plainly(x: F32, relevant: F64, k: int, relevance: float, *, labelled: F32) -> I64:
    """Pick by the formula, in float64; the first of equals."""

    def unit(rows: F32) -> F64:
        wide = rows.astype(np.float64)
        length = np.linalg.norm(wide, axis=1, keepdims=True)
        units: F64 = np.divide(wide, length, out=np.zeros_like(wide), where=length > 0)
        return units

    rows, members = unit(x), list(unit(labelled))
    picks: list[int] = []
    for _ in range(min(k, len(x))):
        likeness = (rows @ np.array(members).T).max(axis=1) if members else np.zeros(len(x))
        value = relevance * relevant - (1 - relevance) * likeness
        value[picks] = -np.inf
        picks.append(int(np.flatnonzero(value >= value.max() - 1e-13)[0]))
        members.append(rows[picks[-1]])
    return np.array(picks, np.int64)


@pytest.mark.parametrize("relevance", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("kind", ["gauss", "clusters", "signs", "duplicates", "constant", "zeros"])
def test_picks_are_those_of_the_plain_method(kind: str, relevance: float) -> None:
    draws, m = np.random.default_rng(3), 2000
    x = {
        "gauss": draws.normal(size=(m, 12)),
        "clusters": draws.normal(size=(9, 12))[draws.integers(9, size=m)] + 0.2 * draws.normal(size=(m, 12)),
        "signs": draws.integers(-1, 2, size=(m, 6)),
        "duplicates": draws.normal(size=(30, 4))[draws.integers(30, size=m)],
        "constant": np.ones((m, 3)),
        "zeros": np.zeros((m, 3)),
    }[kind].astype(np.float32)
    relevant = np.sort(draws.random(m).astype(np.float32)).astype(np.float64)[::-1]
    for labelled in (x[:0], x[50:60]):
        found = mmr(x, relevant, 150, relevance, labelled=labelled)
        assert found.tolist() == plainly(x, relevant, 150, relevance, labelled=labelled).tolist()


small = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(-3, 3).map(float)
)


@given(small, st.integers(1, 14), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 2))
def test_small_ones_too(x: F32, k: int, relevance: float, labels: int) -> None:
    labelled, pool = x[:labels], x[labels:]
    relevant = np.linspace(1, 0, len(pool)).round(1)
    found = mmr(pool, relevant, k, relevance, labelled=labelled)
    assert found.tolist() == plainly(pool, relevant, k, relevance, labelled=labelled).tolist()


def test_by_hand() -> None:
    x = np.array([[1, 0], [2, 0.1], [0, 1], [-1, 0]], np.float32)
    relevant = np.array([1.0, 0.9, 0.6, 0.0])
    # Second pick: .45 - .5 * .9988, .3 - 0, 0 + .5 for the opposite direction.
    assert mmr(x, relevant, 4, 0.5, labelled=x[:0]).tolist() == [0, 3, 2, 1]
    # .9 * .9 - .1 * .9988 = .71, .9 * .6 = .54, 0 + .1: then uncertainty decides.
    assert mmr(x, relevant, 4, 0.9, labelled=x[:0]).tolist() == [0, 1, 2, 3]
    assert mmr(x, relevant, 1, 0.5, labelled=x[2:3]).tolist() == [0]
    assert mmr(x, relevant, 1, 0.5, labelled=x[:1]).tolist() == [3]


def listed(x: F32, score: F32) -> Shortlist:
    """Give rows as a shortlist, in their order."""
    zeros = np.zeros(len(x), np.int32)
    return Shortlist(
        pa.array(range(len(x)), pa.int64()),
        score,
        np.arange(len(x), dtype=np.uint64),
        zeros,
        zeros,
        np.arange(len(x)),
        {Output.EMBEDDING: x},
    )


CONTEXT = Context(seed=1, round=1, k=2, rows=10, classes=("a", "b"))


def test_uncertainty_counts_by_its_range_in_the_shortlist() -> None:
    x = np.array([[1, 0], [1, 0.2], [0.5, 1]], np.float32)
    # .999 against .99 is all the range there is: the second row has u = .9, the third u = 0.
    score = np.array([0.9999, 0.9989, 0.99], np.float32)
    assert Mmr(relevance=0.8).choose(listed(x, score), CONTEXT).positions.tolist() == [0, 1]
    assert Mmr(relevance=0.2).choose(listed(x, score), CONTEXT).positions.tolist() == [0, 2]


def test_labelled_rows_count_if_asked() -> None:
    x = np.array([[1, 0], [0, 1]], np.float32)
    context = replace(CONTEXT, k=1, load=lambda: (x[:1], np.zeros(1, np.int32)))
    rows = listed(x, np.array([0.9, 0.9], np.float32))
    assert Mmr().choose(rows, context).positions.tolist() == [0]
    assert Mmr(beyond_labelled=True).choose(rows, context).positions.tolist() == [1]


def test_columns_of_a_table_are_put_on_one_scale() -> None:
    x = np.array([[1000, 1], [1001, -1], [1000, -1], [1001, 1]], np.float32)
    rows = listed(x, np.linspace(1, 0.9, 4).astype(np.float32))
    table = replace(CONTEXT, embedding=False)
    assert Mmr(relevance=0).choose(rows, table).positions.tolist() == [0, 1]
    assert Mmr(relevance=0).choose(rows, CONTEXT).positions.tolist() == [0, 2]


def test_the_score_is_the_uncertainty() -> None:
    rows = block()
    assert Mmr().score(rows).tolist() == margin(rows.proba).tolist()
    assert Mmr(uncertainty="entropy").score(rows).tolist() == entropy(rows.proba).tolist()
    assert Mmr(uncertainty="consensus_kl").requires == {Output.EMBEDDING, Output.DIVERGENCE}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"relevance": 1.5}, "relevance is 1.5; allowed: from 0 to 1"),
        ({"relevance": float("nan")}, "relevance is nan"),
        ({"uncertainty": "entrpy"}, "did you mean 'entropy'"),
        ({"oversample": 0}, "oversample is 0"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mmr(**wrong)
