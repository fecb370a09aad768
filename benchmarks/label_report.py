"""The page of the label benchmark: what was run, the areas, ours against the peers', rare classes."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from statistics import fmean

import numpy as np

from benchmarks import label_sets
from benchmarks.label_cases import AWARE, OURS, SHARE, Case
from benchmarks.label_peers import SHARED
from lamplighter.backtest.comparison import Quantity
from lamplighter.backtest.curves import curves
from lamplighter.backtest.means import standard_error
from lamplighter.backtest.outcome import Outcome
from lamplighter.backtest.runs import Point, Run, Setting
from lamplighter.config import Campaign

#: What a campaign file means that names no strategy.
DEFAULT = Campaign.model_fields["strategy"].default.name
LIBRARIES = ("numpy", "scikit-learn", "scikit-activeml", "modAL-python")


@dataclass(frozen=True)
class Result:
    """The runs of one set."""

    case: Case
    runs: Sequence[Run]

    @cached_property
    def outcome(self) -> Outcome:
        """Areas and tests of the case's metric."""
        classes, y = label_sets.load(self.case.name).classes, label_sets.load(self.case.name).y
        counts = np.bincount(y[: self.case.rows], minlength=len(classes)).tolist()
        test = round(self.case.rows * self.case.test_share)
        setting = Setting(
            campaign=self.case.name,
            metric=self.case.metric,
            class_rows=dict(zip(classes, counts, strict=True)),
            pool_rows=self.case.rows - test,
            test_rows=test,
            seed_rows=self.case.start,
            batch_size=self.case.batch,
        )
        return Outcome.of(setting, self.runs)

    @cached_property
    def area(self) -> Quantity:
        """Area under the learning curve."""
        return self.outcome.area

    @cached_property
    def rare(self) -> Quantity:
        """Area under the mean recall of the rare classes."""
        found = curves(self.outcome.runs, self._recall)
        return Quantity("rare recall", self.outcome.strategies, found.areas)

    def _recall(self, point: Point) -> float | None:
        known = [r for name in self.case.rare if (r := point.recall.get(name)) is not None]
        return fmean(known) if known else None

    def has(self, *names: str) -> bool:
        """Say whether all of them were run."""
        return all(name in self.outcome.strategies for name in names)


def page(found: Sequence[tuple[Case, Sequence[Run]]], seeds: int) -> str:
    """Give the page as Markdown."""
    results = [Result(case, runs) for case, runs in found]
    parts = [
        _head(seeds),
        _sets(results),
        _areas(results),
        _parity(results),
        _default(results),
        _rare(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(seeds: int) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"""# Label efficiency

Made by `make bench-labels`; {seeds} seeds of everything, Python {platform.python_version()}, {versions}.
The runs behind the tables are kept below `bench-data/label-runs`.

Each seed has one split into pool and test rows and one start set, the same for everybody. All contenders,
ours and the peers', see the probabilities of the same model of the round (and of the same committee of
five), and pick a batch of the same size from the same rows; the learner, not calibrated, is then fitted on
what was labelled. So a difference between two curves is a difference in what was picked. Table columns
are scaled to mean 0 and deviation 1 before anybody sees them. Our strategies have their default parameters
and no wrapper (near-duplicates are not skipped), the peers theirs.

**Area** is the area under the learning curve per label: the mean of the metric over the curve, from the
start set to the last batch. A round without a model, since only one class is among its labels, counts as
one that always guesses that class. ± is one standard error over the seeds."""


def _table(header: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _sets(results: Sequence[Result]) -> str:
    def row(result: Result) -> list[str]:
        case, data = result.case, label_sets.load(result.case.name)
        rarest, share = data.smallest_class
        pool = case.rows - round(case.rows * case.test_share)
        return [
            case.name,
            f"{case.rows:,} x {data.x.shape[1]} ({data.kind})",
            f"{len(data.classes)}, rarest {rarest} {share:.1%}",
            f"{pool:,} / {case.rows - pool:,}",
            f"{case.start} + {case.batch} to {case.labels}",
            case.learner,
            case.metric,
            data.source,
        ]

    header = ["set", "rows x features", "classes", "pool / test", "labels", "learner", "metric", "source"]
    return "## What was run\n\n" + _table(header, [row(result) for result in results])


def _areas(results: Sequence[Result]) -> str:
    names = [name for name in OURS if any(result.has(name) for result in results)]
    ranked = sorted(names, key=lambda name: -_mean_area(name, results))
    rows = [[f"`{name}`", *(_area(result, name) for result in results), f"{_mean_area(name, results):.3f}"]
            for name in ranked]  # fmt: skip
    header = ["strategy", *(result.case.name for result in results), "mean"]
    text = "Area of ours, best mean first (means over the sets that a strategy was run on)."
    return f"## Ours\n\n{text}\n\n" + _table(header, rows)


def _area(result: Result, name: str) -> str:
    mean = result.area.means[name] if result.has(name) else None
    if mean is None:
        return ""
    return f"{mean.value:.3f}" + ("" if mean.error is None else f" ± {mean.error:.3f}")


def _mean_area(name: str, results: Sequence[Result]) -> float:
    means = [m.value for r in results if r.has(name) and (m := r.area.means[name]) is not None]
    return fmean(means) if means else float("nan")


def _parity(results: Sequence[Result]) -> str:
    """Give ours minus the peer's, seed by seed, over every set."""
    pairs = [(ours, peer) for ours, peers in SHARED.items() for peer in peers]
    rows, below = [], []
    for ours, peer in pairs:
        cells = []
        for result in results:
            if not result.has(ours, peer):
                cells.append("")
                continue
            value, error = _difference(result.area, ours, peer)
            cells.append(f"{value:+.3f} ± {error:.3f}")
            if value < -2 * error:
                below.append(f"{ours} against {peer} on {result.case.name} ({value:+.4f} ± {error:.4f})")
        if any(cells):
            rows.append([f"`{ours}`", peer, *cells])
    count = sum(1 for row in rows for cell in row[2:] if cell)
    said = (
        f"Below by more than two standard errors: {'; '.join(below)}. Of {count} such differences between "
        f"equal strategies {count * 0.0228:.1f} would be, by chance."
        if below
        else "No strategy of ours is below the peer's by more than two standard errors on any set."
    )
    header = ["ours", "peer", *(result.case.name for result in results)]
    text = "Area of ours minus the peer's same strategy, paired by seed, with its standard error."
    return f"## Against the peers' same strategies\n\n{text} {said}\n\n" + _table(header, rows)


def _difference(quantity: Quantity, ours: str, theirs: str) -> tuple[float, float]:
    values = quantity.differences(ours, theirs)
    return float(values.mean()), standard_error(values) if len(values) > 1 else float("nan")


def _default(results: Sequence[Result]) -> str:
    peers = list(dict.fromkeys(peer for shared in SHARED.values() for peer in shared))
    everywhere = [peer for peer in peers if all(result.has(peer) for result in results)]
    if not everywhere or not all(result.has(DEFAULT, "random") for result in results):
        return ""
    best = max(everywhere, key=lambda peer: _mean_area(peer, results))
    rows = []
    for result in results:
        value, error = _difference(result.area, DEFAULT, best)
        test = result.area.between(DEFAULT, "random")
        verdict = "above" if test.better else "below" if test.worse else "level"
        rows.append(
            [result.case.name, f"{value:+.3f} ± {error:.3f}", f"{test.difference:+.3f}",
             f"{test.wins}-{test.ties}-{test.losses}", f"{test.corrected:.2g}", verdict]
        )  # fmt: skip
    text = (
        f"A campaign that names no strategy uses `{DEFAULT}`: mean area {_mean_area(DEFAULT, results):.4f}. "
        f"The best fixed peer strategy over all sets is {best}: {_mean_area(best, results):.4f}. Random: "
        f"{_mean_area('random', results):.4f}. Tests are Wilcoxon's signed-rank test over the seeds, "
        "corrected by Holm for all pairs of strategies run on the set."
    )
    header = ["set", f"minus {best}", "minus random", "wins-ties-losses", "corrected p", "against random"]
    return f"## The default\n\n{text}\n\n" + _table(header, rows)


def _rare(results: Sequence[Result]) -> str:
    with_rare = [result for result in results if result.case.rare and result.has("margin")]
    rows = []
    for result in with_rare:
        names = [n for n in ("margin", "random", *AWARE, "class_margin", "badge") if result.has(n)]
        quantity = Quantity("rare", tuple(names), np.array([result.rare.of(name) for name in names]))
        tests = {test.first: test for test in quantity.against("margin")}
        for name in names:
            mean, test = quantity.means[name], tests.get(name)
            rows.append(
                [result.case.name, f"`{name}`", f"{mean.value:.3f} ± {mean.error or 0:.3f}" if mean else "",
                 f"{test.difference:+.3f}" if test else "", f"{test.corrected:.2g}" if test else ""]
            )  # fmt: skip
    if not rows:
        return ""
    told = "; ".join(f"{r.case.name}: {', '.join(r.case.rare)}" for r in with_rare)
    text = (
        f"Area under the mean recall of the rare classes ({told}), and tests against plain margin "
        "(Wilcoxon, corrected by Holm for the rows of a set). `margin balanced` is margin with `balance`: "
        f"{SHARE:.0%} of every batch from rows predicted as a rare class. Only picks differ."
    )
    return f"## Rare classes\n\n{text}\n\n" + _table(
        ["set", "strategy", "recall area", "minus margin", "p"], rows
    )
