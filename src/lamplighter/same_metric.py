"""Earlier rounds in the metric of today: the campaign file may have named another one then."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lamplighter.rounds import Artifact, Metrics, RoundRecord
from lamplighter.store.log import READERS, RoundLog


def in_metric(
    metric: str, records: Sequence[RoundRecord], log: RoundLog, known: dict[str, Any]
) -> tuple[RoundRecord, ...]:
    """Give committed rounds with the value of `metric`, None where a round did not measure it.

    Numbers of two metrics do not compare: neither rules nor curves may see them side by side.

    Parameters
    ----------
    metric
        The campaign's metric of today.
    records
        Rounds as they were committed, each with the metric that was the campaign's then.
    log
        Where the rounds lie; each round's metrics document has all metrics.
    known
        Documents read before, by digest; what is read is added.
    """
    documents = {r.round: r.evaluate.metrics for r in records if r.evaluate.metric_name != metric}
    _read([a for a in documents.values() if a and a.digest not in known], log, known)
    return tuple(
        _restated(record, metric, known[stored.digest]) if (stored := documents.get(record.round)) else record
        for record in records
    )


def _read(missing: Sequence[Artifact], log: RoundLog, known: dict[str, Any]) -> None:
    if missing:
        with ThreadPoolExecutor(READERS) as readers:
            for artifact, data in zip(missing, readers.map(log.read, missing), strict=True):
                known[artifact.digest] = Metrics.model_validate_json(data)


def _restated(record: RoundRecord, metric: str, document: Metrics) -> RoundRecord:
    changes = {"metric": document.estimates.get(metric), "metric_name": metric}
    return record.model_copy(update={"evaluate": record.evaluate.model_copy(update=changes)})
