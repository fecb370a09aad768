"""What the ledger says of label quality, round by round, and when it fell below a bound."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from lamplighter.quality.record import Alarm, QualityRecord
from lamplighter.quality.words import MEASURES
from lamplighter.rounds import Artifact, CollectDone
from lamplighter.standing import READERS, Standing

FELL: Final = "lamplighter.quality.fell"
_NAMESPACE: Final = uuid.UUID("c39a8a5e-64c5-5a0b-a0de-1c1d7f3a7e52")


def documents(standing: Standing) -> dict[int, QualityRecord]:
    """Read what every round said of its labels, by round; rounds without any answer said nothing."""
    return _read(standing, _kept(standing))


def newest(standing: Standing) -> tuple[int, QualityRecord] | None:
    """Read the last round's document; None before the first answer."""
    return max(_read(standing, _kept(standing)[-1:]).items(), default=None)


def _kept(standing: Standing) -> list[tuple[int, Artifact]]:
    return [(done.round, done.quality) for done in standing.steps(CollectDone) if done.quality]


def _read(standing: Standing, kept: Sequence[tuple[int, Artifact]]) -> dict[int, QualityRecord]:
    with ThreadPoolExecutor(READERS) as readers:
        read = readers.map(standing.read, [artifact for _, artifact in kept])
        return {n: QualityRecord.model_validate_json(data) for (n, _), data in zip(kept, read, strict=True)}


@dataclass(frozen=True)
class Fall:
    """A measure that is below its bound in a round, and was not in the round before."""

    campaign: str
    store: str
    round: int
    alarm: Alarm

    @property
    def resource(self) -> dict[str, str]:
        """What the event is about."""
        return {
            "prefect.resource.id": f"lamplighter.campaign.{self.campaign}",
            "prefect.resource.name": self.campaign,
        }

    @property
    def event_id(self) -> uuid.UUID:
        """The same from every try at one round, so that the server keeps one event of several."""
        return uuid.uuid5(_NAMESPACE, "\n".join((self.store, str(self.round), self.alarm.measure)))

    @property
    def payload(self) -> dict[str, Any]:
        """What the event says; `what` is the measure in words, `text` the whole sentence."""
        alarm = self.alarm
        return {
            "round": self.round,
            "measure": alarm.measure,
            "what": MEASURES[alarm.measure],
            "value": round(alarm.value, 4),
            "bound": alarm.bound,
            "text": alarm.text,
        }


def falls(standing: Standing, number: int) -> list[Fall]:
    """Give the measures that fell below their bounds in a round.

    A measure that stays below is no news. One that rose above and falls again is, and so is one whose
    bound was raised above it.
    """
    kept = [(n, artifact) for n, artifact in _kept(standing) if n <= number]
    found = _read(standing, kept[-2:])
    campaign, store = standing.driver.campaign.name, standing.driver.store.url
    return [Fall(campaign, store, number, alarm) for alarm in fell(found, number)]


def fell(found: Mapping[int, QualityRecord], number: int) -> list[Alarm]:
    """Give the alarms of a round that the newest document before it did not have."""
    if number not in found:
        return []
    earlier = max((n for n in found if n < number), default=None)
    known = {alarm.measure for alarm in found[earlier].alarms} if earlier is not None else set()
    return [alarm for alarm in found[number].alarms if alarm.measure not in known]
