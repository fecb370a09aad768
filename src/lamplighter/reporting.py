"""From the ledger to the report: gathers what one round shows and writes it to the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lamplighter import annotations as annotation_table
from lamplighter import redaction, tables
from lamplighter.arrays import F32
from lamplighter.driver import Driver
from lamplighter.errors import ConfigError
from lamplighter.label_quality import documents
from lamplighter.labelers.base import BatchRow
from lamplighter.report import ReportData, plots, render, saving
from lamplighter.report.label_quality import annotator_table, markdown, plain
from lamplighter.report.pictures import quality_figure
from lamplighter.rounds import History, Metrics, OpenRound, RoundRecord
from lamplighter.same_metric import in_metric
from lamplighter.standing import Standing
from lamplighter.steps.dispatch import batch_of
from lamplighter.store import open_store
from lamplighter.store.log import RoundLog

TOP_ROWS = 20
#: Rows that the strategy picked. Gold rows are not shown: annotators may see the page.
PICKED = ("seed", "batch")


@dataclass(frozen=True)
class Publication:
    """A report that lies in the store, and the parts of it that a Prefect run shows.

    Attributes
    ----------
    url
        Path or URL of the HTML file.
    link
        The same as a URL.
    curve
        The learning curve as a PNG data URI; empty without a metric.
    headline
        The result in a sentence.
    top_rows
        The first rows of the batch, JSON-ready.
    quality
        The round's label quality as Markdown; empty where there is nothing to say.
    annotators
        The annotators as rows of a table, JSON-ready; none where nothing tells them apart.
    """

    url: str
    link: str
    curve: str
    headline: str
    top_rows: list[dict[str, Any]]
    quality: str
    annotators: list[dict[str, Any]]


def publish_report(driver: Driver, number: int | None = None) -> Publication:
    """Write the report of a committed round, the newest by default.

    Raises
    ------
    ConfigError
        There is no such round.
    """
    data = gather(driver, number)
    key = f"reports/{data.record.round:06d}.html"
    driver.store.put(key, driver.campaign.redactor().redact(render(data)).encode())
    url = f"{driver.store.url.rstrip('/')}/{key}"
    return Publication(
        url=url,
        link=url if "://" in url else Path(url).resolve().as_uri(),
        curve=_picture(data),
        headline=headline(data),
        top_rows=[_top_row(row) for row in data.batch],
        quality=_quality(data),
        annotators=annotator_table(data.quality.get(data.record.round)),
    )


def _picture(data: ReportData) -> str:
    if not data.curve.points:
        return ""
    return plots.png_data_uri(plots.learning_curve(data.curve, data.control_curve, metric=data.metric))


def _quality(data: ReportData) -> str:
    said = markdown(data.quality.get(data.record.round), data.record.round)
    figure = quality_figure(data) if said else None
    return f"{said}\n\n![label quality]({plots.png_data_uri(figure)})" if figure else said


def gather(driver: Driver, number: int | None = None) -> ReportData:
    """Give all that the report of a round shows; raises ConfigError when there is no such round."""
    records = driver.history().records
    if number is not None and not 1 <= number <= len(records):
        raise ConfigError(f"there is no round {number} to report on; committed rounds: {len(records)}")
    return _Gathering(driver, records[:number]).data()


def headline(data: ReportData) -> str:
    """Sum up a round in a sentence."""
    metric, collected = data.record.evaluate.metric, data.record.collect
    if metric is None:
        return f"{collected.labelled_rows:,} labels for training, no metric yet."
    saved = saving(data.curve, data.control_curve, data.cost_per_label) if data.control_curve else None
    more = f" {saved.share:.0%} fewer labels than {data.control_name} at {saved.value:.3f}." if saved else ""
    return (
        f"{data.metric} {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}] from "
        f"{collected.labelled_rows:,} labels.{more}"
    )


@dataclass(frozen=True)
class _Gathering:
    driver: Driver
    records: tuple[RoundRecord, ...]

    @property
    def record(self) -> RoundRecord:
        return self.records[-1]

    @cached_property
    def standing(self) -> Standing:
        return Standing(self.driver, History(self.records, OpenRound(len(self.records) + 1)))

    def data(self) -> ReportData:
        campaign = self.driver.campaign
        if not self.records:
            raise ConfigError("there is no committed round to report on; run one: lamplighter round")
        return ReportData(
            campaign=campaign.name,
            strategy=campaign.strategy.name,
            metric=campaign.evaluation.metric,
            classes=campaign.classes,
            records=self.records,
            control=self._control(),
            metrics=self._metrics(),
            batch=self._batch(),
            batch_scores=self._scores("select"),
            sample_scores=self._scores("score"),
            annotators=self._annotators(),
            quality=documents(self.standing),
            quality_bounds=self._quality_bounds(),
            labeler=campaign.labeler.name,
            budget=campaign.budget.model_dump(exclude={"cost_per_label"}, exclude_none=True),
            target=self._target(),
            cost_per_label=campaign.budget.cost_per_label,
            provenance={"pool": campaign.pool.url, "store": self.driver.store.url},
        )

    def _control(self) -> Sequence[RoundRecord]:
        if not self.driver.campaign.control:
            return ()
        log = RoundLog(open_store(redaction.resolve(self.driver.campaign.control, "control")))
        return in_metric(self.driver.campaign.evaluation.metric, log.history().records, log, {})

    def _target(self) -> float | None:
        named = [r.params for r in self.driver.campaign.stopping if r.name == "target"]
        return float(named[0]["value"]) if named else None

    def _quality_bounds(self) -> Mapping[str, float]:
        quality = self.driver.campaign.quality
        return quality.alarm.model_dump(exclude_none=True) if quality and quality.alarm else {}

    def _metrics(self) -> Metrics | None:
        stored = self.record.evaluate.metrics
        return Metrics.model_validate_json(self.standing.read(stored)) if stored else None

    def _batch(self) -> Sequence[BatchRow]:
        if self.record.select is None:
            return ()
        rows = batch_of(self.standing, self.record.select).rows
        return [row for row in rows if row.purpose in PICKED][:TOP_ROWS]

    def _scores(self, step: str) -> F32 | None:
        """Give the finite scores of the batch, or of the sample of the pool."""
        done = self.record.select if step == "select" else self.record.score
        artifact = getattr(done, "batch" if step == "select" else "sample", None)
        if artifact is None:
            return None
        table = tables.from_parquet(self.standing.read(artifact))
        if "score" not in table.column_names:
            return None
        scores: F32 = table.column("score").drop_null().to_numpy().astype(np.float32)
        return scores[np.isfinite(scores)]

    def _annotators(self) -> Mapping[int, Mapping[str, int]]:
        found: dict[int, dict[str, int]] = {}
        for record in self.records:
            if record.collect.annotations:
                table = annotation_table.from_parquet(self.standing.read(record.collect.annotations))
                counted = annotation_table.counts(table, "annotator")
                found[record.round] = {c.name: c.answers for c in counted}
        return found


def _top_row(row: BatchRow) -> dict[str, Any]:
    shown = {name: plain(str(value), 200) for name, value in row.display.items()}
    predicted = plain(row.predicted) if row.predicted is not None else None
    score = round(row.score, 6) if row.score is not None else None
    return {"rank": row.rank, "id": plain(str(row.id)), "score": score, "predicted": predicted, **shown}
