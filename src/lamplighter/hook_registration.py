"""Have a campaign's labeler call the receiver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.hooks import ACTIONS, HEADER
from lamplighter.labelers.base import Labeler, Ticket
from lamplighter.labelers.label_studio import LabelStudio
from lamplighter.labelers.label_studio.client import Client, session
from lamplighter.labelers.label_studio.webhooks import ensure_webhook
from lamplighter.labelers.route import Route
from lamplighter.labelers.route.book import read_books
from lamplighter.standing import Standing


@dataclass(frozen=True)
class Callback:
    """Where the labeler's server reaches the receiver, and the secret that it has to send."""

    url: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"--register {self.url}: no address that can be called; give the receiver's, as the "
                "labeler's server sees it: http://HOST:4300/"
            )


def check_registers(driver: Driver) -> None:
    """Raise ConfigError where the campaign's labeler has no webhooks of its own."""
    if label_studio_of(driver.labeler) is None:
        raise ConfigError(
            f"--register: labeler '{driver.campaign.labeler.name}' has no webhooks that could be made; "
            f"leave the option out, and have it call the receiver with header {HEADER}"
        )


def register(driver: Driver, callback: Callback) -> list[str]:
    """See to it that the projects of the campaign call back; give what was changed, in words.

    A project that is made by the first dispatch is found once it is there, so this is done at every look.
    """
    people = label_studio_of(driver.labeler)
    if people is None:
        return []
    headers = {HEADER: callback.secret.decode()}
    changed = []
    with session(people.url, people.token, people.patience) as client:
        for project in projects_of(driver, people, client):
            done = ensure_webhook(client, project, callback.url, headers=headers, actions=ACTIONS)
            if done != "as it was":
                changed.append(f"webhook of {client.host}, project {project}: {done}")
    return changed


def label_studio_of(labeler: Labeler) -> LabelStudio | None:
    """Give the labeler that asks people in Label Studio: the campaign's, or the last that it routes to."""
    if isinstance(labeler, Route):
        labeler = labeler.people.labeler
    return labeler if isinstance(labeler, LabelStudio) else None


def projects_of(driver: Driver, people: LabelStudio, client: Client) -> list[int]:
    """Give the projects that may hold rows of the campaign: the named one, and that of the newest batch.

    Where that batch went to another server, its project's number is here somebody else's.
    """
    standing = Standing(driver, driver.history())
    tickets = _with_people(driver, standing.tickets[driver.campaign.labeler.name][-1:])
    return sorted(people.projects_here(client, tickets, driver.desk(standing.integer_ids)))


def _with_people(driver: Driver, tickets: Sequence[Ticket]) -> list[Ticket]:
    if not isinstance(driver.labeler, Route):
        return list(tickets)
    books = read_books(driver.store, tickets)
    return [receipt.ticket for book in books for _, receipt in book.with_people()]
