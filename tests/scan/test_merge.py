"""Merging is associative and commutative, and exact where hashes collide."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter import rng, scan, shortlists
from lamplighter.idset import IdSet
from lamplighter.scan import ScanResult
from lamplighter.scan_result import join_rows
from lamplighter.strategies.base import Shortlist
from lamplighter.strategies.uncertainty import Entropy
from tests.scan.pools import MemoryPool, int_ids, job, memory_pool, softmax, text_ids


def same(a: ScanResult, b: ScanResult) -> bool:
    def content(r: ScanResult) -> tuple[object, ...]:
        arrays: list[np.ndarray[Any, Any]] = [
            r.shortlist.score,
            r.shortlist.tie,
            r.shortlist.row,
            r.shortlist.row_group,
            r.holdout.hash,
        ]
        arrays += [r.holdout.row, r.sample.predicted, r.sample.score, *r.shortlist.outputs.values()]
        ids = [r.shortlist.ids, r.holdout.ids, r.sample.ids]
        return ([a.tobytes() for a in arrays], [i.to_pylist() for i in ids], r.rows, r.left_out, r.scored)

    return content(a) == content(b)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), text=st.booleans(), levels=st.sampled_from([0, 1, 3]), m=st.integers(0, 130))
def test_merging_is_associative_and_commutative(data: st.DataObject, text: bool, levels: int, m: int) -> None:
    pool = memory_pool(300, text=text, levels=levels)
    task = job(pool, Entropy(), scorer=softmax(), m=m, holdout_below=2**61, sample_below=2**62)
    parts = [scan.scan_shard(task, pool.shard([g])) for g in range(pool.groups)]
    together = scan.merge(parts, task.lanes)
    shuffled = data.draw(st.permutations(parts))
    while len(shuffled) > 1:
        size = data.draw(st.integers(2, len(shuffled)))
        shuffled = [*shuffled[size:], scan.join(shuffled[:size], task.lanes)]
    assert same(scan.merge(shuffled, task.lanes), together)


def crowd(ids: list[object], score: list[float], tie: list[int]) -> Shortlist:
    n = len(ids)
    return Shortlist(
        ids=pa.array(ids, pa.large_string() if isinstance(ids[0], str) else pa.int64()),
        score=np.array(score, np.float32),
        tie=np.array(tie, np.uint64),
        file=np.zeros(n, np.int32),
        row_group=np.zeros(n, np.int32),
        row=np.arange(n, dtype=np.int64),
    )


def test_where_hashes_collide_the_id_decides() -> None:
    rows = crowd(["b", "a", "d", "c", "e"], [1, 1, 0.0, -0.0, 2], [5, 5, 7, 7, 9])
    assert shortlists.best([rows], 5).ids.to_pylist() == ["e", "a", "b", "c", "d"]
    assert shortlists.best([rows], 2).ids.to_pylist() == ["e", "a"]
    numbers = crowd([10, 9, -3], [1, 1, 1], [5, 5, 5])
    assert shortlists.best([numbers.take(np.array([i])) for i in (2, 0, 1)], 2).ids.to_pylist() == [-3, 9]


def test_sampled_rows_whose_hashes_collide_are_ordered_by_id() -> None:
    places = np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int64)
    parts = [scan.Rows(pa.array([i]), *places, np.array([7], np.uint64)) for i in ("b", "a")]
    assert join_rows(parts).ids.to_pylist() == ["a", "b"]


@settings(max_examples=60, deadline=None)
@given(
    members=st.lists(st.text(max_size=12)),
    asked=st.lists(st.text(max_size=12), min_size=1),
    collide=st.booleans(),
)
def test_an_id_set_is_exact_also_where_digests_collide(
    members: list[str], asked: list[str], collide: bool
) -> None:
    ids, queries = pa.array(members, pa.large_string()), pa.array(asked + members[:2], pa.large_string())

    def digest(rows: object) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        whole = rng.row_digest(rows)
        return whole % np.uint64(3) if collide else whole

    order = np.argsort(digest(ids))
    found = IdSet(ids.take(pa.array(order)), digest(ids)[order]).contains(queries, digest(queries))
    assert found.tolist() == [q in set(members) for q in queries.to_pylist()]


def test_an_id_set_of_integers_is_exact() -> None:
    ids = int_ids(500)
    among = IdSet.of(ids.slice(0, 100))
    assert among.contains(ids, rng.row_digest(ids)).tolist() == [i < 100 for i in range(500)]
    assert IdSet.of(text_ids(30)).contains(text_ids(30), rng.row_digest(text_ids(30))).all()


def peak_of_a_scan(rows: int) -> int:
    """Measure the most memory that is in use while a pool of so many rows is scanned: bytes."""
    pool = MemoryPool(pa.array(np.arange(rows)), np.zeros((rows, 3), np.float32), 20_000, 5000)
    pool.features[:, 0] = np.random.default_rng(0).random(rows)
    task = job(pool, m=500, scorer=softmax())
    tracemalloc.start()
    scan.scan_shard(task, pool.shard(range(pool.groups)))
    _, top = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return top


def test_memory_is_a_block_and_a_shortlist_whatever_the_pool() -> None:
    # In a process of its own: here threads that other tests left allocate too.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        small, large = alone.map(peak_of_a_scan, [60_000, 180_000])
    assert large < 1.1 * small


@given(st.lists(st.tuples(st.floats(width=32, allow_nan=False), st.integers(0, 2**64 - 1)), min_size=1))
def test_the_packed_sort_key_orders_like_score_and_hash(rows: list[tuple[float, int]]) -> None:
    listed = crowd(list(range(len(rows))), [s for s, _ in rows], [t for _, t in rows])
    found = shortlists.best([listed], len(rows)).ids.to_pylist()
    assert found == sorted(range(len(rows)), key=lambda i: (-rows[i][0], rows[i][1], i))
