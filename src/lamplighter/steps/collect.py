"""Collect: fix the pool for the round and take in the labels that came back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from lamplighter import annotations as annotation_table
from lamplighter import cluster, redaction, tables
from lamplighter.arrays import RowIds
from lamplighter.driver import stamp
from lamplighter.errors import ConfigError, KeyExists, LamplighterError
from lamplighter.gold import check_gold
from lamplighter.labelers import LABELERS
from lamplighter.labelers.asking import Unheard
from lamplighter.labelers.base import Annotation, Collected, Cursor, Problem, Status, Ticket
from lamplighter.pool import Manifest, Pool, find_ids, shards_that_may_hold, take_manifest
from lamplighter.rounds import Artifact, CollectDone, DispatchDone
from lamplighter.standing import Standing
from lamplighter.steps.judge import judge

log = logging.getLogger("lamplighter")
SHOWN_PROBLEMS = 20


def collect(standing: Standing) -> CollectDone:
    """Take the manifest and the new annotations; find the features of labels nobody was asked for."""
    started, driver, number = datetime.now(UTC), standing.driver, standing.number
    manifest = take_manifest(driver.pool_config, previous=standing.manifest)
    standing = replace(standing, taken=manifest, began=started)
    check_holdout(standing)
    check_gold(driver.gold, manifest)
    stored = driver.ledger.write(number, "manifest", "json", manifest.to_bytes())
    driver.ledger.write(number, "campaign", "json", driver.campaign.frozen())
    taken = _take(standing, manifest)
    foreign = _find_foreign(replace(standing, fresh=taken.table), manifest)
    features = _keep_features(standing, foreign.table)
    standing = replace(standing, fresh=taken.table, fresh_features=foreign.table)
    judged = judge(standing)
    return CollectDone(
        **_sums(replace(standing, judged=judged.labels)),
        consensus=judged.consensus,
        quality=judged.quality,
        campaign=driver.campaign.digest(),
        manifest=stored,
        pool_rows=manifest.rows,
        pool_fingerprint=manifest.fingerprint,
        annotations=taken.artifact,
        features=features,
        new_annotations=len(taken.table),
        unknown_rows=foreign.missing,
        problem_count=len(taken.problems),
        problems=tuple(f"{p.where}: {p.what}" for p in taken.problems[:SHOWN_PROBLEMS]),
        **stamp(number, started),
    )


def check_holdout(standing: Standing) -> None:
    """Refuse a holdout, not drawn yet, that takes the whole pool; raises ConfigError."""
    size, manifest = standing.driver.campaign.evaluation.holdout, standing.manifest
    if not isinstance(size, int) or manifest is None or standing.holdout_below is not None:
        return
    if size >= manifest.rows:
        raise ConfigError(
            f"evaluation.holdout is {size:,} rows and the pool has {manifest.rows:,}: none would be left to "
            "learn from; give fewer, or a fraction such as 0.1"
        )


@dataclass(frozen=True)
class _Taken:
    """The round's new annotations, as they lie in the store."""

    artifact: Artifact | None
    table: Any
    problems: Sequence[Problem]


def _take(standing: Standing, manifest: Manifest) -> _Taken:
    integer = manifest.id_kind == "int64"
    collected = _ask(standing, integer)
    fitting, found = _of_known_classes(collected, standing.driver.campaign.classes)
    redact = standing.driver.campaign.redactor().redact
    problems = [Problem(redact(p.where), redact(p.what)) for p in found]
    fresh = annotation_table.new_only(fitting, standing.annotations)
    for problem in problems[:SHOWN_PROBLEMS]:
        log.warning("answer not taken: %s: %s", problem.where, problem.what)
    return _keep(standing, annotation_table.to_parquet(fresh, standing.number, integer), problems)


def _ask(standing: Standing, integer: bool) -> Collected:
    """Ask the campaign's labeler, then those that earlier batches went to: nobody's answers are lost."""
    driver, tickets = standing.driver, dict(standing.tickets)
    known = standing.annotations
    since, desk = Cursor(standing.number, newest(known), known), driver.desk(integer)
    own = driver.labeler.collect(tickets.pop(driver.campaign.labeler.name), since, desk)
    parts = [own, *(_ask_earlier(standing, name, held, since) for name, held in tickets.items())]
    return Collected(
        [annotation for part in parts for annotation in part.annotations],
        [problem for part in parts for problem in part.problems],
    )


def _ask_earlier(standing: Standing, name: str, tickets: Sequence[Ticket], since: Cursor) -> Collected:
    """Ask a labeler that the campaign has left; one that cannot be reached any more holds nothing up."""
    params = next(d.params for d in reversed(standing.steps(DispatchDone)) if d.labeler == name)
    try:
        labeler = LABELERS.build(name, redaction.resolve(dict(params), "labeler.params"))
        return labeler.collect(tickets, since, standing.driver.desk(standing.integer_ids))
    except LamplighterError as error:
        said = redaction.Redactor(redaction.references(params)).redact(str(error))
        found = error.found if isinstance(error, Unheard) else Collected()
        problem = Problem(f"labeler '{name}' of earlier rounds", said)
        return replace(found, problems=[*found.problems, problem])


def _keep(standing: Standing, data: bytes, problems: Sequence[Problem]) -> _Taken:
    """Write the annotations; those that an interrupted collect of this round wrote stand instead."""
    key = f"annotations/round={standing.number:06d}/part-0.parquet"
    store = standing.driver.store
    if len(annotation_table.from_parquet(data)):
        try:
            store.create(key, data)
        except KeyExists:
            data = store.get(key)
    elif key in store.list(key):
        data = store.get(key)
    table = annotation_table.from_parquet(data)
    return _Taken(Artifact.of(key, data) if len(table) else None, table, problems)


def _of_known_classes(collected: Collected, classes: Sequence[str]) -> tuple[list[Annotation], list[Problem]]:
    known = set(classes)
    fitting, problems = [], list(collected.problems)
    for annotation in collected.annotations:
        if annotation.status in (Status.LABELLED, Status.SUGGESTED) and annotation.label not in known:
            where = annotation.source or f"row {annotation.id}"
            problems.append(Problem(where, f"unknown class {annotation.label!r}; known: {_few(classes)}"))
        else:
            fitting.append(annotation)
    return fitting, problems


def _few(names: Sequence[str], shown: int = 10) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def newest(table: Any) -> datetime | None:
    """Give the newest time of answer in an annotation table."""
    when: datetime | None = pa.compute.max(table.column("created_at")).as_py() if len(table) else None
    return when


@dataclass(frozen=True)
class _Foreign:
    """Answers about rows that nobody was asked about."""

    table: Any  #: id and features of those that the pool has, or None
    missing: int  #: ids that the pool does not have


def _find_foreign(standing: Standing, manifest: Manifest) -> _Foreign:
    ids = tables.ids_of(standing.annotations).unique()
    known = [standing.known_ids, standing.driver.gold.ids] if standing.driver.gold else [standing.known_ids]
    foreign = ids.filter(pa.array(~tables.is_in(ids, pa.concat_arrays(known))))
    if not len(foreign) or _looked_up_before(standing, manifest, foreign):
        return _Foreign(None, len(foreign))
    found = _fetch(standing, Pool(standing.driver.pool_config, manifest), foreign)
    missing = len(foreign) - (len(found) if found else 0)
    if missing:
        log.warning("%d labels are for ids that are not in the pool", missing)
    return _Foreign(found, missing)


def _looked_up_before(standing: Standing, manifest: Manifest, foreign: RowIds) -> bool:
    """Say whether the same pool was already searched for all of these ids, and for no others.

    Without new answers about them they are those that it did not have, unless the gold rows are others now.
    """
    earlier = standing.steps(CollectDone)
    if not earlier or earlier[-1].pool_fingerprint != manifest.fingerprint:
        return False
    fresh = tables.is_in(foreign, tables.ids_of(standing.fresh)).any()
    return len(foreign) == earlier[-1].unknown_rows and not fresh


def _fetch(standing: Standing, pool: Pool, ids: RowIds) -> Any:
    with standing.driver.cluster() as client:
        shards = shards_that_may_hold(pool, ids)
        parts = [f for f in cluster.map_shards(client, find_ids, shards, pool, ids) if len(f.ids)]
    if not parts:
        return None
    features = np.concatenate([f.features for f in parts])
    return pa.table(
        {"id": pa.concat_arrays([f.ids for f in parts]), "features": tables.vector_column(features)}
    )


def _keep_features(standing: Standing, table: Any) -> Artifact | None:
    if table is None:
        return None
    data = tables.to_parquet(table)
    return standing.driver.ledger.write(standing.number, "collect-features", "parquet", data)


def _sums(standing: Standing) -> dict[str, Any]:
    """Count labels as they stand with the new annotations in."""
    campaign = standing.driver.campaign
    paid = annotation_table.paid(standing.annotations)
    counts = np.bincount(standing.training_labels.label, minlength=len(campaign.classes))
    return {
        "annotations_total": paid,
        "cost": round(paid * (campaign.budget.cost_per_label or 0.0), 6),
        "labelled_rows": len(standing.training_labels),
        "labelled_holdout": len(standing.holdout_labels),
        "abstained": _unlabelled(standing),
        "outstanding": standing.outstanding,
        "class_counts": {name: int(n) for name, n in zip(campaign.classes, counts, strict=True)},
        "newest": newest(standing.annotations),
    }


def _unlabelled(standing: Standing) -> int:
    """Count the rows that were answered and have no label; gold rows have theirs from elsewhere."""
    answered = standing.answered_ids
    without = ~tables.is_in(answered, standing.labels.ids)
    gold = standing.driver.gold
    return int((without & ~tables.is_in(answered, gold.ids)).sum() if gold else without.sum())
