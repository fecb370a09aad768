"""Remarks of many runs as few lines."""

from __future__ import annotations

from lamplighter.backtest.notices import gathered, merged
from lamplighter.backtest.runs import Point, Run


def run(strategy: str, seed: int, *notices: str) -> Run:
    point = Point(labels=10, metrics={"accuracy": 0.5})
    return Run(strategy=strategy, seed=seed, points=(point,), notices=notices)


def test_remarks_that_differ_in_numbers_alone_are_one() -> None:
    runs = [
        run("margin", 0, "9 of 100 rows are near", "48 of 100 rows are near"),
        run("margin", 1, "1,000 of 100 rows are near", "no class 'B2' yet"),
        run("margin", 2),
        run("badge", 0, "9 of 100 rows are near"),
    ]
    assert gathered(runs, 3) == [
        "margin: 9 to 1,000 of 100 rows are near (2 of 3 runs)",
        "margin: no class 'B2' yet (1 of 3 runs)",
        "badge: 9 of 100 rows are near (1 of 3 runs)",
    ]
    assert gathered([run("margin", 0)], 1) == []


def test_numbers_are_compared_as_numbers_and_shown_as_they_were() -> None:
    assert (
        merged(["share 0.90 of 10", "share 0.1 of 9", "share 0.5 of 100"]) == "share 0.1 to 0.90 of 9 to 100"
    )
    assert merged(["nothing"]) == "nothing"


def test_numbers_in_names_are_no_numbers() -> None:
    runs = [run("margin", 0, "no class '7' of c1"), run("margin", 1, "no class '8' of c1")]
    assert len(gathered(runs, 2)) == 2
