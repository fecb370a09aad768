"""Drivers in processes of their own, which dispatch a batch and may be killed at any moment.

A fork server holds the imports, so that a driver is at work within a tenth of a second.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from lamplighter.errors import LabelerError
from lamplighter.labelers.base import Batch, Desk, Ticket
from lamplighter.labelers.label_studio import LabelStudio
from lamplighter.store import open_store
from lamplighter.testing.labelers import CLASSES

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])
_TICKET = TypeAdapter(Ticket)
_TRIES = 20
T = TypeVar("T")


@dataclass(frozen=True)
class Orders:
    """What a driver is to do.

    Attributes
    ----------
    folder
        Holds the campaign's store, and what the driver has to report.
    name
        Of the report.
    """

    folder: str
    name: str
    params: dict[str, Any] = field(repr=False)
    batch: Batch

    @property
    def ticket(self) -> Ticket:
        """What the driver got; FileNotFoundError unless it came to its end."""
        return _TICKET.validate_json(Path(self.folder, f"{self.name}.ticket").read_bytes())

    @property
    def told(self) -> list[str]:
        """The errors that it was told."""
        path = Path(self.folder, f"{self.name}.errors")
        return path.read_text().splitlines() if path.exists() else []


def desk_of(folder: str) -> Desk:
    """Give the desk of the campaign under a folder."""
    return Desk(open_store(f"{folder}/store"), "campaign", CLASSES)


def insist(do: Callable[[], T], told: Callable[[LabelerError], None]) -> T:
    """Do something until it works, as whoever runs the round again does."""
    for _ in range(_TRIES):
        try:
            return do()
        except LabelerError as error:
            told(error)
    return do()


def start(orders: Orders, together: Any = None) -> BaseProcess:
    """Start a driver; it waits at the barrier `together`, if there is one."""
    process = _CONTEXT.Process(target=_drive, args=(orders, together))
    process.start()
    return process


def barrier(parties: int) -> Any:
    """Make a barrier for drivers."""
    return _CONTEXT.Barrier(parties)


def _drive(orders: Orders, together: Any) -> None:
    labeler, desk = LabelStudio(**orders.params), desk_of(orders.folder)

    def told(error: LabelerError) -> None:
        with Path(orders.folder, f"{orders.name}.errors").open("a") as file:
            file.write(f"{error}\n")

    if together is not None:
        together.wait(60)
    ticket = insist(lambda: labeler.dispatch(orders.batch, desk), told)
    Path(orders.folder, f"{orders.name}.ticket").write_bytes(_TICKET.dump_json(ticket))
