"""The record of a run: it survives JSON, and runs that cannot be compared are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lamplighter.backtest.runs import PairedRuns, Point, Run, Setting
from lamplighter.errors import ConfigError
from tests.backtest.fakes import realistic, run, setting


def test_a_run_survives_json() -> None:
    point = Point(
        labels=7, metrics={"accuracy": 0.1 + 0.2}, recall={"a": None, "b": 1.0}, seconds={"score": 0.5}
    )
    before = Run(strategy="badge", seed=3, points=(point,), notices=("k was larger than the pool",))
    assert Run.model_validate_json(before.model_dump_json()) == before


def test_a_setting_survives_json_and_knows_its_rarest_class() -> None:
    before = setting(facts={"pool": "s3://bucket"})
    assert Setting.model_validate_json(before.model_dump_json()) == before
    assert before.rarest == "corrections"
    assert setting(class_rows={"a": 5, "b": 2, "c": 2, "d": 0}).rarest == "b"
    assert setting(class_rows={}).rarest is None


def test_unknown_keys_metrics_and_negative_labels_are_refused() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Run.model_validate({"strategy": "a", "seed": 0, "points": [], "colour": "red"})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Point(labels=-1, metrics={})
    with pytest.raises(ValidationError, match="did you mean 'accuracy'"):
        setting("acuracy")


def test_runs_become_a_table_by_strategy_and_seed() -> None:
    runs = [
        run("b", 4, [0.1, 0.2]),
        run("a", 2, [0.1, 0.2]),
        run("a", 4, [0.3, 0.4]),
        run("b", 2, [0.5, 0.6]),
    ]
    paired = PairedRuns.of(runs, "accuracy")
    assert (paired.strategies, paired.seeds, paired.left_out) == (("b", "a"), (2, 4), 0)
    assert paired.table == ((runs[3], runs[0]), (runs[1], runs[2]))
    assert paired.compared == [runs[3], runs[0], runs[1], runs[2]]


def test_seeds_that_a_strategy_has_not_finished_are_left_out() -> None:
    paired = PairedRuns.of([r for r in realistic(5) if (r.strategy, r.seed) != ("badge", 3)], "accuracy")
    assert paired.seeds == (0, 1, 2, 4)
    assert paired.left_out == 1
    assert 3 not in {r.seed for r in paired.compared}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([run("a", 1, [])], r"'a' with seed 1 has no points; leave it out, or run it again"),
        ([run("a", 1, [0.1, 0.2], [20, 10])], r"goes from 20 to 10 labels; .* order of its rounds"),
        ([run("a", 1, [0.1, float("nan")])], r"accuracy = nan at 20 labels; it must be a finite number"),
        ([run("a", 1, [float("inf")])], r"accuracy = inf at 10 labels"),
        ([run("a", 1, [0.1]), run("a", 1, [0.1])], r"2 runs, but only 1 pairs of strategy and seed"),
        ([run("a", 1, [0.1]), run("b", 2, [0.1])], r"no seed has been run with every strategy \(a, b\)"),
        ([], r"no seed has been run with every strategy \(none\)"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(runs: list[Run], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PairedRuns.of(runs, "accuracy")


def test_a_metric_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"macro_f1 = None at 10 labels"):
        PairedRuns.of([run("a", 1, [0.1])], "macro_f1")
