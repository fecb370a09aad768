"""What a backtest gives out: a summary, a file of points, Markdown, and a page safe with any text."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from io import StringIO

import pytest

from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.plots import looks, spread, within
from lamplighter.backtest.report import render
from lamplighter.backtest.runs import Point, Run
from lamplighter.backtest.summary import markdown, points_csv, summary
from tests.backtest.fakes import CLASSES, REALISTIC, flat, realistic, run, setting
from tests.report.pages import Page, parse

SECTIONS = ["curves", "strategies", "labels", "tests", "recall", "time", "method"]


@cache
def full() -> Outcome:
    return Outcome.of(setting(facts={"pool": "s3://bucket/pool/*.parquet"}), realistic())


def with_classes(number: int) -> Outcome:
    recall = {f"class number {i}": i / number for i in range(number)}
    recall_of: dict[str, float | None] = {**recall, "never in the test rows": None}
    point = Point(labels=10, metrics={"accuracy": 0.5}, recall=recall_of)
    points = (point, point.model_copy(update={"labels": 20}))
    runs = [
        Run(strategy=name, seed=seed, points=points) for name in ("random", "margin") for seed in range(2)
    ]
    rows = {name: 1 + i for i, name in enumerate(recall_of)}
    return Outcome.of(setting(class_rows=rows), runs)


def with_a_notice() -> Outcome:
    runs = [r.model_copy(update={"notices": ("3 rows short", "3 rows short")}) for r in realistic(2, 3)]
    return Outcome.of(setting(), [*runs, run("margin", 9, [0.1, 0.2])])


CASES: dict[str, Callable[[], Outcome]] = {
    "full": full,
    "one seed": lambda: Outcome.of(setting(), realistic(1)),
    "one strategy": lambda: Outcome.of(setting(), realistic(3, 4, ["badge"])),
    "one point": lambda: Outcome.of(setting(), realistic(3, 1)),
    "no random": lambda: Outcome.of(setting(), realistic(12, 4, ["badge", "margin"])),
    "only random": lambda: Outcome.of(setting(), realistic(3, 4, ["random"])),
    "less is better": lambda: Outcome.of(setting("log_loss", cost_per_label=None), realistic(9)),
    "all equal": lambda: Outcome.of(setting(), flat({"random": [0.5] * 9, "margin": [0.5] * 9})),
    "nothing optional": lambda: Outcome.of(
        setting(class_rows={}, cost_per_label=None, learner=""),
        [run(name, seed, [0.1, 0.2]) for name in ("random", "a") for seed in range(2)],
    ),
    "60 classes": lambda: with_classes(60),
    "20 strategies": lambda: Outcome.of(
        setting(), flat({f"strategy {i}": [i / 40, i / 50] for i in range(19)} | {"random": [0.2, 0.3]})
    ),
    "notices": with_a_notice,
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(case()) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_page_is_whole_and_loads_nothing(pages: dict[str, str], name: str) -> None:
    page = parse(pages[name])
    assert not page.unclosed
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == SECTIONS
    assert not page.names & {"script", "iframe", "object", "embed", "link", "form", "base", "svg"}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert all(re.match(r"#[a-z]+$|data:image/svg\+xml;base64,", link) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(SECTIONS)
    assert "url(" not in pages[name]
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    # What a missing value would leave behind.
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", page.text)


@pytest.mark.parametrize("name", CASES)
def test_every_summary_is_json(name: str) -> None:
    outcome = CASES[name]()
    found = summary(outcome)
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(found))
    assert list(found["strategies"]) == list(outcome.ranked)
    assert found["recommendation"]["sentence"] == outcome.recommendation.sentence


def said(html: str) -> str:
    return " ".join(parse(html).text.split())


def test_the_page_says_what_the_numbers_say(pages: dict[str, str]) -> None:
    text, outcome = said(pages["full"]), full()
    assert outcome.recommendation.sentence in text
    assert "6 strategies replayed on labelled rows, 20 seeds each, 50 to 600 labels" in text
    for name in REALISTIC:
        mean, reach = outcome.area.means[name], outcome.reaches[name]
        assert mean is not None
        assert mean.error is not None
        assert f"{name} {mean.value:.3f} ± {mean.error:.3f}" in text
        if reach.saved:
            assert reach.share is not None
            assert f"{reach.saved_low:,.0f} – {reach.saved_high:,.0f} {100 * reach.share:.0f}%" in text
    test = outcome.area.between("badge", "margin")
    assert f"{test.difference:+.4f} p = {test.corrected:.2g}" in text
    assert "corrections (rarest) 120" in text
    assert "seeds 20: 0 to 19" in text
    assert "8,000 to choose from, 1,960 to test on, in each split" in text
    assert "pool s3://bucket/pool/*.parquet" in text


def test_thin_evidence_is_seen_at_once(pages: dict[str, str]) -> None:
    assert "use, on thin evidence" in said(pages["one seed"])
    assert 'class="banner stopped"' in pages["one seed"]
    assert 'class="banner"' in pages["full"]
    assert "one seed has no band" in said(pages["one seed"])
    assert (
        "With 1 seed no test of a strategy against 5 others can be significant: the least corrected p is 1; "
        "it takes 8 seeds."
    ) in said(pages["one seed"])


def test_what_is_missing_is_said(pages: dict[str, str]) -> None:
    assert "Only one strategy was run." in said(pages["one strategy"])
    assert "random was not run, so labels saved against it are not known" in said(pages["no random"])
    assert "It was not run, so there is no end to get to." in said(pages["no random"])
    assert "The runs hold no recall." in said(pages["nothing optional"])
    assert "less is better" in said(pages["less is better"])
    assert "worth" not in said(pages["less is better"])


def test_notices_are_counted_and_unfinished_seeds_told(pages: dict[str, str]) -> None:
    text = said(pages["notices"])
    assert "badge: 3 rows short (2 of 2 runs)" in text
    assert "Left out: 1 seed that not every strategy has finished." in text


def test_a_shorter_range_is_told() -> None:
    runs = [*realistic(2, 4, ["random"]), *realistic(2, 6, ["margin"])]
    assert Outcome.of(setting(), runs).notices[-1] == (
        "Compared from 50 to 200 labels, the range that all runs cover; some go from 50 or to 300."
    )


def test_many_classes_fold_and_the_rarest_stays_in_sight(pages: dict[str, str]) -> None:
    text = said(pages["60 classes"])
    assert "All 61 classes" in text
    assert "class number 0 (rarest) 1 0.000" in text
    assert re.search(r"never in the test rows 61 – –", text)


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
        Point(labels=1, metrics={"accuracy": 0.5}, recall={'a,"b"': None}),
        Point(labels=2, metrics={"accuracy": 0.5, "log_loss": 0.25}, seconds={"select": 1.5}),
    )
    written = points_csv([Run(strategy="x, y\nz", seed=0, points=points)])
    head, first, second = csv.reader(StringIO(written))
    assert head[3:] == [
        "accuracy",
        "log_loss",
        'recall a,"b"',
        "seconds train",
        "seconds score",
        "seconds select",
    ]
    assert first == ["x, y\nz", "0", "1", "0.5", "", "", "", "", ""]
    assert second == ["x, y\nz", "0", "2", "0.5", "0.25", "", "", "", "1.5"]


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


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "</bdi></td></table><h1>gone",
    "{{ 7 * 7 }}{% raw %}",
    "safe\u202egnp\x00.exe",
    "lone \ud800 surrogate",
    "$\\frac{1}$",
    "字 عربي 🏮",
    "x" * 20_000,
]


@cache
def page_of(text: str) -> str:
    """A page in which everything that can be foreign is `text`."""
    names = {"random": text, "margin": text + "2"}
    point = Point(labels=10, metrics={"accuracy": 0.5}, recall={text: 0.5, "c": 0.25})
    points = (point, point.model_copy(update={"labels": 20}))
    runs = [
        Run.model_construct(strategy=name, seed=seed, points=points, notices=(text,))
        for name in names.values()
        for seed in range(2)
    ]
    facts = {"campaign": text, "learner": text, "control": text, "default": text + "2", "facts": {text: text}}
    given = setting().model_copy(update={**facts, "class_rows": {text: 3, "c": 9}})
    return render(Outcome.of(given, runs))


def skeleton(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(attrs))) for tag, attrs in page.tags]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_foreign_text_stays_text(text: str) -> None:
    html = page_of(text)
    html.encode()  # a lone surrogate has no encoding
    page = parse(html)
    assert skeleton(page) == skeleton(parse(page_of("harmless")))
    assert not page.unclosed
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    if text.isascii() and text.isprintable() and len(text) < 24:
        assert page.text.count(" ".join(text.split())) >= 9


def test_very_long_text_is_cut() -> None:
    assert max(len(found) for found in re.findall("x+", parse(page_of("x" * 20_000)).text)) <= 600


def test_rendering_again_gives_the_same_page(pages: dict[str, str]) -> None:
    assert render(CASES["full"]()) == pages["full"]


def test_names_beside_the_curves_keep_apart() -> None:
    places = spread([0.1, 0.1, 0.1, 0.5, 0.52], 0.05)
    assert places == pytest.approx([0.05, 0.1, 0.15, 0.485, 0.535])
    assert spread([1.0, 2.0], 0.5) == [1.0, 2.0]
    assert spread([], 1.0) == []
    assert within([0.9, 1.0, 1.1], 0.1, 0.0, 1.0) == pytest.approx([0.8, 0.9, 1.0])
    assert within([-0.1, 0.0, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.0, 0.1, 0.5])


def test_every_strategy_of_twenty_looks_different() -> None:
    found = looks([*map(str, range(19)), "random"], "random")
    assert len(set(found.values())) == 20


def test_the_template_lies_in_the_package() -> None:
    assert (files("lamplighter.backtest") / "backtest.html.j2").is_file()
