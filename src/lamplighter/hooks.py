"""What a webhook receiver decides: who may call, what is a hint, when to look at the labeler.

A hint says that something changed, and no more: what it says is looked up, never believed.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import dataclass, replace

from lamplighter.errors import ConfigError

SECRET = "LAMPLIGHTER_HOOKS_SECRET"  # noqa: S105 - a variable's name
HEADER = "X-Lamplighter-Secret"
SHORTEST = 16  #: characters of a secret
LARGEST = 4 * 2**20  #: bytes of a body: it may hold a whole task, pictures included
#: Label Studio's events after which a batch may be fully labelled, or no longer be so.
ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_DELETED",
)


def secret_in(variable: str = SECRET) -> bytes:
    """Read the shared secret from the environment; raises ConfigError without one worth the name."""
    value = os.environ.get(variable, "")
    if len(value) < SHORTEST:
        found = f"has {len(value)} characters" if value else "is not set"
        raise ConfigError(
            f"environment variable {variable} {found}; the receiver takes no calls without a shared secret "
            f"of at least {SHORTEST}: export {variable}=$(openssl rand -hex 32)"
        )
    return value.encode()


def is_secret(given: str | None, secret: bytes) -> bool:
    """Say whether a caller knows the secret, in a time that does not depend on where it differs."""
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), secret)


def action_of(body: bytes) -> str | None:
    """Give the action that a webhook's body names; None where it is no such body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # the former: also what is not UTF-8
        return None
    action = document.get("action") if isinstance(document, dict) else None
    return action if isinstance(action, str) else None


@dataclass(frozen=True)
class Pace:
    """How soon and how often the labeler is asked, in seconds.

    Attributes
    ----------
    quiet
        Without a further hint, before a hint leads to a look.
    longest
        After the first hint at most, however fast others follow.
    every
        Between looks without any hint: webhooks get lost.
    retry
        Before the first retry of a look that failed; doubles up to `every`.
    """

    quiet: float = 2.0
    longest: float = 20.0
    every: float = 900.0
    retry: float = 10.0


@dataclass(frozen=True)
class Agenda:
    """When to look next. All times are seconds of one monotonic clock.

    Attributes
    ----------
    routine
        The next look that no hint asked for.
    first, last
        The oldest and the newest hint since the last look began.
    unsettled
        Looks in a row that have to be repeated soon.
    """

    pace: Pace
    routine: float
    first: float | None = None
    last: float | None = None
    unsettled: int = 0

    @property
    def due(self) -> float:
        """When to look."""
        if self.first is None or self.last is None:
            return self.routine
        return min(self.routine, self.last + self.pace.quiet, self.first + self.pace.longest)

    def hinted(self, now: float) -> Agenda:
        """Take in a hint."""
        return replace(self, first=now if self.first is None else self.first, last=now)

    def begun(self) -> Agenda:
        """Begin a look: the hints so far led to it; those that come from now on are for the next."""
        return replace(self, first=None, last=None)

    def ended(self, now: float, *, settled: bool) -> Agenda:
        """End a look; one that is not settled is repeated soon, at growing distances."""
        unsettled = 0 if settled else self.unsettled + 1
        wait = self.pace.every
        if unsettled:
            wait = min(wait, self.pace.retry * 2.0 ** min(unsettled - 1, 30))
        return replace(self, routine=now + wait, unsettled=unsettled)
