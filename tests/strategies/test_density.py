"""Information density: equal to all pairs, free of blocks, and clear about what it cannot do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
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
from lamplighter.pool import Pool, Shard
from lamplighter.strategies import committee, uncertainty
from lamplighter.strategies.base import Block, Context, Lane, MeanDirection, Output
from lamplighter.strategies.density import InformationDensity, density
from lamplighter.survey import DirectionSum, PoolSurvey, direction_sum
from lamplighter.testing import strategies as contract
from lamplighter.testing.contract import Case
from lamplighter.testing.strategy_round import block, context, prepared
from tests.scan.pools import MemoryPool

VARIANTS = {
    "entropy": InformationDensity("entropy", beta=1.0),
    "default": InformationDensity(),
    "margin": InformationDensity("margin", beta=2.5),
    "committee": InformationDensity("vote_entropy"),
    "none": InformationDensity("none", beta=0.5),
}
OF_PROBA: dict[str, Callable[[F32], F32]] = {
    "entropy": uncertainty.entropy,
    "margin": uncertainty.margin,
    "least_confidence": uncertainty.least_confidence,
}
OF_COMMITTEE: dict[str, Callable[[F32], F32]] = {
    "vote_entropy": committee.vote_entropy,
    "soft_vote_entropy": committee.soft_vote_entropy,
}
OF_DIVERGENCE: dict[str, Callable[[F32], F32]] = {
    "consensus_kl": committee.mean_of,
    "max_disagreement": committee.largest_of,
}
MADE_OF = {Output.PROBA: OF_PROBA, Output.COMMITTEE: OF_COMMITTEE, Output.DIVERGENCE: OF_DIVERGENCE}


@pytest.mark.parametrize("case", contract.cases(VARIANTS), ids=str)
def test_contract(case: Case) -> None:
    case()


def all_pairs(x: F32) -> F64:
    """Give (1 + mean cosine of each row with every other one) / 2, pair by pair in float64."""
    wide = x.astype(np.float64)
    norm = np.linalg.norm(wide, axis=1)
    lengths = np.outer(norm, norm)
    cosine = np.divide(wide @ wide.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    np.fill_diagonal(cosine, 0)
    means: F64 = (1 + cosine.sum(axis=1) / max(len(x) - 1, 1)) / 2
    return means


def direction(x: F32) -> MeanDirection:
    """Survey rows with the code that surveys a pool."""
    pool = MemoryPool(pa.array(range(len(x))), x)
    shards = pool.shards([1] * pool.groups)
    survey = PoolSurvey(
        cast(Pool, pool), 5, 2, lambda job: scan.scan_shard(job, shards[0]),
        lambda function, *args: (function(shard, *args) for shard in shards),
    )  # fmt: skip
    return survey.mean_direction()


ROWS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 30), st.integers(1, 5)),
    elements=st.floats(-100, 100, width=32).map(lambda v: np.float32(v) if abs(v) > 1e-3 else np.float32(0)),
)


@given(ROWS)
def test_it_is_the_mean_over_all_pairs(x: F32) -> None:
    assert density(x, direction(x)) == pytest.approx(all_pairs(x), abs=2e-6)


def test_it_is_the_mean_over_all_pairs_of_rows_of_any_length() -> None:
    draws = np.random.default_rng(2)
    x = (draws.normal(size=(400, 30)) + 0.3).astype(np.float32)
    x *= np.float32(10) ** draws.integers(-30, 31, (400, 1)).astype(np.float32)
    x[7] = 0
    found = density(x, direction(x))
    assert found == pytest.approx(all_pairs(x), rel=1e-4, abs=2e-6)
    assert found[7] == pytest.approx(0.5, abs=1e-6)
    assert np.argsort(-found, kind="stable")[:50].tolist() == np.argsort(-all_pairs(x))[:50].tolist()


def test_a_hand_computed_pool() -> None:
    # Two rows point right, one up, one left. Cosines with the three others: right 1 + 0 - 1, up 0,
    # left -1 - 1 + 0; each by 3.
    x = np.array([[2, 0], [5, 0], [0, 1], [-3, 0]], np.float32)
    assert density(x, direction(x)).tolist() == pytest.approx([0.5, 0.5, 0.5, 1 / 6], abs=1e-6)
    # Without the one on the left: right 1 by 2, up 0.
    assert density(x[:3], direction(x[:3])) == pytest.approx([0.75, 0.75, 0.5], abs=1e-6)


def test_a_row_alone_has_no_density() -> None:
    x = np.array([[3, 4]], np.float32)
    assert density(x, direction(x)) == pytest.approx([0.5], abs=1e-7)


def test_rows_that_are_not_finite_count_for_nothing() -> None:
    x = (np.random.default_rng(6).normal(size=(60, 4)) + 1).astype(np.float32)
    spoilt = np.concatenate([x, np.full((3, 4), np.nan, np.float32)])
    found = density(spoilt, direction(spoilt))
    assert found[:60] == pytest.approx(all_pairs(x), abs=2e-6)


def test_it_ranks_as_modal_does() -> None:
    # information_density(X, metric="cosine") of modAL averages 1 / (1 + distance), written out here for
    # its cosine similarity: the mean over all rows, the row itself among them.
    x = (np.random.default_rng(9).normal(size=(300, 8)) + 0.5).astype(np.float32)
    unit = x.astype(np.float64) / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    theirs = (unit @ unit.T).mean(axis=1)
    ours = density(x, direction(x))
    order = np.argsort(-theirs)
    assert np.argsort(-ours)[:200].tolist() == order[:200].tolist()
    assert 2 * ours - 1 == pytest.approx((300 * theirs - 1) / 299, abs=1e-6)


@pytest.mark.parametrize("name", [*OF_PROBA, *OF_COMMITTEE, *OF_DIVERGENCE, "none"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_score_is_the_uncertainty_times_the_density(name: str, beta: float) -> None:
    rows = block(200)
    strategy = prepared(InformationDensity(name, beta), shards=[rows])
    u: F32 = np.ones(200, np.float32)
    for output, formulas in MADE_OF.items():
        if name in formulas:
            u = formulas[name](rows.outputs[output])
    expected = u * all_pairs(rows.embedding) ** beta
    assert strategy.score(rows) == pytest.approx(expected, abs=1e-5)


def test_it_asks_only_for_what_the_uncertainty_needs() -> None:
    for output, names in MADE_OF.items():
        assert {InformationDensity(name).requires for name in names} == {
            frozenset({Output.EMBEDDING, output})
        }
    assert InformationDensity("none").requires == {Output.EMBEDDING}


@pytest.mark.parametrize("dims", [1, 2, 17, 64, 300])
def test_any_block_gives_the_same_bits(dims: int) -> None:
    draws = np.random.default_rng(dims)
    x = (draws.normal(size=(1100, dims)) + 0.2).astype(np.float32)
    x[::50] *= np.float32(1e25)
    pool = direction(x)
    whole = density(x, pool)
    for size in (1, 3, 64, 1023):
        parts = [density(x[start : start + size], pool) for start in range(0, len(x), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert density(np.asfortranarray(x), pool).tobytes() == whole.tobytes()
    assert density(np.repeat(x, 2, axis=1)[:, ::2], pool).tobytes() == whole.tobytes()


@pytest.mark.parametrize("dims", [8191, 8193, 9000, 16_384, 16_385])
def test_any_block_of_long_rows_gives_the_same_bits(dims: int) -> None:
    x = (np.random.default_rng(dims).normal(size=(30, dims)) + 0.1).astype(np.float32)
    x[::7] *= np.float32(1e25)
    pool = direction(x)
    whole, total = density(x, pool), summed(x, 30)
    np.testing.assert_allclose(whole, all_pairs(x), atol=1e-6)
    for size in (1, 2, 7):
        parts = [density(x[start : start + size], pool) for start in range(0, 30, size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
        assert summed(x, size).total.tobytes() == total.total.tobytes()


def summed(x: F32, size: int) -> DirectionSum:
    """Add up the directions of rows that are read `size` at a time."""
    blocks = [x[start : start + size] for start in range(0, len(x), size)]
    pool = SimpleNamespace(manifest=SimpleNamespace(dim=x.shape[1]), vectors=lambda *_, **__: blocks)
    return direction_sum(cast(Shard, None), cast(Pool, pool))


def test_a_margin_rounded_above_one_is_no_negative_score() -> None:
    rows = block(2)
    proba = np.array([[1.0000002, 0], [1, 0]], np.float32)
    outputs = {Output.PROBA: proba, Output.EMBEDDING: np.ones((2, 3), np.float32)}
    sure = Block(rows.ids, outputs, rows.seed, rows.round)
    strategy = prepared(InformationDensity("margin"), shards=[sure])
    assert strategy.score(sure).tolist() == [0, 0]


def test_the_prepared_strategy_is_a_value() -> None:
    first, again = (prepared(InformationDensity()) for _ in range(2))
    assert first == again == pickle.loads(pickle.dumps(first))  # noqa: S301 - our own bytes
    assert first != InformationDensity()
    assert hash(first) == hash(again)


def test_a_scan_finds_the_rows_of_the_oracle() -> None:
    x = (np.random.default_rng(12).normal(size=(300, 5)) + 0.4).astype(np.float32)
    pool = MemoryPool(pa.array(range(300)), x)
    ready = InformationDensity("none").prepare(replace(context(), survey=Surveyed(x)))
    job = scan.ScanJob(cast(Pool, pool), None, ready, (Lane(10),), 1, 1)
    for sizes in ([pool.groups], [1] * pool.groups):
        found = scan.merge([scan.scan_shard(job, shard) for shard in pool.shards(sizes)], job.lanes)
        assert found.shortlist.ids.to_pylist() == np.argsort(-all_pairs(x))[:10].tolist()


class Surveyed:
    """A survey that found what all rows give."""

    def __init__(self, x: F32) -> None:
        self.x = x

    def sample(self, rows: int) -> F32:
        return self.x[:rows]

    def mean_direction(self) -> MeanDirection:
        return direction(self.x)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"uncertainty": "entrpy"}, "did you mean 'entropy'"),
        ({"beta": -1}, "beta is -1"),
        ({"beta": np.nan}, "beta is nan"),
        ({"beta": np.inf}, "beta is inf"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, float | str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        InformationDensity(**parameters)  # type: ignore[arg-type]  # bad ones on purpose


def test_columns_of_a_table_are_refused() -> None:
    with pytest.raises(ConfigError, match="columns of a table"):
        InformationDensity().prepare(replace(context(), embedding=False))


def test_without_a_survey_it_cannot_be_prepared() -> None:
    bare: Context = context()
    with pytest.raises(ConfigError, match="no survey"):
        InformationDensity().prepare(bare)


def test_it_does_not_score_unprepared() -> None:
    with pytest.raises(ConfigError, match="call prepare"):
        InformationDensity().score(block())
