"""The page: complete for every kind of round, self-contained, and safe with any text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

from lamplighter.errors import ConfigError, UnknownName
from lamplighter.labelers.base import BatchRow
from lamplighter.report import ReportData, render
from lamplighter.report.page import FOLDED
from lamplighter.stopping import Stop
from tests.report.campaigns import first_round, full, measured, stopped
from tests.report.pages import Page, parse

SECTIONS = ["curve", "batch", "classes", "confusion", "budget", "labelers", "rounds", "provenance"]
MANY = tuple(f"class number {i}" for i in range(200))
LACKING = ("a", "b", "absent from the holdout")


def without_a_control() -> ReportData:
    return replace(full(), control=())


CASES: dict[str, Callable[[], ReportData]] = {
    "full": full,
    "first round": first_round,
    "stopped": stopped,
    "200 classes": lambda: full(MANY, rounds=3),
    "a class missing on the holdout": lambda: full(LACKING, rounds=4),
    "no control": without_a_control,
    "many rounds": lambda: replace(full(), records=full(rounds=FOLDED + 5).records, control=()),
    "a control without a metric": lambda: replace(full(), control=full().records[:1]),
    "nothing optional": lambda: ReportData(
        campaign="c", strategy="s", metric="accuracy", classes=("a", "b"), records=full(("a", "b"), 3).records
    ),
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(case()) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_report_is_whole_and_loads_nothing(pages: dict[str, str], name: str) -> None:
    page = parse(pages[name])
    assert not page.unclosed
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == SECTIONS
    assert not page.names & {"script", "iframe", "object", "embed", "link", "form", "base", "svg"}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert all(re.match(r"#[a-z]+$|data:image/svg\+xml;base64,", link) for link in page.links)
    targets = {f"#{attrs['id']}" for _, attrs in page.tags if attrs.get("id")}
    assert {link for link in page.links if link.startswith("#")} <= targets
    assert "url(" not in pages[name]
    assert "@import" not in pages[name]
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    # What a missing value would leave behind.
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", page.text)


@pytest.mark.parametrize("name", ["full", "first round", "200 classes"])
def test_rendering_again_gives_the_same_page(pages: dict[str, str], name: str) -> None:
    assert render(CASES[name]()) == pages[name]


def said(name: str, pages: dict[str, str]) -> str:
    return " ".join(parse(pages[name]).text.split())


def test_the_headline_says_what_was_reached(pages: dict[str, str]) -> None:
    text, data = said("full", pages), full()
    metric = data.record.evaluate.metric
    assert metric is not None
    assert "letters, round 12 strategy margin, labeler simulated, committed 2026-03-14 01:09 UTC" in text
    assert (
        f"accuracy on the holdout {metric.value:.3f} 95%: {metric.low:.3f} – {metric.high:.3f}, 300 rows"
        in text
    )
    assert data.saving is not None
    assert f"labels saved against random {data.saving.labels:,.0f} {100 * data.saving.share:.0f}% at" in text
    assert "1,320 of 2,000 (66%)" in text
    assert "105.60 of 120.00 (88%)" in text
    assert "12 of 15 (80%)" in text
    assert f"worth {data.saving.labels * 0.08:,.2f} at 0.08 a label" in text


def test_the_rounds_hold_what_the_ledger_holds(pages: dict[str, str]) -> None:
    text, data = said("full", pages), full()
    for record in data.records[1:]:
        metric = record.evaluate.metric
        assert metric is not None
        assert f"{metric.value:.3f} {metric.low:.3f} – {metric.high:.3f}" in text
    assert "12 2.3 s 0.84 s 1.2 s 3 min 07 s 0.5 s 3.1 s" in text


def test_provenance_holds_whole_digests(pages: dict[str, str]) -> None:
    text, record = said("full", pages), full().record
    assert record.train.model is not None
    for digest in (record.train.model.digest, record.collect.campaign, record.collect.pool_fingerprint):
        assert digest in text
    assert "s3://bucket/pool/*.parquet" in text


def test_the_first_round_says_why_there_is_nothing_yet(pages: dict[str, str]) -> None:
    text = said("first round", pages)
    assert "no model: no labels yet, a model needs labels of two classes" in text
    assert "not measured in this round" in text
    assert "No round has a metric yet" in text
    assert "No control campaign was given" in text
    assert "Nothing was measured in this round" in text
    assert "120 rows went out" in text


def test_a_stopped_round_says_why(pages: dict[str, str]) -> None:
    text = said("stopped", pages)
    assert "The campaign has stopped by the rule target: the lower bound 0.93 reaches the target 0.9." in text
    assert "The pool was not scored in this round." in text


def test_a_class_missing_on_the_holdout_comes_last(pages: dict[str, str]) -> None:
    text = said("a class missing on the holdout", pages)
    assert re.search(r"absent from the holdout [\d,]+ 0 – not on the holdout", text)
    table = text[text.index("The worst recall comes first") : text.index("Largest confusions")]
    assert table.index("absent from the holdout") > max(table.index(" a "), table.index(" b "))


def test_many_classes_get_a_list_instead_of_a_matrix(pages: dict[str, str]) -> None:
    text = said("200 classes", pages)
    assert "With 200 classes a matrix cannot be read" in text
    assert "The other 185 classes" in text
    assert all(f"{name} " in text for name in MANY)


def test_a_control_not_yet_matched_claims_nothing() -> None:
    ahead = replace(full(), records=full().records[:4])
    text = " ".join(parse(render(ahead)).text.split())
    assert "has not yet reached" in text
    assert "not yet to be said" in text


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style><style>*{display:none}",
    "</bdi></td></table><h1>gone",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- --> ]]> &lt; &amp;",
    "safe\u202egnp\x00.exe",
    "bell\x07 csi\x9b\u2066",
    "lone \ud800 surrogate",
    "$\\frac{1}$",
    "字 عربي 🏮",
    "x" * 20_000,
    "",
]


def hostile(text: str) -> ReportData:
    """A report in which everything that can be foreign is `text`."""
    classes = (text, text + "2", "c")
    data, metrics = stopped(("p", "q", "c")), measured(0.8, ("p", "q", "c"))
    metrics = metrics.model_copy(
        update={"recall": dict(zip(classes, metrics.recall.values(), strict=True)), "primary": text}
    )
    last = data.records[-1]
    collect = last.collect.model_copy(
        update={
            "problems": (text,),
            "problem_count": 2,
            "pool_fingerprint": text,
            "campaign": text,
            "class_counts": dict(zip(classes, (30, 20, 10), strict=True)),
        }
    )
    train = last.train.model_copy(update={"note": text})
    evaluate = last.evaluate.model_copy(update={"stop": Stop(text, text)})
    last = last.model_copy(update={"collect": collect, "train": train, "evaluate": evaluate, "writer": text})
    display: dict[str, Any] = {
        text: text,
        "bytes": text.encode("utf-8", "replace"),
        "list": [text],
        "none": None,
    }
    rows = [BatchRow(text, text, 1, 0.5, text, (0.5, 0.3, 0.2), display), BatchRow(7, "seed", 2)]
    return replace(
        data,
        campaign=text,
        strategy=text,
        classes=classes,
        records=[*data.records[:-1], last],
        control_name=text,
        metrics=metrics,
        batch=rows,
        annotators={6: {text: 3, text + "2": 2}},
        labeler=text,
        provenance={text: text},
    )


@cache
def page_of(text: str) -> str:
    return render(hostile(text))


def skeleton(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(attrs))) for tag, attrs in page.tags]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_foreign_text_stays_text(text: str) -> None:
    html = page_of(text)
    html.encode()  # a lone surrogate has no encoding
    page = parse(html)
    # The empty text shows fewer elements, as it should: an empty note is no note.
    assert not text or skeleton(page) == skeleton(parse(page_of("harmless")))
    assert not page.unclosed
    assert all(re.match(r"#[a-z]+$|data:image/svg\+xml;base64,", link) for link in page.links)
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)


@pytest.mark.parametrize("text", [t for t in HOSTILE if t.isascii() and t.isprintable() and 0 < len(t) < 40])
def test_foreign_text_is_shown_as_it_is(text: str) -> None:
    """Escaped, not removed: nine places at least."""
    shown = parse(page_of(text)).text
    assert shown.count(" ".join(text.split())) >= 9


def test_unseen_characters_are_spelled_out() -> None:
    shown = parse(page_of("safe\u202egnp\x00.exe")).text
    assert "safe\\u202egnp\\x00.exe" in shown


def test_very_long_text_is_cut() -> None:
    html = page_of("x" * 20_000)
    assert max(len(run) for run in re.findall("x+", parse(html).text)) <= 600
    assert "…" in html


def test_a_report_needs_a_round_and_a_known_metric() -> None:
    with pytest.raises(ConfigError, match="run one first: lamplighter round"):
        replace(full(), records=())
    with pytest.raises(UnknownName, match="unknown metric 'f1'"):
        replace(full(), metric="f1")


def test_the_template_lies_in_the_package() -> None:
    package = files("lamplighter.report")
    assert (package / "report.html.j2").is_file()
    assert (package / "report.css").is_file()
