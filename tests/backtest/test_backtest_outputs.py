"""What a backtest gives out beside its page: a summary, a file of points, and Markdown."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO

import pytest

from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.runs import Point, Run
from lamplighter.backtest.summary import markdown, points_csv, summary
from tests.backtest.fakes import CLASSES, REALISTIC, flat, realistic, run, setting
from tests.backtest.outcomes import CASES, full


@pytest.mark.parametrize("name", CASES)
def test_every_summary_is_json(name: str) -> None:
    outcome = CASES[name]()
    found = summary(outcome)
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(found))
    assert list(found["strategies"]) == list(outcome.ranked)
    assert found["recommendation"]["sentence"] == outcome.recommendation.sentence


def test_a_shorter_range_is_told() -> None:
    runs = [*realistic(2, 4, ["random"]), *realistic(2, 6, ["margin"])]
    assert Outcome.of(setting(), runs).notices[-1] == (
        "Compared from 50 to 200 labels, the range that all runs cover; some go from 50 or to 300."
    )


def test_one_other_is_no_others() -> None:
    def told(*names: str) -> str:
        return Outcome.of(setting(), realistic(2, 3, names)).notices[0]

    assert told("random", "margin").startswith(
        "With 2 seeds no test of a strategy against the other can be significant: the least corrected p is"
    )
    assert "a strategy against 2 others can be" in told("random", "margin", "badge")


def test_a_range_below_half_of_the_longest_run_is_thin_evidence() -> None:
    def up_to(labels: int) -> Outcome:
        curve, late = [0.5, 0.6, 0.8, 0.9, 0.9], [0.5, 0.8, 0.9, 0.9, 0.9]
        runs = [run("random", seed, curve[: labels // 10]) for seed in range(8)]
        return Outcome.of(setting(), [*runs, *(run("margin", seed, late) for seed in range(8))])

    assert not up_to(30).recommendation.thin  # 20 of 40
    narrow = up_to(20).recommendation
    assert narrow.thin
    assert narrow.strategy == "margin"
    assert narrow.sentence.endswith(
        "; the evidence is thin: only 10 to 20 labels are compared, since not all runs cover the whole of 10 "
        "to 50."
    )
    assert not Outcome.of(setting(), realistic(12, 1)).span.narrow


def without_model(of: Run, rounds: int) -> Run:
    """The same run, its first rounds without a model."""
    return of.model_copy(
        update={"points": tuple(p.model_copy(update={"model": i >= rounds}) for i, p in enumerate(of.points))}
    )


def test_rounds_without_a_model_are_told_and_their_time_does_not_count() -> None:
    slow = {"train": 0.0, "score": 0.0, "select": 9.0}
    runs = flat({"random": [0.5, 0.6], "margin": [0.6, 0.7]})
    late = without_model(runs[0], 2)
    points = tuple(p if p.model else p.model_copy(update={"seconds": slow}) for p in late.points)
    late = late.model_copy(update={"points": points})
    outcome = Outcome.of(setting(), [late, *runs[1:3], without_model(runs[3], 1)])
    assert outcome.notices[-1] == (
        "2 of 4 runs had labels of one class alone at first, with up to 20 labels: until there is a model, "
        "that class for every row is what is measured."
    )
    assert outcome.seconds["random"]["round"] == 1.0
    assert outcome.curves.labels.tolist() == [10, 20, 30]


def test_seconds_are_medians_of_what_was_measured() -> None:
    def timed(seed: int, *seconds: dict[str, float]) -> Run:
        points = [Point(labels=i, metrics={"accuracy": 0.5}, seconds=s) for i, s in enumerate(seconds)]
        return Run(strategy="random", seed=seed, points=tuple(points))

    whole = {"train": 1.0, "score": 2.0, "select": 3.0}
    runs = [timed(0, whole, {"train": 9.0}), timed(1, {**whole, "select": 5.0}, {**whole, "score": 4.0})]
    assert Outcome.of(setting(), runs).seconds["random"] == {
        "train": 1.0,
        "score": 2.0,
        "select": 3.0,
        "round": 8.0,
    }
    assert Outcome.of(setting(), [run("random", 0, [0.1])]).seconds["random"]["round"] is None


def test_recall_at_the_end_and_of_the_rarest_class() -> None:
    def with_recall(seed: int, first: float | None, last: float | None) -> Run:
        found = [
            Point(labels=n, metrics={"accuracy": 0.5}, recall={"a": 0.5, "b": v})
            for n, v in ((10, first), (20, last))
        ]
        return Run(strategy="random", seed=seed, points=tuple(found))

    runs = [with_recall(0, 0.2, 0.6), with_recall(1, 0.4, 0.4), with_recall(2, None, None)]
    outcome = Outcome.of(setting(class_rows={"a": 90, "b": 4}), runs)
    end, area = outcome.recall["b"].means["random"], outcome.rare and outcome.rare.means["random"]
    assert end is not None
    assert area
    assert (end.value, end.n) == (0.5, 2)
    assert area.value == pytest.approx(0.4)
    assert area.n == 2
    assert summary(outcome)["strategies"]["random"]["recall"]["a"]["n"] == 3


def test_every_point_reads_back_the_same() -> None:
    runs = realistic(2, 3)
    rows = list(csv.DictReader(StringIO(points_csv(runs))))
    points = [(r, p) for r in runs for p in r.points]
    assert len(rows) == len(points) == 36
    for row, (of, point) in zip(rows, points, strict=True):
        assert (row["strategy"], int(row["seed"]), int(row["labels"])) == (of.strategy, of.seed, point.labels)
        assert {name: float(row[name]) for name in point.metrics} == point.metrics
        assert {name: float(row[f"recall {name}"]) for name in CLASSES} == point.recall
        assert {name: float(row[f"seconds {name}"]) for name in point.seconds} == point.seconds


def test_what_a_point_lacks_is_empty_and_commas_are_quoted() -> None:
    points = (
        Point(labels=1, model=False, metrics={"accuracy": 0.5}, recall={'a,"b"': None}),
        Point(labels=2, metrics={"accuracy": 0.5, "log_loss": 0.25}, seconds={"select": 1.5}),
    )
    written = points_csv([Run(strategy="x, y\nz", seed=0, points=points)])
    head, first, second = csv.reader(StringIO(written))
    assert head[3:] == [
        "model",
        "accuracy",
        "log_loss",
        'recall a,"b"',
        "seconds train",
        "seconds score",
        "seconds select",
    ]
    assert first == ["x, y\nz", "0", "1", "no", "0.5", "", "", "", "", ""]
    assert second == ["x, y\nz", "0", "2", "yes", "0.5", "0.25", "", "", "", "1.5"]


def test_markdown_holds_the_sentence_and_a_table() -> None:
    lines = markdown(full()).splitlines()
    assert lines[0].startswith("**Use badge: it beats random with")
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(REALISTIC)
    assert len({line.count("|") for line in table}) == 1
    assert table[0].startswith(
        "| strategy | mean accuracy | at the end | against random | labels to the end of"
    )
    assert [line.split()[1] for line in table[2:]] == list(full().ranked)
    assert "not reached | – |" in table[-1]


def test_markdown_shows_foreign_text_and_nothing_else() -> None:
    name = "a|b<img src=x>`*[l](http://h)"
    text = markdown(Outcome.of(setting(), flat({"random": [0.5] * 3, name: [0.6] * 3})))
    assert name not in text
    assert r"a\|b\<img src=x\>\`\*\[l\](http://h)" in text
    assert not re.search(r"(?<!\\)[<`]", text.replace("p < ", ""))
