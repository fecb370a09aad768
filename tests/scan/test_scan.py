"""A scan finds exactly what one sort of the whole pool finds."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import rng, scan
from lamplighter.arrays import F32, RowIds
from lamplighter.errors import DuplicateRowIds, ModelError, PoolSchemaError
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Lane, Output
from lamplighter.strategies.uncertainty import Entropy, entropy
from tests.scan.pools import (
    Column,
    MemoryPool,
    cuts,
    int_ids,
    job,
    memory_pool,
    oracle,
    softmax,
    whole,
)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 400),
    m=st.integers(0, 450),
    levels=st.sampled_from([0, 1, 2, 5]),
    kind=st.tuples(st.booleans(), st.integers(0, 1000)),
)
def test_the_shortlist_is_the_top_of_one_sort_over_the_pool(
    n: int, m: int, levels: int, kind: tuple[bool, int]
) -> None:
    text, seed = kind
    pool = memory_pool(n, text=text, seed=seed, levels=levels)
    result = whole(job(pool, m=m), cuts(pool.groups, seed))
    expected = oracle(pool, pool.features[:, 0], m)
    assert result.shortlist.ids.to_pylist() == pool.ids.take(pa.array(expected)).to_pylist()
    np.testing.assert_array_equal(result.shortlist.score, pool.features[expected, 0])
    np.testing.assert_array_equal(result.shortlist.embedding, pool.features[expected])
    assert (result.rows, result.left_out, result.scored) == (n, 0, n)


def test_the_running_threshold_gives_the_same_as_no_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    for levels in (0, 1, 3):
        pool = memory_pool(400, levels=levels)
        plain = whole(job(pool))
        monkeypatch.setattr("lamplighter.shortlists.SLACK", 1)
        cut = whole(job(pool))
        monkeypatch.undo()
        assert cut.shortlist.ids.equals(plain.shortlist.ids)
        assert cut.shortlist.embedding.tobytes() == plain.shortlist.embedding.tobytes()


def test_places_lead_back_to_the_rows() -> None:
    pool = memory_pool(333)
    found = whole(job(pool, holdout_key=3, holdout_below=2**62), [2, 5])
    for rows in (found.shortlist, found.holdout):
        at = rows.row_group * pool.group_rows + rows.row
        assert pool.ids.take(pa.array(at)).equals(rows.ids)
        assert not rows.file.any()


def test_random_reads_no_features() -> None:
    pool = memory_pool()
    result = whole(job(pool, STRATEGIES.build("random")))
    assert pool.reads == [False]
    assert result.shortlist.outputs == {}
    pool.reads.clear()
    whole(job(pool, STRATEGIES.build("random"), scorer=softmax()))
    assert pool.reads == [True]


def test_the_shortlist_carries_probabilities_whenever_a_model_gives_them() -> None:
    pool = memory_pool()
    carried = whole(job(pool, STRATEGIES.build("random"), scorer=softmax())).shortlist
    at = [pool.ids.to_pylist().index(i) for i in carried.ids.to_pylist()]
    expected = softmax().outputs(pool.features[at], frozenset({Output.PROBA})).outputs[Output.PROBA]
    np.testing.assert_array_equal(carried.proba, expected)
    bare = whole(job(pool, Entropy(), scorer=softmax(), carry=frozenset())).shortlist
    assert bare.outputs == {}
    assert bare.ids.equals(whole(job(pool, Entropy(), scorer=softmax())).shortlist.ids)


@pytest.mark.parametrize("text", [False, True])
def test_excluded_rows_and_the_holdout_never_get_in(text: bool) -> None:
    pool = memory_pool(text=text)
    excluded = pool.ids.take(pa.array(np.arange(0, 400, 3)))
    key, below = rng.key(1, 0, "holdout"), 2**64 // 5
    hashes = rng.row_hash(pool.ids, key)
    held = np.flatnonzero(hashes < np.uint64(below))
    assert 40 < len(held) < 140
    task = job(pool, m=400, exclude=excluded, holdout_key=key, holdout_below=below)
    result = whole(task, [3, 1, 4])
    out = excluded.to_pylist() + pool.ids.take(pa.array(held)).to_pylist()
    expected = oracle(pool, pool.features[:, 0], 400, out)
    assert result.shortlist.ids.to_pylist() == pool.ids.take(pa.array(expected)).to_pylist()
    by_hash = held[np.argsort(hashes[held])]
    assert result.holdout.ids.to_pylist() == pool.ids.take(pa.array(by_hash)).to_pylist()
    assert result.holdout.hash.tolist() == hashes[by_hash].tolist()


def test_a_holdout_of_everything_leaves_nothing() -> None:
    pool = memory_pool(120)
    result = whole(job(pool, holdout_below=2**64), [1, 2])
    assert (len(result.shortlist), len(result.holdout)) == (0, 120)


@pytest.mark.parametrize("text", [False, True])
def test_excluding_everything_leaves_a_typed_empty_shortlist(text: bool) -> None:
    pool = memory_pool(120, text=text)
    result = whole(job(pool, Entropy(), scorer=softmax(), exclude=pool.ids), [1, 2])
    assert len(result.shortlist) == 0
    assert result.shortlist.ids.type == pool.ids.type


def test_excluded_ids_of_another_type_are_refused() -> None:
    pool = memory_pool()
    with pytest.raises(PoolSchemaError, match="ids are int64, the ids of earlier rounds large_string"):
        whole(job(pool, exclude=pa.array(["3"], pa.large_string())))


@pytest.mark.parametrize("text", [False, True])
def test_the_sample_holds_every_sampled_row_with_its_prediction(text: bool) -> None:
    pool = memory_pool(text=text)
    pool.features[7, 1] = np.nan
    key, below = rng.key(1, 0, "sample"), 2**63
    task = job(pool, Entropy(), scorer=softmax(), sample_key=key, sample_below=below, exclude=pool.ids)
    result = whole(task, [2, 2, 4])
    hashes = rng.row_hash(pool.ids, key)
    members = [int(i) for i in np.argsort(hashes) if hashes[i] < np.uint64(below) and i != 7]
    proba = softmax().outputs(pool.features, frozenset({Output.PROBA})).outputs[Output.PROBA]
    assert result.sample.ids.to_pylist() == pool.ids.take(pa.array(members)).to_pylist()
    assert result.sample.predicted.tolist() == proba[members].argmax(axis=1).tolist()
    np.testing.assert_array_equal(result.sample.score, entropy(proba[members]))
    assert result.sample.predicted.dtype == np.int32


def test_no_sample_without_a_model() -> None:
    assert len(whole(job(memory_pool(), sample_below=2**63)).sample) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("with_model", [False, True])
def test_rows_that_are_not_finite_are_left_out_and_counted(
    bad: float, with_model: bool, caplog: pytest.LogCaptureFixture
) -> None:
    pool = memory_pool()
    pool.features[[5, 6, 399], [0, 1, 2]] = bad
    task = job(pool, m=400, scorer=softmax() if with_model else None)
    result = whole(task)
    assert (result.rows, result.left_out, result.scored) == (400, 3, 397)
    out = pool.ids.take(pa.array([5, 6, 399])).to_pylist()
    expected = oracle(pool, np.nan_to_num(pool.features[:, 0]), 400, out)
    assert result.shortlist.ids.to_pylist() == pool.ids.take(pa.array(expected)).to_pylist()
    assert "3 of 400 rows left out" in caplog.text


@dataclass(frozen=True)
class Broken(Column):
    """Gives whatever the test wants."""

    fault: str = "nan"

    def score(self, block: Any) -> F32:
        score = super().score(block)
        if self.fault == "nan":
            score[0] = np.nan
        if self.fault == "wide":
            return score.astype(np.float64)
        return score[:, None] if self.fault == "shape" else score


@pytest.mark.parametrize(
    ("fault", "said"), [("nan", "Broken gave NaN for 1 of 20"), ("wide", "float64"), ("shape", r"\(20, 1\)")]
)
def test_a_broken_strategy_is_named(fault: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        whole(job(memory_pool(), Broken(fault)))


def test_a_strategy_that_needs_a_model_is_refused_without_one() -> None:
    with pytest.raises(ModelError, match="Entropy needs proba"):
        whole(job(memory_pool(), Entropy()))


@dataclass(frozen=True)
class Signed(Column):
    """Scores of every sort that has to be ordered: both zeros and both infinities."""

    def score(self, block: Any) -> F32:
        values = np.array([0.0, -0.0, np.inf, -np.inf, 1.0], np.float32)
        score: F32 = values[rng.row_digest(block.ids) % np.uint64(5)]
        return score


def test_zeros_are_equal_infinity_is_best_and_minus_infinity_is_out() -> None:
    pool = memory_pool()
    score = Signed().score(type("B", (), {"ids": pool.ids}))
    result = whole(job(pool, Signed(), m=400), [4, 4])
    expected = oracle(pool, score, 400)
    assert result.shortlist.ids.to_pylist() == pool.ids.take(pa.array(expected)).to_pylist()
    assert not np.signbit(result.shortlist.score).any()
    assert result.scored == 400


def doubled(ids: RowIds) -> MemoryPool:
    x = np.random.default_rng(0).normal(size=(len(ids), 3)).astype(np.float32)
    return MemoryPool(ids, x)


def test_an_id_on_two_rows_is_named_with_both_places() -> None:
    ids = int_ids(200).to_pylist()
    ids[170] = ids[20]
    pool = doubled(pa.array(ids, pa.int64()))
    results = [scan.scan_shard(job(pool, m=200), s) for s in pool.shards([1, 3])]
    with pytest.raises(DuplicateRowIds) as raised:
        scan.merge(results, [Lane(200)], ["day/a.parquet"])
    assert f"the id {ids[20]} stands on several rows" in str(raised.value)
    assert "row 20 of row group 0 of day/a.parquet and row 20 of row group 3 of day/a.parquet" in str(
        raised.value
    )


def test_an_id_twice_in_the_holdout_is_named_too() -> None:
    pool = doubled(pa.array(["a"] * 2 + ["b"], pa.large_string()))
    with pytest.raises(DuplicateRowIds, match="the id 'a'"):
        whole(job(pool, holdout_below=2**64))


def test_an_id_twice_outside_the_shortlist_does_not_depend_on_the_sharding() -> None:
    ids = int_ids(200).to_pylist()
    pool = doubled(pa.array(ids, pa.int64()))
    worst = np.argsort(pool.features[:, 0])[:2]
    ids[worst[0]] = ids[worst[1]]
    pool = replace(pool, ids=pa.array(ids, pa.int64()))
    found = {
        tuple(whole(job(pool, m=10), sizes).shortlist.ids.to_pylist()) for sizes in ([4], [1, 3], [1] * 4)
    }
    assert len(found) == 1


def test_the_job_travels() -> None:
    pool = memory_pool()
    task = job(pool, STRATEGIES.build("random"), exclude=pool.ids.slice(0, 9))
    again = pickle.loads(pickle.dumps(task))  # noqa: S301 - our own bytes
    assert whole(again).shortlist.ids.equals(whole(task).shortlist.ids)
