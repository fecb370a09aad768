"""What commands share: their usual parameters, and how nothing secret gets out of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer

from lamplighter.driver import Driver

T = TypeVar("T")
CampaignPath = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Path or URL of campaign.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


@contextmanager
def guarded(driver: Driver) -> Iterator[None]:
    """Let no error and no log line of this command show a secret of its campaign."""
    redactor, handlers = driver.campaign.redactor(), logging.getLogger().handlers[:]
    for handler in handlers:
        handler.addFilter(redactor)
    try:
        with redactor.guard():
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(redactor)


def shown(driver: Driver, found: T) -> T:
    """Give what a command found without the secrets of its campaign: places may hold some."""
    return driver.campaign.redactor().redacted(found)
