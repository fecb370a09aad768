"""Select as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.rounds import SelectDone, Step
from tasks.step import run_step, worth_retrying


@task(
    name="select",
    retries=2,
    retry_delay_seconds=[10, 60],
    retry_condition_fn=worth_retrying,
    timeout_seconds=7200,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def select_batch(driver: Driver) -> SelectDone:
    """Choose the batch from the shortlist."""
    return run_step(driver, Step.SELECT, SelectDone)
