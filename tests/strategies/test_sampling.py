"""Random and representative samples."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from lamplighter.arrays import F32
from lamplighter.errors import ConfigError, UnknownName
from lamplighter.strategies import STRATEGIES
from lamplighter.strategies.base import Block, Output, Shortlist
from lamplighter.strategies.geometry import standardised
from lamplighter.strategies.representative import Representative
from lamplighter.testing.strategy_round import context


def shortlist_of(x: F32) -> Shortlist:
    """Give rows as a shortlist, in their order."""
    n = len(x)
    zeros = np.zeros(n, np.int32)
    return Shortlist(
        ids=pa.array(range(n), pa.int64()),
        score=np.zeros(n, np.float32),
        tie=np.arange(n, dtype=np.uint64),
        file=zeros,
        row_group=zeros,
        row=np.arange(n, dtype=np.int64),
        outputs={Output.EMBEDDING: x},
    )


@pytest.mark.parametrize("name", ["random", "representative"])
def test_draws_are_uniform_and_keyed_by_round(name: str) -> None:
    ids = pa.array(range(20_000), pa.int64())
    first, other = (STRATEGIES.build(name).score(Block(ids, {}, seed=1, round=r)) for r in (1, 2))
    assert stats.kstest(first, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.03


def test_random_and_representative_draw_apart() -> None:
    ids = pa.array(range(20_000), pa.int64())
    a, b = (STRATEGIES.build(name).score(Block(ids, {}, 1, 1)) for name in ("random", "representative"))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


def test_every_blob_gets_a_pick_and_the_largest_comes_first() -> None:
    draws = np.random.default_rng(0)
    sizes = [400, 200, 100, 50, 25]
    blob = np.repeat(np.arange(5), sizes)
    centres = draws.normal(scale=50, size=(5, 8))
    x = (centres[blob] + draws.normal(size=(len(blob), 8))).astype(np.float32)
    order = draws.permutation(len(blob))
    picked = Representative().choose(shortlist_of(x[order]), context(5)).positions
    assert blob[order][picked].tolist() == [0, 1, 2, 3, 4]


def test_the_pick_is_the_row_nearest_to_the_centre() -> None:
    x = np.array([[-1, 0], [1, 0], [0.1, 0], [99, 0], [101, 0], [100.2, 0.0]], np.float32)
    picked = Representative().choose(shortlist_of(x), context(2)).positions
    assert sorted(picked.tolist()) == [2, 5]


def test_features_on_different_scales_count_alike() -> None:
    draws = np.random.default_rng(0)
    signal = np.repeat([0.0, 1e-3], 100)
    noise = draws.normal(scale=1e3, size=200)
    x = np.column_stack([signal, np.repeat(noise[:1], 200)]).astype(np.float32)
    picked = Representative().choose(shortlist_of(x), context(2)).positions
    assert sorted(signal[picked].tolist()) == [0.0, 1e-3]


def test_fewer_distinct_rows_than_wanted_still_fill_the_batch() -> None:
    x = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    picked = Representative().choose(shortlist_of(x), context(30)).positions
    assert len(set(picked.tolist())) == 30
    assert {int(row) // 20 for row in picked[:3]} == {0, 1, 2}


def test_the_sample_bounds_what_is_clustered() -> None:
    x = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    picked = Representative(sample=100).choose(shortlist_of(x), context(20)).positions
    assert picked.max() < 100
    assert len(Representative(sample=10).choose(shortlist_of(x), context(20)).positions) == 20


def test_standardised() -> None:
    x = np.array([[1, 5, 1e6], [3, 5, 1e6 + 1]], np.float32)
    assert standardised(x).tolist() == [[-1, 0, -1], [1, 0, 1]]


def test_representatives_cover_better_than_random_rows() -> None:
    draws = np.random.default_rng(2)
    x = (draws.normal(size=(600, 4)) * draws.lognormal(size=(600, 1))).astype(np.float32)

    def distance(picked: object) -> float:
        gaps = np.linalg.norm(x[:, None] - x[None, np.asarray(picked)], axis=2)
        return float(gaps.min(axis=1).mean())

    chosen = distance(Representative().choose(shortlist_of(x), context(30)).positions)
    assert all(chosen < distance(draws.permutation(600)[:30]) for _ in range(20))


def test_wrong_parameters_and_names_are_refused() -> None:
    with pytest.raises(ConfigError):
        STRATEGIES.build("representative", {"sample": 0})
    with pytest.raises(ConfigError):
        STRATEGIES.build("representative", {"passes": 0})
    with pytest.raises(UnknownName, match="did you mean 'entropy'"):
        STRATEGIES.build("entrpy")
    with pytest.raises(UnknownName, match="parameter 'betta'; did you mean 'beta'"):
        STRATEGIES.build("power_margin", {"betta": 1})
