"""Which strategy on one's own data: replays of a campaign on rows that are labelled already."""

# No `from __future__ import annotations` here: Prefect builds the parameter form from the types.
from typing import Annotated, Any

from prefect import flow, runtime
from prefect.utilities.annotations import quote
from pydantic import Field

from flows.labeling_round import CampaignFile, SchedulerAddress, cluster_at, tag_run
from lamplighter.backtest.labelled import LabelSource
from lamplighter.backtest.planning import Request
from lamplighter.config import load
from lamplighter.driver import Driver
from lamplighter.errors import LamplighterError
from tasks.backtest import backtest as run_backtest

LabelsFile = Annotated[str, Field(min_length=1)]
Seeds = Annotated[int, Field(ge=1, le=10_000)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Column = Annotated[str, Field(min_length=1)]


def backtest_run_name() -> str:
    """Name the flow run after the campaign."""
    path = runtime.flow_run.parameters.get("campaign", "")
    try:
        return f"{load(path).name}-backtest"
    except LamplighterError:  # the flow itself meets it again, and says it
        return f"backtest-of-{path.rsplit('/', 1)[-1]}"


@flow(name="backtest", flow_run_name=backtest_run_name, persist_result=False)
def backtest(  # noqa: PLR0913, PLR0917 - the form asks for each
    campaign: CampaignFile,
    labels: LabelsFile,
    strategies: list[str] | None = None,
    seeds: Seeds = 20,
    labels_per_run: Positive | None = None,
    rounds: Positive | None = None,
    test_share: Share = 0.3,
    id_column: Column = "id",
    label_column: Column = "label",
    cluster_address: SchedulerAddress = None,
) -> dict[str, Any]:
    """Replay a campaign on labelled rows with several strategies, and say which one to use.

    Runs that are done stay in the campaign's store: a run of this flow that failed is simply started again,
    and one with more seeds or strategies makes the new runs alone. The campaign itself is not touched.

    Args:
        campaign: Path or URL (s3://...) of campaign.yaml, as the worker sees it.
        labels: Parquet file, folder or URL with the ids and the true classes of some rows.
        strategies: Registered names; the campaign's own, margin and badge by default. random is always added.
        seeds: Runs of each strategy, each on a split and a start set of its own.
        labels_per_run: Labels with which a run ends; 20 batches, or half of the rows, by default.
        rounds: The same in batches; give one of the two.
        test_share: Share of the labelled rows that models are measured on.
        id_column: Column of row ids in the labels.
        label_column: Column of classes in the labels.
        cluster_address: Run on this Dask cluster (tcp://host:8786), not the one in the campaign file.
    """
    driver = Driver(load(campaign), cluster_at(campaign, cluster_address))
    with driver.campaign.redactor().guard():
        tag_run(driver)
        request = Request(
            labels=LabelSource(labels, id_column, label_column),
            strategies=tuple(strategies or ()),
            seeds=seeds,
            labels_per_run=labels_per_run,
            rounds=rounds,
            test_share=test_share,
        )
        # Quoted: Prefect would look into them for what earlier tasks gave.
        return run_backtest(quote(driver), quote(request), return_state=False)
