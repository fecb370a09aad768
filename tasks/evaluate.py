"""Evaluate as a Prefect task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from lamplighter.driver import Driver
from lamplighter.rounds import EvaluateDone, Step
from tasks.step import run_step, worth_retrying


@task(
    name="evaluate",
    retries=2,
    retry_delay_seconds=[10, 60],
    retry_condition_fn=worth_retrying,
    timeout_seconds=3600,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def evaluate(driver: Driver) -> EvaluateDone:
    """Measure the model on the holdout and ask the stopping rules."""
    return run_step(driver, Step.EVALUATE, EvaluateDone)
