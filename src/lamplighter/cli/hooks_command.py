"""`lamplighter hooks`: the receiver of webhooks. Optional: the nightly round collects without it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from lamplighter.announcing import check_tells
from lamplighter.cli.flow_commands import flow
from lamplighter.cli.parameters import CampaignPath, guarded
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.hook_registration import Callback, check_registers
from lamplighter.hooks import SECRET, Pace, secret_in
from lamplighter.redaction import Redactor


def hooks(  # noqa: PLR0917 - typer makes options of them
    campaign: CampaignPath,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 4300,
    register: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Have Label Studio call this address, the receiver's as its server sees it.",
        ),
    ] = None,
    secret: Annotated[
        str, typer.Option("--secret-env", help="Environment variable that holds the shared secret.")
    ] = SECRET,
    worker_file: Annotated[
        str | None,
        typer.Option("--as", help="Path or URL of the campaign file as the Prefect worker sees it."),
    ] = None,
    deployment: Annotated[
        str, typer.Option(help="FLOW/NAME of the deployment that the automation starts.")
    ] = "labeling-round/nightly",
    every: Annotated[
        float, typer.Option(min=0.1, max=1440, help="Minutes between looks without a webhook.")
    ] = 15.0,
) -> None:
    """Receive webhooks of the labeler, and tell Prefect when a batch is fully labelled."""
    driver, known = Driver(load(campaign)), secret_in(secret)
    hide(secret)
    with guarded(driver):
        check_tells(driver)
        if register:
            check_registers(driver)
        watch = flow("flows.hooks", "Watch")(
            file=campaign,
            worker_file=worker_file or absolute(campaign),
            callback=Callback(register, known) if register else None,
            deployment=deployment,
            pace=Pace(every=every * 60),
        )
        flow("flows.hooks", "serve")(watch, known, host=host, port=port)


def hide(variable: str) -> None:
    """Blot the secret out of every line, whoever writes it."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(Redactor({variable}))


def absolute(campaign: str) -> str:
    """Give a local path from the root: the worker has another folder to start from."""
    return campaign if "://" in campaign else str(Path(campaign).resolve())
