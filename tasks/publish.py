"""Publish as a Prefect task: the report, and the run's artifacts."""

import re

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from lamplighter.driver import Driver
from lamplighter.label_quality import FELL, falls
from lamplighter.reporting import Publication, publish_report
from lamplighter.rounds import History, OpenRound, RoundRecord
from lamplighter.standing import Standing
from tasks.run_logs import logging_into_run


@task(name="publish", retries=1, retry_delay_seconds=10, timeout_seconds=1800, cache_policy=NO_CACHE)
def publish(driver: Driver, number: int) -> str:
    """Write the round's report to the store and show its essence in the run; give the report's place.

    The round is committed before: a report that fails can be written again at any time. Events come
    first, so that nobody misses one for a report that fails.
    """
    with logging_into_run(driver), driver.campaign.redactor().guard():
        _tell_of_falls(driver, number)
        published = publish_report(driver, number)
    _show(driver, driver.history().records[number - 1], published)
    return published.url


def _show(driver: Driver, record: RoundRecord, published: Publication) -> None:
    name, number = artifact_key(driver.campaign.name), record.round
    create_markdown_artifact(_curve(driver, record, published), key=f"{name}-learning-curve")
    if published.top_rows:
        create_table_artifact(
            published.top_rows,
            key=f"{name}-batch",
            description=f"Round {number}: the rows asked for first, with the reason why",
        )
    _show_quality(driver, number, published)
    link = driver.campaign.redactor().redact(published.link)
    create_link_artifact(link, key=f"{name}-report", description=f"Report of round {number}")


def _show_quality(driver: Driver, number: int, published: Publication) -> None:
    name, redactor = artifact_key(driver.campaign.name), driver.campaign.redactor()
    if published.quality:
        create_markdown_artifact(redactor.redact(published.quality), key=f"{name}-label-quality")
    if published.annotators:
        create_table_artifact(
            published.annotators,
            key=f"{name}-annotators",
            description=f"Round {number}: how good each annotator is, the worst first",
        )


def _tell_of_falls(driver: Driver, number: int) -> None:
    """Send an event for each measure that fell below its bound in this round."""
    records = driver.history().records[:number]
    for fall in falls(Standing(driver, History(records, OpenRound(number + 1))), number):
        emit_event(FELL, fall.resource, payload=fall.payload, id=fall.event_id)


def _curve(driver: Driver, record: RoundRecord, published: Publication) -> str:
    image = f"![learning curve]({published.curve})" if published.curve else "No model yet."
    stop = f"\n\n**Stopped.** {record.stop.reason}" if record.stop else ""
    return f"## {driver.campaign.name}, round {record.round}\n\n{published.headline}{stop}\n\n{image}"


def artifact_key(name: str) -> str:
    """Give a campaign's name in the alphabet of artifact keys: lower case, digits, dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
