"""A labeler that can tell when a batch is labelled: when a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamplighter.config import load
from lamplighter.driver import open_driver
from lamplighter.errors import LabelerError
from lamplighter.labelers.base import Batch, Collected, Cursor, Desk, Labeler, Ticket
from lamplighter.standing import TICKET
from lamplighter.steps import run_round
from tests.campaigns import write_campaign, write_pool


@dataclass(frozen=True)
class People(Labeler):
    """Has labelled the batches whose ids stand in a file; is down while there is a file `down`.

    Attributes
    ----------
    folder
        Of the files `labelled` and `down`, and `asked`, which gets a line for each question.
    """

    folder: str

    def dispatch(self, batch: Batch, desk: Desk) -> Ticket:
        return Ticket(batch.id, batch.round, batch.created_at, len(batch.rows))

    def collect(self, tickets: Sequence[Ticket], since: Cursor, desk: Desk) -> Collected:
        return Collected()

    def finished(self, ticket: Ticket, desk: Desk) -> bool | None:
        place = Path(self.folder)
        with (place / "asked").open("a") as asked:
            asked.write(f"{ticket.batch}\n")
        if (place / "down").exists():
            raise LabelerError("the labeler is down")
        labelled = place / "labelled"
        return labelled.exists() and ticket.batch in labelled.read_text().split()


@dataclass(frozen=True)
class Campaign:
    """A campaign on disk whose labeler is `People`."""

    folder: Path
    file: str
    name: str

    def label(self) -> str:
        """Let the newest batch be labelled; give its id."""
        driver = open_driver(self.file)
        sent = driver.history().records[-1].dispatch
        assert sent is not None
        assert sent.ticket is not None
        batch = TICKET.validate_json(driver.ledger.read(sent.ticket)).batch
        with (self.folder / "labelled").open("a") as labelled:
            labelled.write(f"{batch}\n")
        return batch

    def questions(self) -> int:
        """Give how often the labeler was asked."""
        asked = self.folder / "asked"
        return len(asked.read_text().splitlines()) if asked.exists() else 0

    def round(self) -> None:
        """Do a round."""
        run_round(open_driver(self.file))


def campaign_of_people(folder: Path, **changes: Any) -> Campaign:
    """Write a campaign that has dispatched its first batch."""
    write_pool(folder, rows=200)
    settings: dict[str, Any] = {
        "labeler": {"name": "people", "params": {"folder": str(folder)}},
        "evaluation": {"holdout": 20},
    }
    file = write_campaign(folder, **(settings | changes))
    campaign = Campaign(folder, file, load(file).name)
    campaign.round()
    return campaign
