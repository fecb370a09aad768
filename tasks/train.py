"""Train as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.rounds import Step, TrainDone
from tasks.step import run_step, worth_retrying


@task(
    name="train",
    retries=1,
    retry_delay_seconds=30,
    retry_condition_fn=worth_retrying,
    timeout_seconds=14400,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def train(driver: Driver) -> TrainDone:
    """Fit the campaign's first model."""
    return run_step(driver, Step.TRAIN, TrainDone)
