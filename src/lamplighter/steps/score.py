"""Score: one pass over the whole pool on the cluster, down to the exact shortlist."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from lamplighter import cluster, evaluation, rng, tables
from lamplighter.driver import stamp
from lamplighter.holdout import WHOLE
from lamplighter.learner import Scorer
from lamplighter.progress import tell
from lamplighter.rounds import Artifact, ScoreDone
from lamplighter.scan import Sample, ScanJob, ScanResult
from lamplighter.standing import Standing
from lamplighter.steps.committee import scorer_of
from lamplighter.steps.due import due_ids
from lamplighter.steps.follow_up import look_again
from lamplighter.steps.shortlist_file import shortlist_table
from lamplighter.steps.wanted import context_of, strategy_of, wanted
from lamplighter.strategies.base import Lane, Strategy
from lamplighter.survey import PoolSurvey
from lamplighter.threads import one_thread

#: Rows of the fixed hash sample on which two models are compared; their share of a large pool is
#: halved as it doubles, so that the samples of two rounds are nested.
SAMPLE_ROWS = 20_000


def score(standing: Standing) -> ScoreDone:
    """Scan the pool with the round's model and strategy; memory is a block and a shortlist.

    The first scan also lists rows that may be the holdout's: each of them at most once for every lane.
    """
    started = datetime.now(UTC)
    name, strategy = strategy_of(standing)
    scorer = scorer_of(standing, strategy)
    shards, context = standing.pool.shards(), context_of(standing, most_wanted(standing))
    with standing.driver.cluster() as client:
        survey = PoolSurvey.on(client, standing.pool, standing.driver.campaign.seed, standing.number)
        with one_thread():
            ready = strategy.prepare(replace(context, survey=survey))
        job = _job(standing, ready, ready.lanes(context), scorer)
        result = cluster.scan_pool(client, job, shards, tell)
    waiting = look_again(standing, job, result)
    sample = sample_table(result.sample) if scorer else None
    return ScoreDone(
        shortlist=_write(standing, "shortlist", shortlist_table(result.shortlist)),
        holdout=_write(standing, "holdout", _holdout_table(result)),
        sample=_write(standing, "sample", sample) if sample is not None else None,
        waiting=_write(standing, "waiting", waiting) if waiting else None,
        strategy=name,
        wanted=wanted(standing).rows,
        campaign=standing.driver.ledger.write(
            standing.number, "campaign", "json", standing.driver.campaign.frozen()
        ),
        rows=result.rows,
        left_out=result.left_out,
        churn=_churn(standing, sample),
        shards=len(shards),
        **stamp(standing.number, started),
    )


def _job(standing: Standing, strategy: Strategy, lanes: tuple[Lane, ...], scorer: Scorer | None) -> ScanJob:
    campaign, drawn = standing.driver.campaign, holdout_is_drawn(standing)
    return ScanJob(
        pool=standing.pool,
        scorer=scorer,
        strategy=strategy,
        lanes=lanes,
        seed=campaign.seed,
        round=standing.number,
        exclude=pa.concat_arrays([standing.excluded_ids, due_ids(standing)]),
        holdout_key=standing.holdout_key,
        holdout_below=standing.holdout_reach,
        holdout_drawn=drawn,
        sample_key=rng.key(campaign.seed, 0, "sample"),
        sample_below=sample_bound(standing.pool.manifest.rows) if scorer else 0,
    )


def most_wanted(standing: Standing) -> int:
    """Give the rows of the batch that the scan's lists are made for."""
    return max(wanted(standing).rows, 1)


def holdout_is_drawn(standing: Standing) -> bool:
    """Say whether the holdout's bound is exact: drawn in an earlier scan, a fraction, or none."""
    size = standing.driver.campaign.evaluation.holdout
    return standing.holdout_below is not None or not isinstance(size, int)


def sample_bound(rows: int) -> int:
    """Give the hash below which rows belong to the fixed sample of a pool of so many rows."""
    halvings: int = max(0, int(np.log2(max(rows, 1) / SAMPLE_ROWS)))
    return (WHOLE >> halvings) - 1


def sample_table(sample: Sample) -> Any:
    """Give the sample's predictions as a table of id, predicted, score, ordered by hash."""
    return pa.table({"id": sample.ids, "predicted": sample.predicted, "score": sample.score})


def _holdout_table(result: ScanResult) -> Any:
    rows = result.holdout
    order = np.argsort(rows.hash, kind="stable")
    return pa.table(
        {
            "id": rows.ids,
            "hash": rows.hash,
            "file": rows.file,
            "row_group": rows.row_group,
            "row": rows.row,
        }
    ).take(pa.array(order))


def _write(standing: Standing, name: str, table: Any) -> Artifact:
    return standing.driver.ledger.write(standing.number, name, "parquet", tables.to_parquet(table))


def _churn(standing: Standing, sample: Any) -> float | None:
    before = standing.previous_score
    if sample is None or before is None or before.sample is None:
        return None
    earlier = tables.from_parquet(standing.read(before.sample))
    return evaluation.churn(_predictions(earlier), _predictions(sample))


def _predictions(table: Any) -> tuple[Any, Any]:
    return tables.ids_of(table), table.column("predicted").to_numpy()
