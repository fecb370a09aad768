"""A driver: one process at work on one campaign. It holds no state; the ledger does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from lamplighter import cluster, redaction
from lamplighter.changes import check_unchanged
from lamplighter.composing import compose, compose_cold_start, named
from lamplighter.config import (
    BudgetConfig,
    Campaign,
    ClusterConfig,
    PoolConfig,
    Section,
    load,
)
from lamplighter.errors import CampaignChanged, KeyExists, KeyMissing
from lamplighter.evaluation import higher_is_better
from lamplighter.expense import Expense
from lamplighter.gold import Gold, read_gold
from lamplighter.labelers import LABELERS
from lamplighter.labelers.base import Desk, Labeler
from lamplighter.needs import check_needs, check_repeats, check_waiting
from lamplighter.pool import Manifest, take_manifest
from lamplighter.rounds import History, Next, Step, plan
from lamplighter.same_metric import in_metric
from lamplighter.stopping import STOPPING
from lamplighter.stopping.base import Stop, StoppingRule
from lamplighter.stopping.budget import whole_labels
from lamplighter.store import open_store
from lamplighter.store.base import ObjectStore
from lamplighter.store.log import RoundLog, writer_token
from lamplighter.strategies.base import Strategy, Workers

P = TypeVar("P", bound=Section)
T = TypeVar("T")
R = TypeVar("R")
CAMPAIGN_KEY = "campaign.json"
log = logging.getLogger("lamplighter")


@dataclass(frozen=True)
class Driver:
    """A campaign with its store opened, and everything named in its file built.

    Attributes
    ----------
    campaign
        As read from the file, `${NAME}` unresolved.
    cluster_override
        A cluster that is already up, instead of the one in the campaign file.
    store_override
        An opened store instead of the one in the campaign file; the fault tests wrap it.
    """

    campaign: Campaign
    cluster_override: ClusterConfig | None = None
    store_override: ObjectStore | None = None

    @cached_property
    def store(self) -> ObjectStore:
        """The campaign's object store."""
        if self.store_override is not None:
            return self.store_override
        return open_store(redaction.resolve(self.campaign.store, "store"))

    @cached_property
    def ledger(self) -> RoundLog:
        """The rounds in the store."""
        return RoundLog(self.store)

    @cached_property
    def read_before(self) -> dict[str, Any]:
        """Tables and metrics of the ledger by digest, which every step adds up or compares again."""
        return {}

    @cached_property
    def pool_config(self) -> PoolConfig:
        """The pool, secrets resolved."""
        return resolved(self.campaign.pool)

    @cached_property
    def labeler(self) -> Labeler:
        """The campaign's labeler."""
        part = self.campaign.labeler
        return LABELERS.build(part.name, redaction.resolve(part.params, "labeler.params"))

    @property
    def expense(self) -> Expense:
        """What a batch costs, with overlap, its share of gold rows, and audits."""
        return Expense.of(self.campaign.quality, self.labeler.answers_per_row, self.labeler.audit_share)

    @cached_property
    def gold(self) -> Gold | None:
        """The campaign's gold rows."""
        quality = self.campaign.quality
        if quality is None or quality.gold is None:
            return None
        return read_gold(resolved(quality.gold), self.pool_config, self.campaign.classes)

    @cached_property
    def strategy(self) -> Strategy:
        """The campaign's strategy, with what the campaign puts around it."""
        return compose(self.campaign)

    @cached_property
    def cold_start(self) -> Strategy:
        """The strategy used as long as there is no model."""
        return compose_cold_start(self.campaign)

    @cached_property
    def rules(self) -> tuple[StoppingRule, ...]:
        """The campaign's stopping rules, then those that always hold: the budget, nothing left."""
        named = [STOPPING.build(r.name, self._rule_params(r.name, r.params)) for r in self.campaign.stopping]
        budget = self.campaign.budget.model_dump(exclude_none=True)
        if budget.keys() - {"cost_per_label"}:
            named.append(STOPPING.build("budget", budget | {"per_row": self.expense.at_most(1)}))
        return (*named, STOPPING.build("exhausted"))

    def _rule_params(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        if name not in ("target", "diminishing_returns"):
            return params
        return {"higher_is_better": higher_is_better(self.campaign.evaluation.metric), **params}

    def desk(self, integer_ids: bool) -> Desk:
        """Give what the labeler may use."""
        return Desk(self.store, self.campaign.name, self.campaign.classes, integer_ids)

    @contextmanager
    def cluster(self) -> Iterator[Any]:
        """Connect to the Dask cluster for as long as the block lasts; its workers' log records come here."""
        config = self.cluster_override or self.campaign.cluster
        with cluster.connect(resolved(config) if config else None) as client:
            cluster.forward_logs(client)
            yield client

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """Give what runs one function over many inputs; it connects to the cluster when first asked."""
        with ExitStack() as stack:
            clients: list[Any] = []

            def run(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
                if not clients:
                    clients.append(stack.enter_context(self.cluster()))
                return cluster.map_items(clients[0], function, items)

            yield run

    def open(self) -> Driver:
        """Check every part that needs no data, then freeze the campaign in the store, or compare.

        Raises
        ------
        CampaignChanged
            The file was edited in a way that would falsify the rounds in the store.
        """
        _ = self.labeler, self.rules
        self.check_needs()
        try:
            self._compare()
        except KeyMissing:
            self._freeze()
        except CampaignChanged:
            if self._begun():
                raise
            self.store.put(CAMPAIGN_KEY, self.campaign.frozen())  # nothing rests on it yet
        return self

    def check_needs(self) -> None:
        """Raise ConfigError unless the campaign has what its strategies read."""
        _ = self.strategy, self.cold_start
        check_waiting(self.campaign, self.labeler)
        check_repeats(self.campaign, self.labeler)
        check_needs(self.campaign, named(self.campaign))

    def _compare(self) -> None:
        check_unchanged(self.store.get(CAMPAIGN_KEY), self.campaign)

    def _freeze(self) -> None:
        try:
            self.store.create(CAMPAIGN_KEY, self.campaign.frozen())
        except KeyExists:  # another driver was first
            self._compare()

    def _begun(self) -> bool:
        history = self.history()
        return bool(history.records or history.open.steps)

    def history(self) -> History:
        """Read the ledger; what committed rounds measured is given in the campaign's metric of today."""
        history, metric = self.ledger.history(), self.campaign.evaluation.metric
        return replace(history, records=in_metric(metric, history.records, self.ledger, self.read_before))

    def plan(self, history: History | None = None) -> Next | Stop:
        """Give the next step, or why there is none."""
        history = history or self.history()
        upcoming = plan(history, self.rules)
        if isinstance(upcoming, Stop) and upcoming.rule == "exhausted" and self._pool_grew(history):
            return Next(history.open.round, Step.COLLECT)
        return upcoming

    def _pool_grew(self, history: History) -> bool:
        """Look for new rows: a pool that was used up may have got files since."""
        known = history.records[-1].collect
        earlier = Manifest.from_bytes(self.ledger.read(known.manifest))
        return take_manifest(self.pool_config, previous=earlier).rows > known.pool_rows


def affordable_labels(budget: BudgetConfig) -> int | None:
    """Give how many labels a budget pays for in all, None without a limit."""
    limits = [] if budget.labels is None else [budget.labels]
    if budget.cost is not None and budget.cost_per_label is not None:
        limits.append(whole_labels(budget.cost, budget.cost_per_label))
    return min(limits, default=None)


def resolved(section: P) -> P:
    """Give a part of the campaign with its `${NAME}` resolved."""
    return type(section).model_validate(redaction.resolve(section.model_dump()))


def open_driver(path: str, cluster_override: ClusterConfig | None = None) -> Driver:
    """Read a campaign file and open its driver; raises ConfigError, StoreError, neither with a secret."""
    campaign = load(path)
    with campaign.redactor().guard():
        return Driver(campaign, cluster_override).open()


def stamp(number: int, started: datetime) -> dict[str, Any]:
    """Give the fields that every checkpoint shares."""
    return {
        "round": number,
        "writer": writer_token(),
        "started_at": started,
        "finished_at": datetime.now(UTC),
    }
