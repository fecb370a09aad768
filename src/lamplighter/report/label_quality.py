"""What a report and the artifacts of a run show of label quality."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamplighter.quality.record import AnnotatorRecord, QualityRecord
from lamplighter.quality.words import MEASURES, Fact, alpha, estimate, facts, meaning, tells, worst_first
from lamplighter.report.text import shorten
from lamplighter.rounds import Estimate


@dataclass(frozen=True)
class Quality:
    """The label quality of one round as a page shows it.

    Attributes
    ----------
    facts, meaning
        What is known, and what the agreement means in a sentence.
    annotators
        The worst first.
    several
        Whether any row has two votes.
    gold, lead_times
        Whether anybody answered gold rows, or has a known lead time.
    warnings, alarms
        What to look at.
    """

    facts: Sequence[Fact]
    meaning: str
    annotators: Sequence[AnnotatorRecord]
    several: bool
    gold: bool
    lead_times: bool
    warnings: Sequence[str]
    alarms: Sequence[str]


def quality(record: QualityRecord | None) -> Quality | None:
    """Give what a page shows of a round's document; None without one."""
    if record is None:
        return None
    people = worst_first(record)
    return Quality(
        facts=facts(record),
        meaning=meaning(record.agreement),
        annotators=people,
        several=any(person.agreement for person in people),
        gold=any(person.gold for person in people),
        lead_times=any(person.median_lead_time_s is not None for person in people),
        warnings=record.warnings,
        alarms=[alarm.text for alarm in record.alarms],
    )


def over_rounds(found: Mapping[int, QualityRecord]) -> dict[str, list[tuple[int, Estimate]]]:
    """Give what alarms may be about, by its name: the rounds that measured it, with the estimates."""
    measured = {
        "alpha": {number: alpha(record.agreement) for number, record in found.items()},
        "gold": {number: record.gold for number, record in found.items()},
        "confirmed": {number: record.confirmed for number, record in found.items()},
    }
    return {
        MEASURES[name]: [(number, it) for number, it in sorted(rounds.items()) if it]
        for name, rounds in measured.items()
    }


def annotator_table(record: QualityRecord | None) -> list[dict[str, Any]]:
    """Give the annotators as the rows of a table, JSON-ready; none where nothing tells them apart."""
    if record is None or not any(p.gold or p.agreement or p.left_out for p in record.annotators):
        return []
    return [_row(person) for person in worst_first(record)]


def _row(person: AnnotatorRecord) -> dict[str, Any]:
    seconds = person.median_lead_time_s
    return {
        "annotator": plain(person.name, 60),
        "votes": person.votes,
        "gold right": estimate(person.gold),
        "gold rows": person.gold.n if person.gold else 0,
        "agreement": estimate(person.agreement),
        "shared rows": person.agreement.n if person.agreement else 0,
        "median seconds": None if seconds is None else round(seconds, 1),
        "fast": person.fast,
        "slow": person.slow,
        "left out": "yes" if person.left_out else "",
    }


def markdown(record: QualityRecord | None, number: int) -> str:
    """Give a round's label quality as Markdown; empty where there is nothing to say."""
    if record is None or not tells(record):
        return ""
    said = [f"- **{plain(alarm.text)}**" for alarm in record.alarms]
    said += [f"- {plain(warning)}" for warning in record.warnings]
    rows = [f"| {plain(fact.name)} | {plain(fact.text)} |" for fact in facts(record)]
    parts = [
        f"## Label quality, round {number}",
        "\n".join(said),
        "\n".join(["| measure | value |", "|---|---|", *rows]),
        plain(meaning(record.agreement)),
    ]
    return "\n\n".join(part for part in parts if part)


def plain(text: str, longest: int = 400) -> str:
    r"""Escape what Markdown, or HTML in it, would take for more than text; in a line of that length at most.

    Prefect takes the cells of a table for Markdown too, and shows the images that it names.

    >>> print(plain("![x](http://y) <b>"))
    \!\[x\]\(http\://y\) \<b\>
    """
    return re.sub(r"([\\`*_{}\[\]()<>#!|~:@&])", r"\\\1", shorten(text, longest))
