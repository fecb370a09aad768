"""Why a row was picked, and everything that was said about it."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute

from lamplighter import tables
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.rounds import SelectDone
from lamplighter.standing import Standing


def explain(driver: Driver, row_id: str) -> dict[str, Any]:
    """Give the picks of a row, when it went out beside a batch, and its annotations, JSON-ready.

    Parameters
    ----------
    row_id
        As typed; read as the pool's kind of id.

    Raises
    ------
    ConfigError
        The id cannot be one of this pool, or there was no round yet.
    """
    standing = Standing(driver, driver.history())
    if standing.manifest is None:
        raise ConfigError(
            "no round has looked at the pool yet, so nothing was picked; run one: lamplighter round"
        )
    row = _as_id(standing, row_id)
    picks = [p for done in standing.steps(SelectDone) for p in _picks(standing, done, row)]
    beside = _sent_beside(standing, row)
    said = _where(standing.annotations, row)
    return {
        "campaign": driver.campaign.name,
        "row": row,
        "holdout": bool(standing.in_holdout(tables.as_ids([row], standing.integer_ids))[0]),
        "picks": picks,
        "sent_beside": beside,
        "annotations": [_plain(a) for a in said.to_pylist()],
        "label": _consensus(standing, row),
        "verdict": _verdict(picks, len(said), beside),
    }


def _as_id(standing: Standing, text: str) -> int | str:
    if standing.manifest is None:
        raise ConfigError("no round has looked at the pool yet; run one: lamplighter round")
    if not standing.integer_ids:
        return text
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -(2**63) <= int(text) < 2**63:
        raise ConfigError(f"row id '{text}' is not a whole number of 64 bits, as the ids of this pool are")
    return int(text)


def _where(table: Any, row: int | str) -> Any:
    return table.filter(pa.compute.equal(table.column("id"), pa.scalar(row, table.schema.field("id").type)))


def _picks(standing: Standing, done: SelectDone, row: int | str) -> list[dict[str, Any]]:
    table = _where(tables.from_parquet(standing.read(done.batch)), row)
    return [_pick(standing, done.round, found) for found in table.to_pylist()]


def _sent_beside(standing: Standing, row: int | str) -> list[dict[str, Any]]:
    """Give the rounds that sent a row out among a batch that it is none of: as gold, or once more."""
    kept = ("purpose", "answered", "annotators")
    return [
        {"round": number} | {name: found[name] for name in kept}
        for number, table in standing.extras
        for found in _where(table.select(["id", *kept]), row).to_pylist()
    ]


def _pick(standing: Standing, number: int, found: dict[str, Any]) -> dict[str, Any]:
    proba = found.pop("proba", None)
    named = zip(standing.driver.campaign.classes, proba, strict=True) if proba else ()
    file = standing.pool_file(number, found["file"])
    known = {k: v for k, v in found.items() if v is not None and k not in ("id", "file")}
    likely = sorted(named, key=lambda pair: -pair[1])
    return {
        "round": number,
        **_plain(known),
        "file": file,
        "proba": {c: round(float(p), 6) for c, p in likely},
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in values.items()}


def _consensus(standing: Standing, row: int | str) -> str | None:
    where = tables.positions(tables.as_ids([row], standing.integer_ids), standing.labels.ids)[0]
    return standing.driver.campaign.classes[standing.labels.label[where]] if where >= 0 else None


def _verdict(picks: list[dict[str, Any]], annotations: int, beside: list[dict[str, Any]]) -> str:
    gold = [f"round {sent['round']}" for sent in beside if sent["purpose"] == "gold"]
    again = [f"round {sent['round']}" for sent in beside if sent["purpose"] == "again"]
    if gold:
        return f"{' and '.join(gold)}: sent as a gold row, whose label is known, to see how good answers are"
    back = f"; went back for one more annotator in {' and '.join(again)}" if again else ""
    return _why_picked(picks, annotations) + back


def _why_picked(picks: list[dict[str, Any]], annotations: int) -> str:
    if not picks:
        return (
            "never picked, but labelled from elsewhere" if annotations else "never picked, if the pool has it"
        )
    pick = picks[-1]
    if pick["purpose"] == "holdout":
        return f"round {pick['round']}: a random row of the holdout, for evaluation only"
    if "asked_in" in pick:
        return (
            f"round {pick['round']}: asked again, since nobody answered in time in round {pick['asked_in']}"
        )
    why = "before there was a model" if pick["purpose"] == "seed" else f"rank {pick['rank']} by its score"
    who = pick.get("picked_by", pick["strategy"])  # the strategy, or that of a share of the batch
    return f"round {pick['round']}: picked by strategy '{who}', {why}"
