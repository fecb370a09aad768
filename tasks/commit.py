"""Commit as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.rounds import RoundRecord, Step
from tasks.step import run_step, worth_retrying


@task(
    name="commit",
    retries=3,
    retry_delay_seconds=[5, 30, 120],
    retry_condition_fn=worth_retrying,
    timeout_seconds=900,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def commit(driver: Driver) -> RoundRecord:
    """Append the round to the ledger."""
    return run_step(driver, Step.COMMIT, RoundRecord)
