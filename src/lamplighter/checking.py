"""What `lamplighter check` finds out: whether a campaign can run, and what a round would do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from lamplighter import cluster, learner, tables
from lamplighter.arrays import F32
from lamplighter.changes import check_unchanged
from lamplighter.composing import described, empty_shares
from lamplighter.driver import CAMPAIGN_KEY, Driver
from lamplighter.errors import ConfigError, DuplicateRowIds
from lamplighter.gold import check_gold
from lamplighter.labelers.base import BatchRow
from lamplighter.pool import Pool, find_duplicates, take_manifest
from lamplighter.rounds import CollectDone, Next
from lamplighter.standing import Standing
from lamplighter.steps.collect import check_holdout
from lamplighter.steps.evaluate import test_rows
from lamplighter.store import honours_create
from lamplighter.strategies.base import Output

#: Rows on which the scoring time is estimated, and rows a stand-in model is fitted on.
TIMED_ROWS = 100_000
STAND_IN_ROWS = 2_000
REHEARSED = 20  #: rows that the labeler is tried with
HASHES_AT_ONCE = 512 * 2**20  #: bytes of id hashes held while looking for duplicates


def check(driver: Driver, *, ids: bool = True) -> dict[str, Any]:
    """Validate a campaign without changing anything in its ledger; JSON-ready.

    Parameters
    ----------
    ids
        Whether to read every id of the pool and look for duplicates.

    Raises
    ------
    ConfigError, PoolError, StoreError
        The first thing that keeps a round from running.
    """
    _parts(driver)
    standing = Standing(driver, driver.history())
    _compare(driver, standing)
    pool = Pool(driver.pool_config, take_manifest(driver.pool_config, previous=standing.manifest))
    check_holdout(replace(standing, taken=pool.manifest))
    check_gold(driver.gold, pool.manifest)
    _rehearse(standing, pool)
    if driver.campaign.evaluation.test_set:
        test_rows(standing)
    warnings = _warnings(driver, pool)
    conditional = honours_create(driver.store)
    if not conditional:
        warnings.append("the store does not honour conditional puts: two drivers could commit one round")
    if ids:
        _no_duplicates(driver, pool)
    return {
        "campaign": driver.campaign.name,
        "pool": _pool(pool, ids),
        "round": _round(driver, standing, pool),
        "store": {"url": driver.store.url, "conditional puts": conditional, **_labels(standing)},
        "warnings": warnings,
    }


def _parts(driver: Driver) -> None:
    _ = driver.labeler, driver.rules
    learner.check_learner(driver.campaign.learner)
    driver.check_needs()
    _ = driver.gold


def _compare(driver: Driver, standing: Standing) -> None:
    if not standing.history.records and not standing.history.open.steps:
        return  # nothing rests on the campaign yet
    check_unchanged(driver.store.get(CAMPAIGN_KEY), driver.campaign)


def _rehearse(standing: Standing, pool: Pool) -> None:
    """Let the labeler say whether it could ask about the first rows of the pool."""
    driver, columns = standing.driver, pool.config.display
    blocks = (block for shard in pool.shards() for block in pool.read(shard, features=False, extra=columns))
    block, classes = next(blocks), driver.campaign.classes
    ids = block.ids.slice(0, REHEARSED).to_pylist()
    shown = block.extra.slice(0, REHEARSED).to_pylist() if columns else [{} for _ in ids]
    rows = [
        BatchRow(row_id, "batch", rank, display=display)
        for rank, (row_id, display) in enumerate(zip(ids, shown, strict=True))
    ]
    if standing.history.records:  # there is a model by now, or soon, and rows have its guess
        proba = (1.0, *[0.0] * (len(classes) - 1))
        rows = [replace(row, predicted=classes[0], proba=proba) for row in rows]
    driver.labeler.rehearse(rows, driver.desk(pool.manifest.id_kind == "int64"))


def _pool(pool: Pool, ids: bool) -> dict[str, Any]:
    manifest, shards = pool.manifest, pool.shards()
    return {
        "url": pool.config.url,
        "files": len(manifest.files),
        "bytes": sum(f.size for f in manifest.files),
        "rows": manifest.rows,
        "dims": manifest.dim,
        "layout": str(manifest.layout.value),
        "ids": manifest.id_kind,
        "duplicate ids": "none" if ids else "not looked for",
        "shards": len(shards),
    }


def _labels(standing: Standing) -> dict[str, Any]:
    collected = standing.steps(CollectDone)
    newest = collected[-1] if collected else None
    return {
        "rounds": len(standing.history.records),
        "labels there": newest.annotations_total if newest else 0,
        "training rows": newest.labelled_rows if newest else 0,
        "holdout rows": newest.labelled_holdout if newest else 0,
    }


def _round(driver: Driver, standing: Standing, pool: Pool) -> dict[str, Any]:
    campaign, upcoming = driver.campaign, driver.plan(standing.history)
    if not isinstance(upcoming, Next):
        return {"next": f"nothing: stopped by {upcoming.rule}, {upcoming.reason}"}
    rate, workers = _rate(driver, pool), _workers(driver)
    return {
        "next": f"round {upcoming.round}, {upcoming.step}",
        "classes": len(campaign.classes),
        "strategy": described(campaign) if standing.history.records else campaign.cold_start.name,
        "batch": campaign.batch_size,
        "holdout": _holdout_size(driver, pool),
        "rows per second and core": round(rate),
        "workers": workers or "as the cluster has",
        "estimated scoring seconds": round(pool.manifest.rows / rate / (workers or 1), 1),
    }


def _holdout_size(driver: Driver, pool: Pool) -> int:
    size = driver.campaign.evaluation.holdout
    if size is None:
        return 0
    return round(size * pool.manifest.rows) if isinstance(size, float) else size


def _workers(driver: Driver) -> int | None:
    config = driver.cluster_override or driver.campaign.cluster
    if config is None:
        return os.cpu_count() or 1
    return config.workers


def _rate(driver: Driver, pool: Pool) -> float:
    """Time reading and scoring one stretch of the pool with a stand-in model of the same kind."""
    started, rows, parts = time.process_time(), 0, []
    for block in _blocks(pool):
        parts.append(block)
        rows += len(block)
        if rows >= TIMED_ROWS:
            break
    read_s = time.process_time() - started
    x = np.concatenate(parts)[:TIMED_ROWS]
    x = x[np.isfinite(x).all(axis=1)]
    if not len(x):
        raise ConfigError("none of the first rows of the pool has finite features; there is nothing to score")
    return 1 / max(read_s / rows + _scoring_s(driver, x), 1e-9)


def _blocks(pool: Pool) -> Iterator[F32]:
    for shard in pool.shards():
        for block in pool.read(shard):
            if block.features is not None and len(block.features):
                yield block.features


def _scoring_s(driver: Driver, x: F32) -> float:
    """Give CPU seconds per row of scoring."""
    campaign = driver.campaign
    fitted = x[:STAND_IN_ROWS]
    if len(fitted) < len(campaign.classes):
        return 0.0
    labels = (np.arange(len(fitted)) % len(campaign.classes)).astype(np.int32)
    quick = campaign.learner.model_copy(update={"calibrate": False})
    model = learner.fit(quick, fitted, labels, campaign.classes, seed=campaign.seed, round=0)
    scorer, started = model.scorer(), time.process_time()
    for _ in scorer.tiles(x, frozenset({Output.PROBA})):
        pass
    return (time.process_time() - started) / len(x)


def _no_duplicates(driver: Driver, pool: Pool) -> None:
    with driver.cluster() as client:

        def over_shards(function: Callable[..., Any], shards: Any, *arguments: Any) -> Iterator[Any]:
            return cluster.map_shards(client, function, shards, *arguments)

        found = find_duplicates(pool, over_shards, HASHES_AT_ONCE)
    if found.count:
        shown = ", ".join(map(str, tables.as_ids(found.ids).to_pylist()[:10]))
        raise DuplicateRowIds(
            f"{found.count:,} ids of the pool stand on several rows, for instance {shown}; ids in column "
            f"'{pool.config.id}' must be unique: give each row its own"
        )


def _warnings(driver: Driver, pool: Pool) -> list[str]:
    rows, holdout, campaign = pool.manifest.rows, _holdout_size(driver, pool), driver.campaign
    found = []
    if holdout > rows // 2:
        found.append(
            f"the holdout takes {holdout:,} of the pool's {rows:,} rows; little is left to select from"
        )
    if 0 < holdout < 100:
        found.append(f"a holdout of {holdout} rows gives wide intervals; 1,000 or more is usual")
    if campaign.budget.labels is not None and holdout >= campaign.budget.labels:
        found.append("the holdout alone uses up the budget of labels")
    if campaign.batch_size > rows - holdout:
        found.append("one batch takes the whole pool")
    found += [
        f"a share of {share:g} by {name} is no row of a batch of {campaign.batch_size}; raise either"
        for name, share in empty_shares(campaign)
    ]
    return found
