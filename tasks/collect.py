"""Collect as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.rounds import CollectDone, Step
from tasks.step import run_step, worth_retrying


@task(
    name="collect",
    retries=3,
    retry_delay_seconds=[10, 60, 300],
    retry_condition_fn=worth_retrying,
    timeout_seconds=3600,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def collect(driver: Driver) -> CollectDone:
    """Take in the labels that came back, and fix the pool for the round."""
    return run_step(driver, Step.COLLECT, CollectDone)
