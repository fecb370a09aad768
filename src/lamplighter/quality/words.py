"""A round's document of label quality in words: the same for the report, the terminal and Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lamplighter.quality.record import AgreementRecord, Alarm, AnnotatorRecord, QualityRecord
from lamplighter.rounds import Estimate

#: What an alarm may be about.
MEASURES: Mapping[str, str] = {
    "alpha": "Krippendorff's alpha",
    "gold": "gold answers right",
    "confirmed": "automated labels confirmed",
}
_METHODS: Mapping[str, str] = {
    "majority": "majority",
    "dawid_skene": "Dawid and Skene",
    "weighted": "weighted by annotator",
    "crowdlab": "CROWDLAB",
}
#: From where on Krippendorff calls data reliable, and from where on they allow tentative conclusions.
GOOD, FAIR = 0.8, 0.667


@dataclass(frozen=True)
class Fact:
    """Something that is known of the labels; `alarm` where it is below the campaign's bound."""

    name: str
    text: str
    alarm: Alarm | None = None


def facts(record: QualityRecord) -> list[Fact]:
    """Give what is known of the labels; what is not known is left out."""
    return list(_facts(record, {alarm.measure: alarm for alarm in record.alarms}))


def _facts(record: QualityRecord, alarms: Mapping[str, Alarm]) -> Iterator[Fact]:
    method = _METHODS.get(record.consensus, record.consensus)
    yield Fact("consensus", f"{method}, {record.votes:,} votes on {record.rows:,} rows")
    if record.agreement:
        yield Fact(MEASURES["alpha"], _alpha(record.agreement), alarms.get("alpha"))
    if record.gold:
        yield Fact(MEASURES["gold"], f"{estimate(record.gold)} of {record.gold.n:,}", alarms.get("gold"))
    if record.confirmed:
        text = f"{estimate(record.confirmed)} of {record.confirmed.n:,} audited"
        yield Fact(MEASURES["confirmed"], text, alarms.get("confirmed"))
    if record.suggested:
        text = f"{estimate(record.suggested)} of {record.suggested.n:,}, no random sample"
        yield Fact("unsure automated answers confirmed", text)
    yield from _doubt(record)


def _doubt(record: QualityRecord) -> Iterator[Fact]:
    # Where every row has one vote, nothing can be disputed, and a majority is always sure.
    if record.votes > record.rows:
        yield Fact(
            "disputed rows", f"{record.disputed:,} of {record.rows:,} ({record.disputed / record.rows:.1%})"
        )
    if record.confidence is not None and (record.votes > record.rows or record.consensus != "majority"):
        yield Fact("mean confidence", f"{record.confidence:.3f}")


def estimate(it: Estimate | None) -> str:
    """Give a share with its interval; a dash for none."""
    return "–" if it is None else f"{it.value:.3f} (95%: {it.low:.3f} – {it.high:.3f})"


def alpha(agreement: AgreementRecord | None) -> Estimate | None:
    """Give alpha as an estimate from the rows that it was measured on; None where nothing tells."""
    if agreement is None or agreement.alpha is None or agreement.low is None or agreement.high is None:
        return None
    return Estimate(value=agreement.alpha, low=agreement.low, high=agreement.high, n=agreement.rows)


def _alpha(agreement: AgreementRecord) -> str:
    found = alpha(agreement)
    if not agreement.rows:
        return "not known: no row has two votes"
    if found is None:
        return f"not known: all {agreement.votes:,} votes on {agreement.rows:,} shared rows are for one class"
    pairs = (
        f"; {agreement.observed:.1%} of the pairs of votes agree" if agreement.observed is not None else ""
    )
    return f"{estimate(found)} on {agreement.rows:,} rows with two votes or more{pairs}"


def meaning(agreement: AgreementRecord | None) -> str:
    """Say in a sentence what alpha says of the labels; nothing where there is none."""
    found = alpha(agreement)
    if found is None:
        return ""
    said, low, high = (_level(value) for value in (found.value, found.low, found.high))
    unsure = "" if low == high else " The interval reaches further, so more shared rows may change this."
    return f"{said}{unsure}"


def _level(value: float) -> str:
    if value >= GOOD:
        return f"Annotators agree well: alpha is at least {GOOD}, from where on labels count as reliable."
    if value >= FAIR:
        return f"Annotators agree fairly: between {FAIR} and {GOOD} alpha allows tentative conclusions only."
    if value > 0:
        return f"Annotators agree too little: below {FAIR} alpha allows no conclusions from the labels."
    return "Annotators agree no more than by chance."


def tells(record: QualityRecord) -> bool:
    """Say whether anything was measured, or is to be looked at."""
    known = (alpha(record.agreement), record.gold, record.confirmed, record.suggested)
    return any(known) or bool(record.warnings or record.alarms)


def worst_first(record: QualityRecord) -> list[AnnotatorRecord]:
    """Give those left out, then by gold or, where there is none, by agreement; then by name."""
    by_gold = any(person.gold for person in record.annotators)
    return sorted(record.annotators, key=lambda person: _rank(person, by_gold=by_gold))


def _rank(person: AnnotatorRecord, *, by_gold: bool) -> tuple[bool, bool, float, str]:
    share = person.gold if by_gold else person.agreement
    return not person.left_out, share is None, share.value if share else 0.0, person.name
