"""Where a campaign stands, in plain values for a terminal or JSON."""

from __future__ import annotations

from typing import Any

from lamplighter.awaited import waiting
from lamplighter.driver import Driver
from lamplighter.label_quality import newest
from lamplighter.rounds import CollectDone, History, Next, RoundRecord, SelectDone, TrainDone
from lamplighter.standing import Standing
from lamplighter.summary import of_training


def status(driver: Driver) -> dict[str, Any]:
    """Give rounds, labels, metric, budget and what waits at the labelers, JSON-ready."""
    history = driver.history()
    standing = Standing(driver, history)
    upcoming = driver.plan(history)
    collected = standing.steps(CollectDone)
    return {
        "campaign": driver.campaign.name,
        "store": driver.store.url,
        "metric": driver.campaign.evaluation.metric,
        "rounds": [round_row(r) for r in history.records],
        "next": {"round": upcoming.round, "step": str(upcoming.step)} if isinstance(upcoming, Next) else None,
        "stopped": None if isinstance(upcoming, Next) else {"rule": upcoming.rule, "reason": upcoming.reason},
        "labels": _labels(collected[-1] if collected else None),
        "outstanding": standing.outstanding,
        "waiting": _waiting(standing),
        "quality": _quality(standing),
        "budget": _budget(driver, collected[-1] if collected else None),
        "problems": list(collected[-1].problems) if collected else [],
        "problem_count": collected[-1].problem_count if collected else 0,
        "left_out_rows": _left_out(history),
        "unknown_rows": collected[-1].unknown_rows if collected else 0,
        "notices": _notices(standing),
    }


def round_row(record: RoundRecord) -> dict[str, Any]:
    """Give one committed round as a row of the status table."""
    metric = record.evaluate.metric
    return {
        "round": record.round,
        "labelled_rows": record.collect.labelled_rows,
        "labels": record.collect.annotations_total,
        "cost": record.collect.cost,
        "value": metric.value if metric else None,
        "low": metric.low if metric else None,
        "high": metric.high if metric else None,
        "holdout": record.collect.labelled_holdout,
        "pool_rows": record.collect.pool_rows,
        "left_out": record.score.left_out if record.score else 0,
        "churn": record.score.churn if record.score else None,
        "strategy": record.score.strategy if record.score else None,
        "selected": record.select.rows if record.select else 0,
        "batch": dict(record.select.facts) if record.select else {},
        "dispatched": record.dispatch.rows if record.dispatch else 0,
        "seconds": round((record.committed_at - record.collect.started_at).total_seconds(), 1),
        "committed_at": record.committed_at.isoformat(timespec="seconds"),
        "stop": record.stop.reason if record.stop else None,
    }


def _labels(collected: CollectDone | None) -> dict[str, Any]:
    if collected is None:
        return {"training": 0, "holdout": 0, "annotations": 0, "abstained": 0, "by_class": {}}
    return {
        "training": collected.labelled_rows,
        "holdout": collected.labelled_holdout,
        "annotations": collected.annotations_total,
        "abstained": collected.abstained,
        "by_class": dict(collected.class_counts),
    }


def _waiting(standing: Standing) -> list[dict[str, Any]]:
    """Give the batches with rows of which an answer is awaited, gold rows and further answers among them."""
    missing = waiting(standing)
    found = []
    for done in standing.steps(SelectDone):
        if rows := int((missing.round == done.round).sum()):
            sent = done.rows + done.holdout_rows + done.extra_rows
            found.append({"round": done.round, "rows": sent, "waiting": rows})
    return found


def _quality(standing: Standing) -> dict[str, Any] | None:
    """Give the newest round's document of label quality; None before the first answer."""
    found = newest(standing)
    return {"round": found[0], **found[1].model_dump(mode="json")} if found else None


def _budget(driver: Driver, collected: CollectDone | None) -> dict[str, Any]:
    spent = {"labels": collected.annotations_total, "cost": collected.cost} if collected else {}
    return {"limits": driver.campaign.budget.model_dump(exclude_none=True), "spent": spent}


def _left_out(history: History) -> int:
    scored = [r.score for r in history.records if r.score]
    return scored[-1].left_out if scored else 0


def _notices(standing: Standing) -> list[str]:
    trained, selected = standing.steps(TrainDone)[-1:], standing.steps(SelectDone)[-1:]
    said = [(d.round, note) for d in trained if (note := of_training(d))]
    said += [(d.round, notice) for d in selected for notice in d.notices]
    return [f"round {number}: {text}" for number, text in said]
