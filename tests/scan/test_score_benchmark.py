"""The score benchmark compares like with like: all its ways find the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import score_pools, score_report, score_ways
from benchmarks.score_pools import Shape
from lamplighter.testing.pools import LayoutName

SHAPE = Shape(rows=5000, dim=16, classes=4)


@pytest.mark.parametrize("layout", score_pools.LAYOUTS)
def test_all_ways_find_the_rows_of_the_float64_reference(
    tmp_path: Path, layout: LayoutName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_pools, "ROWS_PER_FILE", 2000)
    monkeypatch.setattr(score_pools, "ROWS_PER_GROUP", 600)
    pool = score_pools.pool(tmp_path, SHAPE, layout)
    task = score_ways.make_task(SHAPE, 100)
    wanted = set(score_ways.reference(task, pool).tolist())
    assert len(wanted) == 100
    assert set(score_ways.usual(task, pool).tolist()) == wanted
    assert set(score_ways.ours(task, pool, bare=True).shortlist.ids.to_pylist()) == wanted
    real = score_ways.ours(task, pool)
    assert len(real.sample) == SHAPE.rows
    assert score_ways.decode(pool) == real.rows == SHAPE.rows


def test_verdicts_tell_reached_from_missed() -> None:
    run = {"rows": 10, "workers": 2, "shard_mb": 128, "digest": "a", "driver_peak": 100, "worker_peak": 100}
    larger = run | {"rows": 40, "worker_peak": 120, "digest": "b"}
    result = {
        "rows": 10,
        "baseline": "fixed_size_list/usual",
        "files": {
            "fixed_size_list/usual": [8.0, 8.0, 80.0],
            "fixed_binary/lamplighter": [1.0, 2.0, 3.0],
            "fixed_size_list/lamplighter": [6.0, 6.0, 6.0],
        },
        "overlap": 1.0,
        "clusters": [run, run | {"workers": 4}, larger],
    }
    said = score_report.verdicts(result)
    assert ["reached" in line for line in said] == [True, False, True, True, True, True, False]
    assert "fixed_binary/lamplighter: 4.00 times" in said[0]
    assert "worker peak at 40 rows: +20.0%" in said[-1]
