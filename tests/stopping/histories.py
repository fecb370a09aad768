"""Histories written by hand, short enough to read in a table."""

from __future__ import annotations

from lamplighter.rounds import Estimate, RoundFacts


def metric(value: float, half: float = 0.01, n: int = 1000) -> Estimate:
    return Estimate(value=value, low=value - half, high=value + half, n=n)


def facts(
    round_number: int,
    labels: int,
    estimate: Estimate | None = None,
    *,
    churn: float | None = None,
    selected: int | None = 50,
    outstanding: int = 0,
) -> RoundFacts:
    return RoundFacts(
        round=round_number,
        labelled_rows=labels,
        annotations=labels,
        cost=labels * 0.1,
        outstanding=outstanding,
        metric=estimate,
        churn=churn,
        selected=selected,
    )


def rising(*values: float | None, half: float = 0.01) -> list[RoundFacts]:
    """100 new labels a round; the last round is the current one."""
    return [
        facts(
            i,
            100 * i,
            None if value is None else metric(value, half),
            selected=50 if i < len(values) else None,
        )
        for i, value in enumerate(values, 1)
    ]
