"""Dispatch as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.rounds import DispatchDone, Step
from tasks.step import run_step, worth_retrying


@task(
    name="dispatch",
    retries=4,
    retry_delay_seconds=[10, 60, 300, 900],
    retry_condition_fn=worth_retrying,
    timeout_seconds=7200,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def dispatch(driver: Driver) -> DispatchDone:
    """Send the batch to the labelers; the batch's id makes a second try the same dispatch."""
    return run_step(driver, Step.DISPATCH, DispatchDone)
