"""Whether the newest batch of a campaign is fully labelled, and whether to say so (again)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lamplighter import redaction
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Labeler
from lamplighter.rounds import DispatchDone
from lamplighter.standing import TICKET, Standing
from lamplighter.stopping.base import Stop

EVENT = "lamplighter.batch.labelled"
LONGEST_GAP = timedelta(days=1)
_NAMESPACE = uuid.UUID("6f1f2d0e-4f5b-5c53-9a43-0d0d2f0b7a11")


@dataclass(frozen=True)
class Labelled:
    """A batch whose rows are all answered, while the round that would collect it has not begun."""

    campaign: str
    round: int
    batch: str
    rows: int

    @property
    def resource(self) -> str:
        """What the event is about."""
        return f"lamplighter.campaign.{self.campaign}"

    def event_id(self, number: int) -> uuid.UUID:
        """Name the `number`-th announcement, from 0: the same from every receiver and after a restart."""
        return uuid.uuid5(_NAMESPACE, f"{self.campaign}/{self.batch}/{number}")

    def payload(self, file: str, number: int) -> dict[str, Any]:
        """Give what the event says; `file` is the campaign file as the worker sees it."""
        return {
            "campaign": file,
            "round": self.round,
            "batch": self.batch,
            "rows": self.rows,
            "announcement": number,
        }


@dataclass(frozen=True)
class NotYet:
    """Nothing to announce, and why."""

    reason: str


def look(driver: Driver) -> Labelled | NotYet:
    """Ask the labeler about the newest batch; raises what a labeler or a store raises."""
    history = driver.history()
    standing = Standing(driver, history)
    sent = [done for done in standing.steps(DispatchDone) if done.ticket]
    if history.open.steps:
        return NotYet(f"round {history.open.round} has begun")
    if not sent or sent[-1].ticket is None:
        return NotYet("no batch was dispatched yet")
    upcoming = driver.plan(history)
    if isinstance(upcoming, Stop):
        return NotYet(f"the campaign has stopped: {upcoming.reason}")
    ticket = TICKET.validate_json(standing.read(sent[-1].ticket))
    if not labeler_of(driver, sent[-1]).finished(ticket, driver.desk(standing.integer_ids)):
        return NotYet(f"batch {ticket.batch} of {ticket.rows:,} rows is not fully labelled")
    return Labelled(driver.campaign.name, ticket.round, ticket.batch, ticket.rows)


def labeler_of(driver: Driver, sent: DispatchDone) -> Labeler:
    """Give the labeler that has a batch: the campaign's, unless that was changed since."""
    if sent.labeler in ("", driver.campaign.labeler.name):
        return driver.labeler
    return LABELERS.build(sent.labeler, redaction.resolve(dict(sent.params), "labeler.params"))


def check_tells(driver: Driver) -> None:
    """Raise ConfigError where the campaign's labeler can never say that a batch is labelled."""
    if type(driver.labeler).finished is Labeler.finished:
        raise ConfigError(
            f"labeler '{driver.campaign.labeler.name}' cannot tell when a batch is labelled, so a receiver "
            "would never announce one; let the nightly deployment collect, or use labeler 'label_studio'"
        )


def due_again(earlier: Sequence[datetime], now: datetime, gap: timedelta) -> bool:
    """Say whether a batch that was announced at `earlier` times is to be announced now.

    Once is enough, unless no round began: the run that it started may have failed, or was cancelled
    because another was at work. The n-th repetition comes 2^(n-1) gaps after the one before.
    """
    if not earlier:
        return True
    wait = min(gap * 2.0 ** min(len(earlier) - 1, 20), LONGEST_GAP)
    return now - max(earlier) >= wait
