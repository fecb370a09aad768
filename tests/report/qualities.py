"""Made-up documents of label quality."""

from __future__ import annotations

from lamplighter.evaluation import wilson
from lamplighter.quality.record import AgreementRecord, Alarm, AnnotatorRecord, QualityRecord
from lamplighter.rounds import Estimate


def share(right: int, of: int) -> Estimate:
    low, high = wilson(right, of)
    return Estimate(value=right / of, low=low, high=high, n=of)


def annotator(name: str, right: int, *, left_out: bool = False, slow: int = 0) -> AnnotatorRecord:
    """Somebody with 40 gold rows and 120 shared ones."""
    return AnnotatorRecord(
        name=name,
        votes=200,
        gold=share(right, 40),
        agreement=share(2 * right + 30, 120),
        median_lead_time_s=4.25,
        fast=2,
        slow=slow,
        left_out=left_out,
    )


def agreement(alpha: float | None, low: float | None = None, high: float | None = None) -> AgreementRecord:
    reach = (alpha - 0.05, alpha + 0.05) if alpha is not None and low is None else (low, high)
    return AgreementRecord(alpha=alpha, low=reach[0], high=reach[1], observed=0.875, rows=120, votes=260)


def alarm(measure: str = "gold", value: float = 0.75, bound: float = 0.8) -> Alarm:
    text = f"the {measure} measure is {value:.3f}, below the bound of {bound:g}"
    return Alarm(measure=measure, value=value, bound=bound, text=text)


def judged(number: int) -> QualityRecord:
    """Everything that a document can hold; gold falls below its bound in round 10."""
    people = (annotator("ada", 38), annotator("edsger", 14, left_out=True, slow=3), annotator("grace", 36))
    gold = share(84, 120) if number >= 10 else share(108, 120)
    return QualityRecord(
        consensus="dawid_skene",
        rows=100 * number,
        votes=250 * number,
        disputed=7,
        confidence=0.9137,
        agreement=agreement(0.6 + number / 100),
        gold=gold,
        confirmed=share(45, 50),
        suggested=share(10, 30),
        annotators=people,
        warnings=("annotator 'edsger' has 35.0% of 40 gold rows right, below the bound of 70.0%",),
        alarms=(alarm("gold", gold.value, 0.8),) if gold.value < 0.8 else (),
    )


def alone() -> QualityRecord:
    """One annotator, one vote a row, nothing to compare with."""
    return QualityRecord(
        consensus="majority",
        rows=90,
        votes=90,
        confidence=1.0,
        agreement=AgreementRecord(alpha=None, low=None, high=None, observed=None, rows=0, votes=0),
        annotators=(AnnotatorRecord(name="ada", votes=90),),
    )


def of_one_class() -> QualityRecord:
    """Two annotators who always say the same one class."""
    both = tuple(AnnotatorRecord(name=name, votes=50, agreement=share(50, 50)) for name in ("ada", "grace"))
    shared = AgreementRecord(alpha=None, low=None, high=None, observed=1.0, rows=50, votes=100)
    return QualityRecord(
        consensus="majority", rows=50, votes=100, confidence=1.0, agreement=shared, annotators=both
    )


def crowd(people: int) -> QualityRecord:
    named = tuple(annotator(f"person {number:03d}", number % 41) for number in range(people))
    return judged(12).model_copy(update={"annotators": named})
