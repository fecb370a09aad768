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
from lamplighter.quality.record import QualityRecord
from lamplighter.report import ReportData, render
from lamplighter.report.page import FOLDED
from lamplighter.stopping import Stop
from tests.report.campaigns import first_round, full, measured, stopped
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
from tests.report.qualities import alarm, alone, annotator, crowd, judged, of_one_class

SECTIONS = ["curve", "batch", "classes", "confusion", "quality", "budget", "labelers", "rounds", "provenance"]
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
    "one annotator": lambda: replace(full(rounds=3), quality={3: alone()}),
    "one class": lambda: replace(full(rounds=3), quality={3: of_one_class()}),
    "a crowd": lambda: replace(full(rounds=3), quality={3: crowd(60)}),
    "nothing optional": lambda: ReportData(
        campaign="c", strategy="s", metric="accuracy", classes=("a", "b"), records=full(("a", "b"), 3).records
    ),
}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(case()) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_report_is_whole_and_loads_nothing(pages: dict[str, str], name: str) -> None:
    check_whole(pages[name], SECTIONS)


@pytest.mark.parametrize("name", ["full", "first round", "200 classes"])
def test_rendering_again_gives_the_same_page(pages: dict[str, str], name: str) -> None:
    assert render(CASES[name]()) == pages[name]


def test_the_headline_says_what_was_reached(pages: dict[str, str]) -> None:
    text, data = said(pages["full"]), full()
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
    text, data = said(pages["full"]), full()
    for record in data.records[1:]:
        metric = record.evaluate.metric
        assert metric is not None
        assert f"{metric.value:.3f} {metric.low:.3f} – {metric.high:.3f}" in text
    assert "12 2.3 s 0.84 s 1.2 s 3 min 07 s 0.5 s 3.1 s" in text


def test_provenance_holds_whole_digests(pages: dict[str, str]) -> None:
    text, record = said(pages["full"]), full().record
    assert record.train.model is not None
    for digest in (record.train.model.digest, record.collect.campaign, record.collect.pool_fingerprint):
        assert digest in text
    assert "s3://bucket/pool/*.parquet" in text


def test_the_first_round_says_why_there_is_nothing_yet(pages: dict[str, str]) -> None:
    text = said(pages["first round"])
    assert "no model: no labels yet, a model needs labels of two classes" in text
    assert "not measured in this round" in text
    assert "No round has a metric yet" in text
    assert "No control campaign was given" in text
    assert "Nothing was measured in this round" in text
    assert "120 rows went out" in text


def test_a_stopped_round_says_why(pages: dict[str, str]) -> None:
    text = said(pages["stopped"])
    assert "The campaign has stopped by the rule target: the lower bound 0.93 reaches the target 0.9." in text
    assert "The pool was not scored in this round." in text


def test_label_quality_stands_there_as_measured(pages: dict[str, str]) -> None:
    text, kept = said(pages["full"]), judged(12)
    assert "Label quality is too low (details): the gold measure is 0.700, below the bound of 0.8" in text
    assert "annotator 'edsger' has 35.0% of 40 gold rows right, below the bound of 70.0%" in text
    assert "Dawid and Skene, 3,000 votes on 1,200 rows" in text
    assert "Krippendorff's alpha 0.720 (95%: 0.670 – 0.770) on 120 rows with two votes or more" in text
    assert "87.5% of the pairs of votes agree" in text
    assert kept.gold is not None
    gold = f"0.700 (95%: {kept.gold.low:.3f} – {kept.gold.high:.3f}) of 120 below the bound of 0.8"
    assert f"gold answers right {gold}" in text
    assert "automated labels confirmed 0.900 (95%: 0.786 – 0.957) of 50 audited" in text
    assert "unsure automated answers confirmed 0.333 (95%: 0.192 – 0.512) of 30, no random sample" in text
    assert "disputed rows 7 of 1,200 (0.6%)" in text
    assert "mean confidence 0.914" in text
    assert "tentative conclusions only" in text


def test_annotators_stand_there_the_worst_first(pages: dict[str, str]) -> None:
    text = said(pages["full"])
    edsger, grace, ada = (text.index(f" {row} 200 ") for row in ("edsger", "grace", "ada"))
    assert edsger < grace < ada
    assert "edsger 200 0.350 40 0.483 120 4.2 s 2 3 left out" in text
    assert 'title="0.221 – 0.505"' in pages["full"]


def test_many_annotators_fold_and_the_worst_stay_in_sight(pages: dict[str, str]) -> None:
    text = said(pages["a crowd"])
    assert "The other 45 annotators" in text
    assert all(f"person {number:03d} 200 " in text for number in range(60))
    assert text.index("person 041") < text.index("The other 45 annotators") < text.index("person 040")


def test_without_a_measure_the_page_says_how_to_get_one(pages: dict[str, str]) -> None:
    text = said(pages["one annotator"])
    assert "majority, 90 votes on 90 rows Krippendorff's alpha not known: no row has two votes" in text
    assert "Nothing measures yet how good the answers are" in text
    assert "mean confidence" not in text
    assert "disputed" not in text
    assert "Label quality over the rounds" not in pages["one annotator"]
    assert "No answers have come in yet, so there is nothing to judge." in said(pages["first round"])
    assert "not known: all 100 votes on 50 shared rows are for one class" in said(pages["one class"])


def test_a_class_missing_on_the_holdout_comes_last(pages: dict[str, str]) -> None:
    text = said(pages["a class missing on the holdout"])
    assert re.search(r"absent from the holdout [\d,]+ 0 – not on the holdout", text)
    table = text[text.index("The worst recall comes first") : text.index("Largest confusions")]
    assert table.index("absent from the holdout") > max(table.index(" a "), table.index(" b "))


def test_many_classes_get_a_list_instead_of_a_matrix(pages: dict[str, str]) -> None:
    text = said(pages["200 classes"])
    assert "With 200 classes a matrix cannot be read" in text
    assert "The other 185 classes" in text
    assert all(f"{name} " in text for name in MANY)


def test_a_control_not_yet_matched_claims_nothing() -> None:
    ahead = replace(full(), records=full().records[:4])
    text = said(render(ahead))
    assert "has not yet reached" in text
    assert "not yet to be said" in text


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
        quality={6: foreign_quality(text)},
        labeler=text,
        provenance={text: text},
    )


def foreign_quality(text: str) -> QualityRecord:
    told = alarm().model_copy(update={"text": text})
    people = (annotator(text, 3), annotator(text + "2", 4, left_out=True))
    parts = {"consensus": text, "annotators": people, "warnings": (text,), "alarms": (told,)}
    return judged(6).model_copy(update=parts)


@cache
def page_of(text: str) -> str:
    return render(hostile(text))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:20])
def test_foreign_text_stays_text(text: str) -> None:
    check_foreign(page_of(text), page_of("harmless"))
    check_loads_nothing(page_of(text))


def test_empty_foreign_text_leaves_a_whole_page() -> None:
    """It shows fewer elements, as it should: an empty note is no note."""
    assert not parse(page_of("")).unclosed
    check_loads_nothing(page_of(""))


@pytest.mark.parametrize("text", PLAIN)
def test_foreign_text_is_shown_as_it_is(text: str) -> None:
    """Escaped, not removed: nine places at least."""
    assert parse(page_of(text)).text.count(" ".join(text.split())) >= 9


def test_unseen_characters_are_spelled_out() -> None:
    shown = parse(page_of("safe\u202egnp\x00.exe")).text
    assert "safe\\u202egnp\\x00.exe" in shown


def test_very_long_text_is_cut() -> None:
    html = page_of("x" * 20_000)
    assert longest_run(html) <= 600
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
