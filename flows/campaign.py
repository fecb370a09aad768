"""Rounds in a row until a rule stops them, for labelers that answer by themselves."""

# No `from __future__ import annotations` here: Prefect builds the parameter form from the types.
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

from prefect import flow, runtime
from pydantic import Field

from flows.labeling_round import CampaignFile, SchedulerAddress, labeling_round, tag_run
from lamplighter.config import load
from lamplighter.driver import Driver, open_driver
from lamplighter.errors import ConfigError, LamplighterError
from tasks.run_logs import logging_into_run

log = logging.getLogger("lamplighter.rounds")

MaxRounds = Annotated[int, Field(ge=1, le=10_000)]


def campaign_run_name() -> str:
    """Name the flow run after the campaign."""
    path = runtime.flow_run.parameters.get("campaign", "")
    try:
        return f"{load(path).name}-campaign"
    except LamplighterError:  # the flow itself meets it again, and says it
        return f"campaign-of-{path.rsplit('/', 1)[-1]}"


@flow(name="campaign", flow_run_name=campaign_run_name, persist_result=False)
def campaign(
    campaign: CampaignFile,
    control: str | None = None,
    cluster_address: SchedulerAddress = None,
    max_rounds: MaxRounds = 1000,
) -> list[dict[str, Any]]:
    """Run rounds until a stopping rule fires; give a summary of each.

    The labeler must answer by itself; one that waits for people is served by a nightly round.

    Args:
        campaign: Path or URL (s3://...) of campaign.yaml.
        control: Campaign to run beside it, round by round: the same one with the random strategy.
        cluster_address: Score on this Dask cluster (tcp://host:8786), not the one in the campaign file.
        max_rounds: Rounds at most in this run.
    """
    driver = open_driver(campaign)
    if not driver.labeler.answers_by_itself:
        raise ConfigError(
            f"labeler '{driver.campaign.labeler.name}' waits for people, so rounds in a row would only pile "
            "up work; run one a night instead: lamplighter round, or the deployment labeling-round/nightly"
        )
    with driver.campaign.redactor().guard(), shared_cluster(driver, cluster_address) as address:
        tag_run(driver, driver.history().open.round)
        return list(rounds_in_a_row(campaign, control, address, max_rounds))


def rounds_in_a_row(
    path: str, control: str | None, address: str | None, most: int
) -> Iterator[dict[str, Any]]:
    """Run rounds, each followed by one of the control, until the campaign itself stops."""
    for _ in range(most):
        summary = cast(dict[str, Any], labeling_round(path, address))
        yield summary
        stopped = bool(summary["stopped"])
        beside = labeling_round(control, address) if control and not stopped else None
        say_round(path, summary, cast(dict[str, Any] | None, beside))
        if stopped:
            return


def say_round(path: str, summary: dict[str, Any], beside: dict[str, Any] | None) -> None:
    """Write a line about a round, and the control's, into the run's log."""
    told = (
        f"round {summary['round']}: {summary['labels']:,} labels, {summary['campaign']} {_measured(summary)}"
    )
    told += f", {beside['campaign']} {_measured(beside)}" if beside else ""
    with logging_into_run(open_driver(path)):
        log.info(told)


def _measured(summary: dict[str, Any]) -> str:
    """Give the metric with its interval, or say that there is no model yet."""
    value, low, high = (summary[name] for name in ("metric", "low", "high"))
    return "no model yet" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


@contextmanager
def shared_cluster(driver: Driver, address: str | None) -> Iterator[str | None]:
    """Keep one cluster up for all rounds, unless one is up already."""
    config = driver.campaign.cluster
    if address or (config and config.address):
        yield address
        return
    with driver.cluster() as client:
        yield client.scheduler.address
