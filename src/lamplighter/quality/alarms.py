"""When label quality falls below what the campaign asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamplighter.evaluation import wilson
from lamplighter.label_sections import AlarmConfig
from lamplighter.quality.annotators import AnnotatorQuality
from lamplighter.quality.record import Alarm, QualityRecord
from lamplighter.rounds import Estimate

_TEXT = {
    "alpha": "Krippendorff's alpha between annotators",
    "gold": "the share of gold answers that are right",
    "confirmed": "the share of audited automated labels that people confirmed",
}


def alarms(record: QualityRecord, bounds: AlarmConfig | None) -> tuple[Alarm, ...]:
    """Give the measures that are below their bound.

    The value is compared, not its interval: an alarm asks somebody to look, it takes nothing away.
    """
    return tuple(_below(record, bounds)) if bounds else ()


def _below(record: QualityRecord, bounds: AlarmConfig) -> Iterator[Alarm]:
    alpha = record.agreement.alpha if record.agreement else None
    values = {
        "alpha": alpha,
        "gold": record.gold.value if record.gold else None,
        "confirmed": record.confirmed.value if record.confirmed else None,
    }
    for measure, value in values.items():
        bound = getattr(bounds, measure)
        if value is not None and bound is not None and value < bound:
            text = f"{_TEXT[measure]} is {value:.3f}, below the bound of {bound:g}"
            yield Alarm(measure=measure, value=value, bound=bound, text=text)


def gold_share(people: Sequence[AnnotatorQuality]) -> Estimate | None:
    """Give the share of all answers about gold rows that are right, with Wilson's 95% interval."""
    measured = [person.gold for person in people if person.gold]
    n = sum(estimate.n for estimate in measured)
    if not n:
        return None
    right = round(sum(estimate.value * estimate.n for estimate in measured))
    low, high = wilson(right, n)
    return Estimate(value=right / n, low=low, high=high, n=n)
