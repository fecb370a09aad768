"""Label quality in a few lines of a terminal."""

from __future__ import annotations

from typing import Any

from lamplighter.quality.record import AnnotatorRecord, QualityRecord
from lamplighter.quality.words import facts, worst_first
from lamplighter.rounds import Estimate

#: Annotators that are listed; the report shows all.
LISTED = 10
COLUMNS = ["annotator", "votes", "gold right", "agrees", "median s", "fast", "slow", ""]


def record_of(found: dict[str, Any]) -> QualityRecord:
    """Read the document as `status` gives it, with its round."""
    return QualityRecord.model_validate({key: value for key, value in found.items() if key != "round"})


def values(record: QualityRecord) -> dict[str, Any]:
    """Give what is known of the labels, by name."""
    return {
        fact.name: fact.text + (f"; below the bound of {fact.alarm.bound:g}" if fact.alarm else "")
        for fact in facts(record)
    }


def annotators(record: QualityRecord) -> list[list[Any]]:
    """Give the rows of a table of annotators, the worst first; none where nothing tells them apart."""
    if not any(p.gold or p.agreement or p.left_out for p in record.annotators):
        return []
    return [_row(person) for person in worst_first(record)[:LISTED]]


def _row(person: AnnotatorRecord) -> list[Any]:
    seconds = person.median_lead_time_s
    return [
        person.name,
        person.votes,
        _share(person.gold),
        _share(person.agreement),
        None if seconds is None else round(seconds, 1),
        person.fast,
        person.slow,
        "left out" if person.left_out else "",
    ]


def _share(it: Estimate | None) -> str:
    return "-" if it is None else f"{it.value:.2f} [{it.low:.2f}, {it.high:.2f}] of {it.n:,}"
