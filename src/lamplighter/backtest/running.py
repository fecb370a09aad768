"""Runs of a backtest over a Dask cluster, each kept in the store as soon as it is done."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from urllib.parse import quote

import numpy as np
from pydantic import ValidationError

from lamplighter import cluster
from lamplighter.backtest.labelled import Connect
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.picking import LabelledRows, Picker, StrategyPicker, split
from lamplighter.backtest.planning import CONTROL, Item, Plan, Request, make_plan, run_seed
from lamplighter.backtest.replay import Replay, replay
from lamplighter.backtest.runs import Run, Setting
from lamplighter.config import Campaign
from lamplighter.driver import Driver
from lamplighter.errors import LabelError
from lamplighter.progress import Progress, tell
from lamplighter.store.base import ObjectStore

log = logging.getLogger("lamplighter")
#: Facts of the setting that say what is missing.
LEFT_OUT, WITHOUT_MODEL = "left out", "runs without a model"
UNIT = "runs"  #: what the progress counts
READERS = 8  #: runs read at once, since every get waits for the network


@dataclass(frozen=True, eq=False)
class Backtest:
    """A backtest that has been run.

    Attributes
    ----------
    runs
        Strategy by strategy, seeds ascending.
    new
        How many of them were made now; the others lay in the store.
    """

    plan: Plan
    runs: Sequence[Run]
    new: int

    @cached_property
    def outcome(self) -> Outcome:
        """What the runs add up to; raises LabelError if none of them got as far as a model."""
        without = [run for run in self.runs if not run.points[-1].model]
        if len(without) == len(self.runs):
            raise LabelError(
                f"no run met rows of two classes among its {self.plan.labels:,} labels, so no model was "
                "made; give more labels per run, or more labels of the rare classes"
            )
        return Outcome.of(setting(self.plan, len(without)), self.runs)


def backtest(driver: Driver, request: Request) -> Backtest:
    """Replay a campaign on labelled rows with several strategies; runs that the store has are not repeated.

    Nothing of the campaign itself is read or written but its rows. The runs of one number have the same
    split and the same start set for all strategies. A run that was begun is lost when the process dies,
    one that was finished is not.

    Time is strategies x seeds x rounds times (fit + scan of the rows + choice), divided by the workers.
    Memory of a worker is three times the labelled rows for each of its threads.

    Raises
    ------
    ConfigError, LabelError, PoolError
        Before the first run: see `make_plan`.
    StoreError, ClusterError
        Runs that are done are kept; run again.
    """
    with _one_cluster(driver) as connect:
        plan = make_plan(driver, request, connect)
        found = _finished(driver.store, plan)
        missing = [item for item in plan.items if _key(plan, item) not in found]
        driver.store.put(f"{plan.folder}/backtest.json", _described(plan))
        found.update(_made(plan, missing, connect))
    order = sorted(plan.items, key=lambda item: list(plan.pickers).index(item.strategy))
    return Backtest(plan, [found[_key(plan, item)] for item in order], len(missing))


@contextmanager
def _one_cluster(driver: Driver) -> Iterator[Connect]:
    """Give what connects to the cluster: when it is first asked, and for as long as the block lasts."""
    with ExitStack() as stack:
        client = cache(lambda: stack.enter_context(driver.cluster()))
        yield lambda: nullcontext(client())


def _made(plan: Plan, items: Sequence[Item], connect: Connect) -> Iterator[tuple[str, Run]]:
    """Make runs on the cluster and keep each; give them with their keys, in order of completion."""
    done, total = len(plan.items) - len(items), len(plan.items)
    tell(_progress(done, total))
    if not items:
        return
    with connect() as client:
        for at, run in cluster.map_each(client, _replay, items, _shared(plan)):
            key = _key(plan, items[at])
            plan.driver.store.put(key, run.model_dump_json(indent=1).encode())
            done += 1
            tell(_progress(done, total))
            log.info("%s, backtest: %s with seed %d done", plan.campaign.name, run.strategy, run.seed)
            yield key, run


def _progress(done: int, total: int) -> Progress:
    return Progress("replaying", done, total, done, total, unit=UNIT)


@dataclass(frozen=True, eq=False)
class _Shared:
    """What all runs need; sent to every worker once."""

    campaign: Campaign
    cold_start: Picker
    rows: LabelledRows
    test_share: float
    labels: int


def _shared(plan: Plan) -> _Shared:
    cold_start = StrategyPicker(plan.driver.cold_start)
    return _Shared(plan.campaign, cold_start, plan.gathered.rows, plan.request.test_share, plan.labels)


def _replay(item: Item, shared: _Shared) -> Run:
    seed = run_seed(shared.campaign, item.seed)
    pool, test = split(shared.rows, shared.test_share, seed)
    task = Replay(shared.campaign, shared.cold_start, pool, test, seed, shared.labels)
    return replay(task, item.strategy, item.picker, seed=item.seed)


def _key(plan: Plan, item: Item) -> str:
    # The name of a strategy from another package may hold anything.
    return f"{plan.folder}/{quote(item.strategy, safe='')}-{item.seed}.json"


def _finished(store: ObjectStore, plan: Plan) -> dict[str, Run]:
    """Read the runs that an earlier backtest kept; one that cannot be read is made again."""
    there = set(store.list(f"{plan.folder}/"))
    wanted = {key: item for item in plan.items if (key := _key(plan, item)) in there}
    with ThreadPoolExecutor(READERS) as readers:
        read = zip(wanted, readers.map(store.get, wanted), strict=True)
        found = {key: _parsed(key, data, wanted[key]) for key, data in read}
    return {key: run for key, run in found.items() if run is not None}


def _parsed(key: str, data: bytes, item: Item) -> Run | None:
    try:
        run = Run.model_validate_json(data)
    except ValidationError:
        run = None
    if run is None or (run.strategy, run.seed) != (item.strategy, item.seed):
        log.warning("%s in the store is no run of this backtest; it is made again", key)
        return None
    return run


def _described(plan: Plan) -> bytes:
    return json.dumps(plan.identity, indent=1, sort_keys=True).encode()


def setting(plan: Plan, without_model: int = 0) -> Setting:
    """Say what was the same for all runs."""
    campaign = plan.campaign
    pool_rows, test_rows = plan.sizes
    counts = np.bincount(plan.gathered.rows.label, minlength=len(campaign.classes))
    return Setting(
        campaign=campaign.name,
        metric=campaign.evaluation.metric,
        class_rows={name: int(n) for name, n in zip(campaign.classes, counts, strict=True)},
        pool_rows=pool_rows,
        test_rows=test_rows,
        seed_rows=campaign.batch_size,
        batch_size=campaign.batch_size,
        learner=campaign.learner.name,
        default=campaign.strategy.name,
        control=CONTROL,
        cost_per_label=plan.price,
        facts=_facts(plan, without_model),
        notices=(plan.cut,) if plan.cut else (),
    )


def _facts(plan: Plan, without_model: int) -> Mapping[str, str]:
    found = {"rows": plan.request.labels.url, "start set": f"picked by {plan.campaign.cold_start.name}"}
    if plan.gathered.notices:
        found[LEFT_OUT] = "; ".join(plan.gathered.notices)
    if without_model:
        found[WITHOUT_MODEL] = f"{without_model:,}: they met one class alone, to the end"
    return found
