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
def commit(driver: Driver) -> int:
    """Append the round to the ledger; give its number."""
    # Not the record: it holds what the other tasks gave, and the graph would join them all to this one.
    return run_step(driver, Step.COMMIT, RoundRecord).round
