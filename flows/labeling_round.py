"""The nightly flow: one round of one campaign, from wherever the ledger says it stands."""

# No `from __future__ import annotations` here: Prefect builds the parameter form from the types.
import logging
from typing import Annotated, Any

from prefect import flow, get_client, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.utilities.annotations import quote
from pydantic import Field

from lamplighter.config import ClusterConfig, load
from lamplighter.driver import Driver, open_driver
from lamplighter.errors import LamplighterError
from lamplighter.rounds import Next, RoundRecord, Step
from lamplighter.summary import summarise
from tasks.collect import collect
from tasks.commit import commit
from tasks.dispatch import dispatch
from tasks.evaluate import evaluate
from tasks.publish import publish
from tasks.retrain import retrain
from tasks.score import score
from tasks.selection import select_batch
from tasks.train import train

log = logging.getLogger("lamplighter")

# The form takes its constraints from these types, and its descriptions from the flow's docstring, which
# Prefect reads in Google style.
CampaignFile = Annotated[str, Field(min_length=1)]
SchedulerAddress = str | None
Summary = dict[str, Any]
TASKS = {
    Step.COLLECT: collect,
    Step.TRAIN: train,
    Step.EVALUATE: evaluate,
    Step.SCORE: score,
    Step.SELECT: select_batch,
    Step.DISPATCH: dispatch,
    Step.COMMIT: commit,
}


def run_name() -> str:
    """Name the flow run after the campaign and the round it is about to do."""
    path = runtime.flow_run.parameters.get("campaign", "")
    try:
        driver = open_driver(path)
        return f"{driver.campaign.name}-round-{driver.history().open.round:05d}"
    except LamplighterError:  # the flow itself meets it again, and says it
        return f"round-of-{path.rsplit('/', 1)[-1]}"


@flow(name="labeling-round", flow_run_name=run_name, persist_result=False)
def labeling_round(
    campaign: CampaignFile, cluster_address: SchedulerAddress = None
) -> Summary | State[Summary]:
    """Run one labeling round: collect, train, evaluate, score, select, dispatch, commit.

    Safe to run again after any failure: steps that were done are not repeated. A campaign that has
    stopped is left alone, and the run says so.

    Args:
        campaign: Path or URL (s3://...) of campaign.yaml, as the worker sees it.
        cluster_address: Score on this Dask cluster (tcp://host:8786), not the one in the campaign file.
    """
    driver = open_driver(campaign, cluster_at(campaign, cluster_address))
    with driver.campaign.redactor().guard():
        return _run(driver)


def _run(driver: Driver) -> Summary | State[Summary]:
    history = driver.history()
    upcoming = driver.plan(history)
    tag_run(driver, history.open.round)
    if not isinstance(upcoming, Next):
        summary = summarise(driver.campaign.name, history.records[-1], upcoming)
        return Completed(message=f"Nothing to do: {summary.stopped}", data=summary.as_dict())
    record = take_round(driver)
    return summarise(driver.campaign.name, record).as_dict()


def take_round(driver: Driver) -> RoundRecord:
    """Do step after step until the round is committed, each a task that waits for the one before."""
    before: list[State[Any]] = []
    number, step = driver.history().open.round, Step.COLLECT
    while step is not Step.COMMIT:
        step = _next_step(driver)
        # Prefect looks into inputs and results for what earlier tasks gave, down to equal small numbers,
        # and would draw that as edges: so the driver is quoted, and states are passed on without their data.
        state = _task(driver, step)(quote(driver), return_state=True, wait_for=before)
        state.result()
        before = [state.model_copy(update={"data": True})]
    publish(quote(driver), quote(number), wait_for=before)
    return driver.history().records[number - 1]


def _next_step(driver: Driver) -> Step:
    upcoming = driver.plan()
    if not isinstance(upcoming, Next):
        raise RuntimeError(f"the campaign stopped in the middle of a round: {upcoming.reason}")
    return upcoming.step


def _task(driver: Driver, step: Step) -> Any:
    if step is Step.TRAIN and any(r.train.model for r in driver.history().records):
        return retrain
    return TASKS[step]


def cluster_at(path: str, address: str | None) -> ClusterConfig | None:
    """Give the cluster at an address, with the campaign's TLS files."""
    if not address:
        return None
    named = load(path).cluster
    return ClusterConfig(address=address, tls=named.tls if named else None)


def tag_run(driver: Driver, number: int | None = None) -> None:
    """Put campaign and round, if it is of one, on the run, so that the run list can be filtered by them."""
    run_id, name = runtime.flow_run.id, driver.campaign.name
    if run_id:
        own = {f"campaign:{name}"} if number is None else {f"campaign:{name}", f"round:{number}"}
        tags = sorted({*runtime.flow_run.tags, *own})
        with get_client(sync_client=True) as client:
            client.update_flow_run(run_id, tags=tags)
