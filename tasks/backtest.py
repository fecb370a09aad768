"""Backtest as a Prefect task: the runs with their progress, then the outcome as artifacts of the run."""

from typing import Any
from uuid import UUID

from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from prefect.cache_policies import NO_CACHE

from lamplighter.backtest.pictures import learning_curves
from lamplighter.backtest.planning import Request
from lamplighter.backtest.publishing import Published, publish, strategy_table
from lamplighter.backtest.running import UNIT, Backtest
from lamplighter.backtest.running import backtest as run_backtest
from lamplighter.backtest.summary import markdown
from lamplighter.driver import Driver
from lamplighter.progress import Progress, listening
from lamplighter.report.plots import png_data_uri
from tasks.publish import artifact_key
from tasks.run_logs import logging_into_run
from tasks.score import ProgressArtifact
from tasks.step import worth_retrying


class RunsArtifact(ProgressArtifact):
    """Shows the progress of the runs, and not that of looking rows up before them."""

    def __call__(self, progress: Progress) -> None:
        """Show it, if runs are counted."""
        if progress.unit == UNIT:
            super().__call__(progress)


@task(
    name="backtest",
    retries=2,
    retry_delay_seconds=[30, 300],
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def backtest(driver: Driver, request: Request) -> dict[str, Any]:
    """Make the runs that the store does not have; give what they add up to, in short.

    One task for all runs, as for the scan: they are spread by Dask, and kept in the store one by one, so
    that another try goes on where this one ended.
    """
    name = driver.campaign.name
    artifact = create_progress_artifact(0.0, description=f"Runs of the backtest of {name}")
    if not isinstance(artifact, UUID):
        raise TypeError(f"expected the id of a progress artifact, got {artifact!r}")
    redactor = driver.campaign.redactor()
    with logging_into_run(driver), redactor.guard(), listening(RunsArtifact(artifact)):
        done = run_backtest(driver, request)
        published = publish(done)
        _show(driver, done, published)
    advice = published.summary["recommendation"]
    told = {"campaign": name, "use": advice["strategy"], "recommendation": advice["sentence"]}
    places = {"runs": published.summary["runs"], "report": published.report, "points": published.points}
    return redactor.redacted({**told, **places})


def _show(driver: Driver, done: Backtest, published: Published) -> None:
    name, redactor, outcome = artifact_key(driver.campaign.name), driver.campaign.redactor(), done.outcome
    curves = f"![learning curves]({png_data_uri(learning_curves(outcome))})"
    create_markdown_artifact(
        redactor.redact(f"## {driver.campaign.name}, backtest\n\n{markdown(outcome)}\n\n") + curves,
        key=f"{name}-backtest",
    )
    create_table_artifact(
        redactor.redacted(strategy_table(outcome)),
        key=f"{name}-backtest-strategies",
        description="Strategies of the backtest, the best first",
    )
    link = redactor.redact(published.link)
    create_link_artifact(link, key=f"{name}-backtest-report", description="Report of the backtest")
