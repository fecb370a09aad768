"""Label quality in words, as Markdown and as a table: what is measured is said, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.label_quality import fell
from lamplighter.quality.words import facts, meaning, tells, worst_first
from lamplighter.report import plots
from lamplighter.report.label_quality import annotator_table, markdown, over_rounds
from lamplighter.report.pictures import pictures
from tests.report.campaigns import first_round, full
from tests.report.qualities import agreement, alarm, alone, crowd, judged, of_one_class


@pytest.mark.parametrize(
    ("alpha", "said"),
    [
        (0.9, "Annotators agree well"),
        (0.8, "Annotators agree well"),
        (0.7, "Annotators agree fairly"),
        (0.667, "Annotators agree fairly"),
        (0.5, "Annotators agree too little"),
        (0.0, "no more than by chance"),
        (-0.2, "no more than by chance"),
    ],
)
def test_what_alpha_means(alpha: float, said: str) -> None:
    assert said in meaning(agreement(alpha))
    assert "may change this" not in meaning(agreement(alpha, alpha, alpha))
    assert "may change this" in meaning(agreement(alpha, -1.0, 1.0))


def test_what_is_not_known_is_not_said() -> None:
    assert meaning(None) == meaning(alone().agreement) == meaning(of_one_class().agreement) == ""
    assert [fact.name for fact in facts(alone())] == ["consensus", "Krippendorff's alpha"]
    assert not tells(alone())
    assert not tells(of_one_class())
    assert tells(alone().model_copy(update={"warnings": ("gold rows used up",)}))
    assert annotator_table(alone()) == []
    assert annotator_table(None) == []
    assert markdown(alone(), 3) == markdown(None, 3) == ""


def test_a_majority_without_second_votes_is_not_called_sure() -> None:
    sure = alone().model_copy(update={"consensus": "crowdlab", "confidence": 0.7})
    assert facts(sure)[-1].text == "0.700"
    assert "mean confidence" not in {fact.name for fact in facts(alone())}


def test_the_table_of_annotators() -> None:
    rows = annotator_table(judged(4))
    assert [row["annotator"] for row in rows] == ["edsger", "grace", "ada"]
    assert rows[0] == {
        "annotator": "edsger",
        "votes": 200,
        "gold right": "0.350 (95%: 0.221 – 0.505)",
        "gold rows": 40,
        "agreement": "0.483 (95%: 0.396 – 0.572)",
        "shared rows": 120,
        "median seconds": 4.2,
        "fast": 2,
        "slow": 3,
        "left out": "yes",
    }


def test_foreign_names_stay_text_in_a_table() -> None:
    """Prefect takes cells for Markdown, and would fetch what they name."""
    person = judged(4).annotators[0].model_copy(update={"name": "![x](http://elsewhere.example/y.png)"})
    (row,) = annotator_table(judged(4).model_copy(update={"annotators": (person,)}))
    assert row["annotator"] == r"\!\[x\]\(http\://elsewhere.example/y.png\)"


def test_those_without_a_share_come_last() -> None:
    people = judged(4).annotators
    unknown = people[0].model_copy(update={"gold": None, "name": "a newcomer"})
    ordered = worst_first(judged(4).model_copy(update={"annotators": (unknown, *people)}))
    assert [person.name for person in ordered] == ["edsger", "grace", "ada", "a newcomer"]


def test_markdown_says_alarms_first() -> None:
    said = markdown(judged(11), 11)
    assert said.startswith("## Label quality, round 11\n\n- **the gold measure is 0.700, below")
    assert "| gold answers right | 0.700 \\(95%\\: " in said
    assert "tentative conclusions only" in said


@given(st.text(st.characters(), max_size=80))
def test_foreign_text_stays_text_in_markdown(text: str) -> None:
    told = markdown(judged(4).model_copy(update={"warnings": (text,)}), 4)
    line = told.split("\n\n")[1]
    assert line.startswith("- ")
    told.encode()
    for position, letter in enumerate(line):
        if letter in "<>[]()!`*|":
            # An odd number of backslashes before it: it is escaped.
            before = line[:position]
            assert (len(before) - len(before.rstrip("\\"))) % 2 == 1


def test_an_alarm_is_news_when_the_round_before_had_none() -> None:
    found = {number: judged(number) for number in (8, 9, 10, 11)}
    assert [alarm.measure for alarm in fell(found, 10)] == ["gold"]
    assert fell(found, 9) == fell(found, 11) == fell(found, 12) == []
    again = found | {12: judged(9), 13: judged(10)}
    assert [alarm.measure for alarm in fell(again, 13)] == ["gold"]


def test_every_measure_falls_for_itself() -> None:
    both = judged(11).model_copy(update={"alarms": (alarm("gold"), alarm("alpha", 0.5, 0.6))})
    assert [alarm.measure for alarm in fell({10: judged(10), 11: both}, 11)] == ["alpha"]
    assert [alarm.measure for alarm in fell({11: both}, 11)] == ["gold", "alpha"]


def test_rounds_without_a_document_between_make_no_news() -> None:
    assert fell({10: judged(10), 13: judged(13)}, 13) == []


def test_the_figure_shows_every_measure_with_its_interval_and_bound() -> None:
    data = full()
    axes = plots.quality_over_rounds(over_rounds(data.quality), {"gold answers right": 0.8}).axes[0]
    named = {line.get_label(): line for line in axes.get_lines() if not str(line.get_label()).startswith("_")}
    assert set(named) == {"Krippendorff's alpha", "gold answers right", "automated labels confirmed"}
    assert np.asarray(named["gold answers right"].get_ydata()).tolist() == [0.9] * 8 + [0.7] * 3
    assert len(axes.collections) == 3
    assert [
        np.asarray(line.get_ydata()).tolist() for line in axes.get_lines() if line not in named.values()
    ] == [[0.8, 0.8]]


def test_no_figure_without_a_measure() -> None:
    assert pictures(first_round())["quality"] is None
    picture = pictures(full())["quality"]
    assert picture is not None
    assert "gold answers right 0.700 in round 12" in picture.alt


def test_a_crowd_is_whole_in_the_table() -> None:
    assert len(annotator_table(crowd(60))) == 60
