"""The commands and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from lamplighter.checking import check as check_campaign
from lamplighter.cli import show
from lamplighter.cli.backtest_command import backtest
from lamplighter.cli.bars import progress_bar
from lamplighter.cli.flow_commands import run_rounds
from lamplighter.cli.hooks_command import hooks
from lamplighter.cli.parameters import CampaignPath, Json, guarded, shown
from lamplighter.cli.starter import write_starter
from lamplighter.config import PoolConfig, load
from lamplighter.driver import Driver, open_driver
from lamplighter.explaining import explain as explain_row
from lamplighter.pool import compact as compact_pool
from lamplighter.reporting import publish_report
from lamplighter.status import status as campaign_status

app = typer.Typer(
    name="lamplighter",
    help="Nightly labeling rounds over pools that are too big to label.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
pool_app = typer.Typer(help="Work on pools.", no_args_is_help=True)
app.add_typer(pool_app, name="pool")


@app.command()
def init(folder: Annotated[str, typer.Argument(help="Folder to write campaign.yaml into.")]) -> None:
    """Write a commented campaign.yaml to start from."""
    written = write_starter(folder)
    show.say(f"wrote {written}; fill it in, then: lamplighter check {written}")


@app.command()
def check(
    campaign: CampaignPath,
    json: Json = False,
    ids: Annotated[bool, typer.Option(help="Look at every id of the pool for duplicates.")] = True,
) -> None:
    """Validate a campaign against its pool and store, and say what a round would do."""
    driver = Driver(load(campaign))
    with guarded(driver), progress_bar(quiet=json):
        found = shown(driver, check_campaign(driver, ids=ids))
    show.document(found) if json else show.check(found)


@app.command(name="round")
def one_round(campaign: CampaignPath, json: Json = False) -> None:
    """Run one round now, or finish the one that was interrupted."""
    with guarded(Driver(load(campaign))), progress_bar(quiet=json):
        summaries = run_rounds("flows.labeling_round", "labeling_round", campaign=campaign)
    raise typer.Exit(show.rounds(summaries, json))


@app.command()
def run(
    campaign: CampaignPath,
    json: Json = False,
    control: Annotated[
        str | None, typer.Option(help="Campaign file of a control to run beside it, round by round.")
    ] = None,
    max_rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Rounds at most in this run.")] = 1000,
) -> None:
    """Run rounds until a stopping rule fires, for labelers that answer by themselves."""
    with guarded(Driver(load(campaign))), progress_bar(quiet=json):
        summaries = run_rounds(
            "flows.campaign", "campaign", campaign=campaign, control=control, max_rounds=max_rounds
        )
    raise typer.Exit(show.rounds(summaries, json))


@app.command()
def status(campaign: CampaignPath, json: Json = False) -> None:
    """Show rounds, label counts, metric, budget and what waits at the labelers."""
    driver = open_driver(campaign)
    with guarded(driver):
        found = shown(driver, campaign_status(driver))
    show.document(found) if json else show.status(found)


@app.command()
def explain(
    campaign: CampaignPath,
    row_id: Annotated[str, typer.Argument(metavar="ROW_ID", help="Id of a row of the pool.")],
    json: Json = False,
) -> None:
    """Show why a row was picked, and every annotation of it."""
    driver = open_driver(campaign)
    with guarded(driver):
        found = shown(driver, explain_row(driver, row_id))
    show.document(found) if json else show.explanation(found)


@app.command()
def report(
    campaign: CampaignPath,
    number: Annotated[
        int | None, typer.Option("--round", min=1, help="Round to report on; the newest by default.")
    ] = None,
) -> None:
    """Write the HTML report of a round and name it."""
    driver = open_driver(campaign)
    with guarded(driver):
        published = publish_report(driver, number)
    show.plain(shown(driver, published.url))


app.command()(backtest)
app.command()(hooks)


@pool_app.command()
def compact(  # noqa: PLR0917 - typer makes options of most of them
    source: Annotated[str, typer.Argument(metavar="SRC", help="Folder or s3:// prefix of the pool.")],
    destination: Annotated[str, typer.Argument(metavar="DST", help="Where to write; must be empty.")],
    features: Annotated[list[str], typer.Option(help="Embedding column, or several numeric columns.")],
    id_column: Annotated[str, typer.Option("--id", help="Id column.")] = "id",
    display: Annotated[list[str] | None, typer.Option(help="Column to carry along; may be repeated.")] = None,
    half: Annotated[bool, typer.Option("--float16", help="Store vectors as float16.")] = False,
) -> None:
    """Rewrite a pool in the layout that is scored fastest."""
    config = PoolConfig(
        url=source,
        id=id_column,
        features=features[0] if len(features) == 1 else tuple(features),
        display=tuple(display or ()),
    )
    with progress_bar(quiet=False):
        written = compact_pool(config, destination, float16=half)
    show.say(
        f"wrote {written.rows:,} rows in {len(written.files)} files to {destination}; "
        f"in the campaign's pool: features: {written.features[0]}"
    )
