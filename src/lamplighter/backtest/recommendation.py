"""Which strategy to use, in one sentence that also says when the evidence is too thin."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from lamplighter.backtest.comparison import LEVEL, seeds_needed, smallest_corrected
from lamplighter.backtest.evidence import (
    Evidence,
    bound,
    chance,
    control_needed,
    height,
    listed,
    named,
    needed,
    plain,
    seeds,
)
from lamplighter.backtest.means import standard_error
from lamplighter.report.text import count, decimal, duration, money


@dataclass(frozen=True)
class Recommendation:
    """Advice drawn from a backtest.

    Attributes
    ----------
    strategy
        The one to use.
    thin
        Whether the evidence does not carry more than a guess.
    equals
        Strategies that cannot be told apart from it.
    """

    strategy: str
    sentence: str
    thin: bool
    equals: tuple[str, ...] = ()


def recommend(evidence: Evidence) -> Recommendation:
    """Say which strategy to use.

    The best mean area among the strategies that beat the control significantly (the family of tests
    against the control, so one of them is a false claim in 5% of backtests at most). Where the
    campaign's own strategy is within a standard error of it, the faster of the two, and its own
    where the times are close. If none beats the control, the cheapest of those that are not worse.
    If no test could have been significant, the faster of the best and the campaign's own, for now.
    Whatever is said is thin if less than half of the longest run is compared.
    """
    found = _advice(evidence)
    return _narrow(evidence, found) if evidence.span.narrow else found


def _narrow(e: Evidence, found: Recommendation) -> Recommendation:
    span = e.span
    why = (
        f"; the evidence is thin: only {span.low:,} to {span.high:,} labels are compared, since not all runs "
        f"cover the whole of {span.first:,} to {span.last:,}."
    )
    return replace(found, sentence=found.sentence.removesuffix(".") + why, thin=True)


def _advice(evidence: Evidence) -> Recommendation:
    if len(evidence.ranked) == 1:
        return _alone(evidence)
    if smallest_corrected(evidence.seeds, evidence.tests) >= LEVEL:
        return _too_few(evidence)
    if not evidence.controlled:
        return _uncontrolled(evidence)
    winners = [name for name, test in evidence.against.items() if test.better]
    return _winner(evidence, winners) if winners else _none_better(evidence)


def _alone(e: Evidence) -> Recommendation:
    missing = "another strategy" if e.controlled else named(e.control)
    return Recommendation(
        e.best,
        f"Only {named(e.best)} was run, with {_mean(e, e.best)}, so there is nothing to choose between: "
        f"run it beside {missing}.",
        thin=True,
    )


def _too_few(e: Evidence) -> Recommendation:
    pick = e.cheapest([name for name in (e.best, e.default) if name in e.ranked])
    what = "it" if pick == e.best else named(pick)
    action = f"keep {what}, the campaign's own," if pick == e.default else f"use {what}"
    return Recommendation(
        pick,
        f"The evidence is too thin to choose by: with {seeds(e.seeds)} no difference can be significant "
        f"({seeds(seeds_needed(e.tests))} are needed); {named(e.best)} leads with {_mean(e, e.best)}; "
        f"{action} until more are run.",
        thin=True,
        equals=e.equals(pick),
    )


def _uncontrolled(e: Evidence) -> Recommendation:
    pick = e.cheapest([e.best, e.default]) if e.default_as_good(e.best) else e.best
    rivals = _rivals(e, pick)
    return Recommendation(
        pick,
        f"Use {named(pick)}, but {named(e.control)} was not run, so whether choosing rows pays at all is not "
        f"known: it has {_mean(e, pick)} ({seeds(e.seeds)}){f'; {rivals}' if rivals else ''}.",
        thin=True,
        equals=e.equals(pick),
    )


def _none_better(e: Evidence) -> Recommendation:
    worse = [name for name, test in e.against.items() if test.worse]
    pick = e.cheapest([name for name in e.ranked if name not in worse])
    other = next(iter(e.against))
    return Recommendation(
        pick,
        f"Use {named(pick)}, the cheapest: the evidence does not show that choosing rows pays here; with "
        f"{seeds(e.seeds)} no strategy beats {named(e.control)} significantly ({named(e.control)} has "
        f"{_mean(e, e.control)}, the best other, {named(other)}, {height(e.area.means[other])}, "
        f"{chance(e.against[other])}){_worse(worse)}.",
        thin=True,
        equals=e.equals(pick),
    )


def _worse(names: Sequence[str]) -> str:
    return f"; significantly worse: {listed(names)}" if names else ""


def _winner(e: Evidence, winners: Sequence[str]) -> Recommendation:
    top = winners[0]
    tied = e.default in winners and e.default_as_good(top)
    pick = e.cheapest([top, e.default]) if tied else top
    said = [
        f"Use {named(pick)}: it beats {named(e.control)} with {_mean(e, pick)} against "
        f"{height(e.area.means[e.control])} ({chance(e.against[pick])}, {seeds(e.seeds)})",
        _tie(e, pick, top) if tied else "",
        "" if top == e.best else _unreliable(e),
        # Two that are tied have been named.
        _rivals(e, pick, {top, e.default} if tied else set()),
        _saving(e, pick),
    ]
    return Recommendation(pick, "; ".join(filter(None, said)) + ".", thin=tied, equals=e.equals(pick))


def _tie(e: Evidence, pick: str, top: str) -> str:
    other = e.default if pick == top else top
    apart = e.area.differences(pick, other)
    why = (
        f"is faster ({_took(e, pick)} against {_took(e, other)} a round)"
        if e.faster(pick, other)
        else "is the campaign's own"
    )
    return (
        f"{named(other)} differs from it by {abs(float(apart.mean())):.4f}, within the standard error of "
        f"{standard_error(apart):.4f}, so the evidence is too thin to part the two, and {named(pick)} {why}"
    )


def _unreliable(e: Evidence) -> str:
    way = "more" if e.area.higher_is_better else "less"
    return (
        f"{named(e.best)} has {height(e.area.means[e.best])}, but not reliably {way} than {named(e.control)}"
    )


def _rivals(e: Evidence, pick: str, named_before: Collection[str] = ()) -> str:
    equals = [name for name in e.equals(pick) if name not in (e.control, *named_before)]
    if equals:
        return f"{listed(equals)} cannot be told apart from it"
    others = [name for name in e.ranked if name not in (pick, e.control)]
    if others and all(e.area.between(name, pick).worse for name in others):
        return "it is significantly better than every other strategy"
    return ""


def _saving(e: Evidence, pick: str) -> str:
    reach, final = e.reaches[pick], e.final[e.control]
    control = named(e.control)
    goal = f"{control}'s final {plain(e.metric)} of {decimal(final.value if final else None)}"
    if reach.needed is None or reach.saved is None or reach.share is None:
        return f"it does not reach {goal}"
    needs = f"it reaches {goal} with {needed(reach)} labels"
    if reach.at_start and reach.control_at_start:
        return f"{needs}, as {control} itself does"
    if reach.saved < 0.5:
        return f"{needs}, no fewer than the {control_needed(reach)} of {control}"
    between = (
        ""
        if reach.saved_low is None or reach.saved_high is None
        else f", 95% interval {count(reach.saved_low)} to {count(reach.saved_high)}"
    )
    worth = "" if reach.money is None else f", worth {money(reach.money)}"
    return (
        f"{needs} instead of {count(reach.control_needed)} ({bound(reach)}{count(reach.saved)} or "
        f"{reach.share:.0%} fewer"
        f"{between}{worth})"
    )


def _mean(e: Evidence, name: str) -> str:
    less = "" if e.area.higher_is_better else " (less is better)"
    return f"a mean {plain(e.metric)} over the curve{less} of {height(e.area.means[name])}"


def _took(e: Evidence, name: str) -> str:
    return duration(e.seconds[name] or 0.0)
