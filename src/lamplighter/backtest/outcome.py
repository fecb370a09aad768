"""What a backtest adds up to: everything that its report, its summary and its recommendation say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from statistics import median

from lamplighter.arrays import F64
from lamplighter.backtest.comparison import DECIMALS, LEVEL, Quantity, seeds_needed, smallest_corrected
from lamplighter.backtest.curves import Curves, Span, curves
from lamplighter.backtest.evidence import Evidence, seeds
from lamplighter.backtest.means import SHARE, Bounds, Mean
from lamplighter.backtest.notices import gathered
from lamplighter.backtest.reaching import Reach, reach
from lamplighter.backtest.recommendation import Recommendation, recommend
from lamplighter.backtest.runs import TIMED, PairedRuns, Run, Setting
from lamplighter.evaluation import higher_is_better


@dataclass(frozen=True)
class Outcome:
    """The outcome of a backtest; everything is worked out when it is first asked for.

    Build it with `Outcome.of`.
    """

    setting: Setting
    runs: PairedRuns

    @classmethod
    def of(cls, setting: Setting, runs: Sequence[Run]) -> Outcome:
        """Sum up the runs; raises ConfigError for runs that cannot be compared."""
        return cls(setting, PairedRuns.of(runs, setting.metric))

    @property
    def strategies(self) -> tuple[str, ...]:
        """Names, in the order of their first run."""
        return self.runs.strategies

    @property
    def control(self) -> str | None:
        """The strategy that the others are held against; None if it was not run."""
        return self.setting.control if self.setting.control in self.strategies else None

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return higher_is_better(self.setting.metric)

    @property
    def bounds(self) -> Bounds:
        """What values the metric can have."""
        return SHARE if self.higher_is_better else (0.0, inf)

    @cached_property
    def curves(self) -> Curves:
        """The metric of every run on the common grid of labels."""
        metric = self.setting.metric
        return curves(self.runs, lambda point: point.metrics[metric])

    @cached_property
    def span(self) -> Span:
        """Where the runs are compared."""
        return Span.of(self.runs)

    @cached_property
    def area(self) -> Quantity:
        """Area under the learning curve per label: the mean of the metric over the curve."""
        return self._measured("area", self.curves.areas)

    @cached_property
    def final(self) -> Quantity:
        """The metric at the last number of labels that all runs reach."""
        return self._measured("final", self.curves.last)

    def _measured(self, name: str, values: F64) -> Quantity:
        return Quantity(name, self.strategies, values, self.higher_is_better, self.bounds)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes in the setting's order; those that only the runs name follow."""
        named = dict.fromkeys(self.setting.class_rows)
        for run in self.runs.compared:
            named |= dict.fromkeys(run.points[-1].recall)
        return tuple(named)

    @cached_property
    def recall(self) -> Mapping[str, Quantity]:
        """Recall of each class at the end."""
        return {name: Quantity(name, self.strategies, self.recall_curves(name).last) for name in self.classes}

    @cached_property
    def rare(self) -> Quantity | None:
        """Area under the recall of the rarest class; None if it was never measured."""
        name = self.setting.rarest
        if name is None:
            return None
        found = Quantity("rare", self.strategies, self.recall_curves(name).areas)
        return found if any(found.means.values()) else None

    def recall_curves(self, name: str) -> Curves:
        """Give the recall of one class of every run on the common grid."""
        return curves(self.runs, lambda point: point.recall.get(name))

    @cached_property
    def reaches(self) -> Mapping[str, Reach]:
        """Labels needed for the control's final value, by strategy; empty without the control."""
        if self.control is None:
            return {}
        heights = self.curves.values if self.higher_is_better else -self.curves.values
        control = heights[self.strategies.index(self.control)]
        price = self.setting.cost_per_label
        return {
            name: reach(self.curves.labels, ours, control, price)
            for name, ours in zip(self.strategies, heights, strict=True)
        }

    @cached_property
    def seconds(self) -> Mapping[str, Mapping[str, float | None]]:
        """Median CPU seconds of each step, and of those together ("round"), by strategy.

        Medians over all rounds of all compared runs that had a model and have the step; a round counts
        as a whole if it has all steps.
        """
        return {name: _seconds(row) for name, row in zip(self.strategies, self.runs.table, strict=True)}

    @cached_property
    def ranked(self) -> tuple[str, ...]:
        """Strategies by their mean area, the best first; of equal ones the faster."""
        sign = -1.0 if self.higher_is_better else 1.0
        means, seconds = self.area.means, self.seconds

        def place(name: str) -> tuple[float, float]:
            took = seconds[name]["round"]
            return sign * _value(means[name]), inf if took is None else took

        return tuple(sorted(self.strategies, key=place))

    @cached_property
    def recommendation(self) -> Recommendation:
        """Which strategy to use, in a sentence."""
        return recommend(
            Evidence(
                metric=self.setting.metric,
                area=self.area,
                ranked=self.ranked,
                control=self.setting.control,
                default=self.setting.default,
                reaches=self.reaches,
                final=self.final.means,
                seconds={name: took["round"] for name, took in self.seconds.items()},
                span=self.span,
            )
        )

    @cached_property
    def notices(self) -> list[str]:
        """Give what a reader should know beside the numbers."""
        return [
            *self.setting.notices,
            *self._about_evidence(),
            *self._about_range(),
            *self._about_models(),
            *gathered(self.runs.compared, len(self.runs.seeds)),
        ]

    def _about_evidence(self) -> list[str]:
        said = []
        if self.control is None:
            said.append(
                f"{self.setting.control} was not run, so labels saved against it are not known: add it to "
                "the strategies."
            )
        if self.runs.left_out:
            said.append(f"Left out: {seeds(self.runs.left_out)} that not every strategy has finished.")
        return [*said, *self._too_few_seeds(len(self.strategies) - 1)]

    def _too_few_seeds(self, tests: int) -> list[str]:
        least = smallest_corrected(len(self.runs.seeds), tests)
        if not tests or least < LEVEL:
            return []
        others = "the other" if tests == 1 else f"{tests} others"
        return [
            f"With {seeds(len(self.runs.seeds))} no test of a strategy against {others} can be "
            f"significant: the least corrected p is {least:.2g}; it takes {seeds(seeds_needed(tests))}."
        ]

    def _about_range(self) -> list[str]:
        span = self.span
        if span.whole:
            return []
        return [
            f"Compared from {span.low:,} to {span.high:,} labels, the range that all runs cover; "
            f"some go from {span.first:,} or to {span.last:,}."
        ]

    def _about_models(self) -> list[str]:
        runs = self.runs.compared
        late = [point.labels for run in runs for point in run.points if not point.model]
        if not late:
            return []
        begun = sum(not run.points[0].model for run in runs)
        return [
            f"{begun:,} of {len(runs):,} runs had labels of one class alone at first, with up to "
            f"{max(late):,} labels: until there is a model, that class for every row is what is measured."
        ]


def _value(mean: Mean | None) -> float:
    # Equal strategies stay equal.
    return round(mean.value, DECIMALS) if mean else inf


def _seconds(runs: Sequence[Run]) -> dict[str, float | None]:
    taken = [point.seconds for run in runs for point in run.points if point.model]
    steps = {step: _median([t[step] for t in taken if step in t]) for step in TIMED}
    whole = [sum(t[step] for step in TIMED) for t in taken if all(step in t for step in TIMED)]
    return {**steps, "round": _median(whole)}


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
