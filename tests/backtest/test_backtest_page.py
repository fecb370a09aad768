"""The page of a backtest: complete for every kind of outcome, self-contained, and safe with any text."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import pytest

from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.plots import looks, spread, within
from lamplighter.backtest.report import render
from lamplighter.backtest.runs import Point, Run
from tests.backtest.fakes import REALISTIC, setting
from tests.backtest.outcomes import CASES, full
from tests.report.pages import (
    HOSTILE,
    PLAIN,
    check_foreign,
    check_loads_nothing,
    check_whole,
    longest_run,
    parse,
    said,
)

SECTIONS = ["curves", "strategies", "labels", "tests", "recall", "time", "method"]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(case()) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_page_is_whole_and_loads_nothing(pages: dict[str, str], name: str) -> None:
    check_whole(pages[name], SECTIONS)


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


def test_many_classes_fold_and_the_rarest_stays_in_sight(pages: dict[str, str]) -> None:
    text = said(pages["60 classes"])
    assert "All 61 classes" in text
    assert "class number 0 (rarest) 1 0.000" in text
    assert re.search(r"never in the test rows 61 – –", text)


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


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_foreign_text_stays_text(text: str) -> None:
    check_foreign(page_of(text), page_of("harmless"))
    check_loads_nothing(page_of(text))


@pytest.mark.parametrize("text", [text for text in PLAIN if len(text) < 24])
def test_foreign_text_is_shown_as_it_is(text: str) -> None:
    assert parse(page_of(text)).text.count(" ".join(text.split())) >= 9


def test_very_long_text_is_cut() -> None:
    assert longest_run(page_of("x" * 20_000)) <= 600


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
