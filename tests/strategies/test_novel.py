"""Novelty: equal to all distances in float64, within its bound, free of blocks."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamplighter import scan
from lamplighter.arrays import F32, F64
from lamplighter.errors import ConfigError
from lamplighter.pool import Pool
from lamplighter.strategies.base import Block, Context, Lane, MeanDirection, Output
from lamplighter.strategies.novel import Novel
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case
from lamplighter.testing.strategy_round import BATCH, block, chosen, context, pick, prepared, shortlist, split
from tests.scan.pools import MemoryPool

#: The contract's rounds have 30 labelled rows.
VARIANTS = {"exact": Novel(), "clustered": Novel(centres=7), "one": Novel(centres=1)}


@pytest.mark.parametrize("case", contract.cases(VARIANTS), ids=str)
def test_contract(case: Case) -> None:
    case()


class Sampled:
    """A survey whose sample is all rows."""

    def __init__(self, x: F32) -> None:
        self.x = x

    def sample(self, rows: int) -> F32:
        return self.x[:rows]

    def mean_direction(self) -> MeanDirection:
        raise NotImplementedError


def knowing(labelled: F32, *, table: F32 | None = None) -> Context:
    """Give a round's context with labelled rows; a table where its rows are given."""
    labels = np.zeros(len(labelled), np.int32)
    survey = None if table is None else Sampled(table)
    return replace(context(), load=lambda: (labelled, labels), embedding=table is None, survey=survey)


def block_of(x: F32) -> Block:
    return Block(pa.array(range(len(x))), {Output.EMBEDDING: x}, 1, 1)


def scores(x: F32, labelled: F32, centres: int = 512) -> F32:
    return Novel(centres).prepare(knowing(labelled)).score(block_of(x))


def nearest(x: F32, labelled: F32) -> F64:
    """Give the distance to the nearest labelled row, pair by pair in float64."""
    gaps = x[:, None].astype(np.float64) - labelled[None].astype(np.float64)
    found: F64 = np.sqrt((gaps**2).sum(axis=2)).min(axis=1)
    return found


def features(most: int) -> st.SearchStrategy[F32]:
    shape = st.tuples(st.integers(1, most), st.just(3))
    return hnp.arrays(np.float32, shape, elements=st.integers(-50, 50).map(np.float32))


@given(features(40), features(30))
def test_it_is_the_distance_to_the_nearest_labelled_row(x: F32, labelled: F32) -> None:
    assert scores(x, labelled) == pytest.approx(nearest(x, labelled), rel=1e-5, abs=1e-5)


@given(features(30))
def test_a_labelled_row_is_not_novel(x: F32) -> None:
    assert not scores(x, x).any()


def test_hand_computed_distances() -> None:
    labelled = np.array([[0, 0], [10, 0]], np.float32)
    x = np.array([[3, 4], [10, 1], [5, 12], [0, 0]], np.float32)
    assert scores(x, labelled).tolist() == pytest.approx([5, 1, 13, 0])


def test_rows_far_from_zero_are_told_apart() -> None:
    labelled = np.array([[8192, 8192], [8193, 8192]], np.float32)
    x = np.array([[8192, 8192.5], [8194, 8192]], np.float32)
    assert scores(x, labelled).tolist() == [0.5, 1]


def test_many_labelled_rows_are_clustered_within_the_bound() -> None:
    draws = np.random.default_rng(4)
    centres = draws.normal(scale=20, size=(15, 6))
    labelled = (centres[draws.integers(0, 15, 600)] + draws.normal(size=(600, 6))).astype(np.float32)
    x = draws.normal(scale=25, size=(400, 6)).astype(np.float32)
    ready = Novel(centres=15).prepare(knowing(labelled))
    assert ready.known is not None
    assert len(ready.known) <= 15
    bound = float(np.sqrt(ready.known.nearest(labelled)[1].max()))
    off = np.abs(ready.score(block_of(x)) - nearest(x, labelled))
    assert 0 < off.max() <= bound + 1e-3
    assert bound < 0.5 * np.median(nearest(x, labelled))


def test_a_new_cluster_comes_first() -> None:
    draws = np.random.default_rng(5)
    known, new = draws.normal(size=(300, 4)), draws.normal(size=(10, 4)) + 30
    x = np.concatenate([known, new]).astype(np.float32)
    for centres in (512, 20):
        order = np.argsort(-scores(x, x[:100], centres))
        assert set(order[:10].tolist()) == set(range(300, 310))


@pytest.mark.parametrize("dims", [1, 2, 17, 64, 300])
@pytest.mark.parametrize("centres", [512, 9])
def test_any_block_gives_the_same_bits(dims: int, centres: int) -> None:
    draws = np.random.default_rng(dims)
    x = draws.normal(loc=5, size=(1100, dims)).astype(np.float32)
    ready = Novel(centres).prepare(knowing(x[:40] + np.float32(0.5)))
    whole = ready.score(block_of(x))
    for size, rows in ((1, 30), (3, 90), (64, 1100), (1023, 1100)):
        parts = [ready.score(block_of(x[start : start + size])) for start in range(0, rows, size)]
        assert np.concatenate(parts)[:rows].tobytes() == whole[:rows].tobytes()
    assert ready.score(block_of(np.asfortranarray(x))).tobytes() == whole.tobytes()


def test_very_large_features_have_a_finite_score() -> None:
    x = np.array([[3e38, -3e38], [1e30, 0], [1, 1]], np.float32)
    near, far = np.array([[0, 0], [2, 0]], np.float32), np.array([[0, 0], [-3e38, 0]], np.float32)
    assert np.isfinite(scores(x, far)).all()
    found = scores(x, near)
    assert found.tolist() == [np.finfo(np.float32).max, np.finfo(np.float32).max, pytest.approx(2**0.5)]


def test_columns_of_a_table_are_measured_by_their_deviations() -> None:
    draws = np.random.default_rng(3)
    table = (draws.normal(size=(500, 3)) * [1, 1000, 0] + [0, 0, 7]).astype(np.float32)
    labelled = table[:40]
    ready = Novel().prepare(knowing(labelled, table=table))
    deviation = table[:, :2].astype(np.float64).std(axis=0)
    scaled = [(part[:, :2] / deviation).astype(np.float32) for part in (table, labelled)]
    assert ready.score(block_of(table)) == pytest.approx(nearest(*scaled), abs=1e-5)


def test_units_of_a_table_change_nothing() -> None:
    table = np.random.default_rng(8).normal(size=(300, 4)).astype(np.float32)
    other = table * np.array([1, 1024, 2**-9, 4], np.float32)
    found = [Novel().prepare(knowing(x[:30], table=x)).score(block_of(x)) for x in (table, other)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_table_needs_a_survey() -> None:
    bare = replace(context(), embedding=False)
    with pytest.raises(ConfigError, match="no survey"):
        Novel().prepare(bare)


def test_without_labels_the_batch_is_a_random_sample_and_says_so() -> None:
    nothing = replace(context(), load=None)
    ready, whole = Novel().prepare(nothing), block()
    assert ready.score(whole).tobytes() == whole.uniform("novel").astype(np.float32).tobytes()
    best = shortlist(ready, split(whole, 3), ready.lanes(nothing))
    choice = Novel().choose(best, nothing)
    largest = np.argsort(-whole.uniform("novel").astype(np.float32), kind="stable")[:BATCH]
    expected = whole.ids.take(pa.array(largest)).to_pylist()
    assert best.ids.take(pa.array(choice.positions)).to_pylist() == expected
    assert choice.facts == {"labelled_rows": 0}
    assert "random sample" in choice.notices[0]


def test_an_ordinary_batch_has_no_notice() -> None:
    choice = chosen(Novel(), [block()], BATCH)[1]
    assert (choice.facts, choice.notices) == ({"labelled_rows": 30}, ())


def test_the_batch_is_the_farthest_rows() -> None:
    # The labelled rows of the contract's round are drawn apart from the pool's.
    whole, labelled = block(), context().labelled
    farthest = np.argsort(-nearest(whole.embedding, labelled))[:BATCH]
    assert pick(Novel(), split(whole, 3), BATCH) == whole.ids.take(pa.array(farthest)).to_pylist()


def test_a_scan_finds_the_rows_of_the_oracle() -> None:
    x = np.random.default_rng(12).normal(size=(300, 5)).astype(np.float32)
    pool = MemoryPool(pa.array(range(300)), x)
    job = scan.ScanJob(cast(Pool, pool), None, Novel().prepare(knowing(x[:25])), (Lane(10),), 1, 1)
    expected = np.argsort(-nearest(x, x[:25]))[:10].tolist()
    for sizes in ([pool.groups], [1] * pool.groups):
        found = scan.merge([scan.scan_shard(job, shard) for shard in pool.shards(sizes)], job.lanes)
        assert found.shortlist.ids.to_pylist() == expected


@pytest.mark.parametrize("centres", [512, 7])
def test_the_prepared_strategy_is_a_value(centres: int) -> None:
    first, again = (prepared(Novel(centres)) for _ in range(2))
    assert first == again == pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes
    assert first != Novel(centres)


@pytest.mark.parametrize("centres", [0, -5])
def test_parameters_out_of_range(centres: int) -> None:
    with pytest.raises(ConfigError, match=f"centres is {centres}; allowed: 1 and more"):
        Novel(centres)


def test_it_does_not_score_unprepared() -> None:
    with pytest.raises(ConfigError, match="call prepare"):
        Novel().score(block())
