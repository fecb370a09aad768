"""The benchmark's section of docs/label-quality.md, between two markers."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import quality_parity
from benchmarks.quality_crowds import Crowd
from benchmarks.quality_parity import Ranking, Row

#: Differences below are the last bits.
ROUNDING = 1e-15
BEGIN, END = "<!-- begin: make bench-quality -->", "<!-- end: make bench-quality -->"


def section(crowds: Sequence[Crowd], rows: Sequence[Row], rankings: Sequence[Ranking], versions: str) -> str:
    """Give the tables of parity as Markdown."""
    told = _table(["crowd", "what"], ([c.name, c.what] for c in crowds))
    order = _table(
        ["crowd", "rank correlation", "at its temperature", "same lowest tenth", "ours", "cleanlab's"],
        (
            [r.crowd, f"{r.correlation:.2f}", f"{r.scaled:.3f}", f"{r.lowest:.0%}", f"{r.ours:.3f}",
             f"{r.theirs:.3f}"]
            for r in rankings
        ),
    )  # fmt: skip
    return f"""Made by `make bench-quality` with Python {platform.python_version()}, {versions}.

{told}

Over all crowds; rows with tied votes are not compared where a method leaves ties to chance. "1 pass" is
cleanlab without its second estimate of the weights and without its temperature. 0 is below 1e-15.

{_parity(rows)}

Labels of ours that are right:

{_right(crowds)}

ActiveLab's order of the answered rows, ours against cleanlab's defaults, and how well CROWDLAB's quality
tells right labels from wrong ones (area under the ROC curve):

{order}"""


def million(ours: Mapping[str, Any], theirs: Mapping[str, Any], truth: Any) -> str:
    """Give the table of Dawid-Skene on a million annotations, and of the rest."""
    costs = ([str(n), f"{s:.2f}"] for n, s in zip(ours["costs_of"], ours["costs"], strict=True))
    steps, peer_steps = int(ours["steps"]), int(theirs["steps"])
    equal = _share(float(np.mean(ours["label"] == theirs["label"])))
    return f"""Dawid-Skene on 1,000,000 annotations of 1,000 annotators, 333,334 rows, 10 classes, one
thread, each with its defaults: {steps} steps of ours, {peer_steps} of crowd-kit's. Equal labels:
{equal}. Reading the votes from an annotation table before takes {float(ours["read_s"]):.1f} CPU s.

{_measured("crowd-kit", ours, theirs, truth)}

The same votes elsewhere:

{_table(["what", "CPU s"], costs)}"""


def assisted(ours: Mapping[str, Any], theirs: Mapping[str, Any], truth: Any) -> str:
    """Give the table of CROWDLAB and ActiveLab on a large crowd."""
    return f"""CROWDLAB and ActiveLab's scores of 20,000 rows with 60,000 votes of 200 annotators, 10 classes,
one thread. Equal labels: {np.mean(ours["label"] == theirs["label"]):.2%}.

{_measured("cleanlab", ours, theirs, truth)}"""


def _measured(peer: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], truth: Any) -> str:
    header = ["", "CPU s", "peak MB", "of which before it began", "labels right"]
    rows = (
        [
            name,
            f"{float(run['cpu_s']):.2f}",
            f"{float(run['peak_mb']):,.0f}",
            f"{float(run['base_mb']):,.0f}",
            f"{np.mean(run['label'] == truth):.2%}",
        ]
        for name, run in (("Lamplighter", ours), (peer, theirs))
    )
    return _table(header, rows)


def put(path: Path, text: str) -> None:
    """Replace what stands between the markers."""
    before, _, rest = path.read_text("utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{path} lacks the markers {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def _parity(rows: Sequence[Row]) -> str:
    """Give the least and the most of each method over the crowds."""
    kinds = dict.fromkeys((r.method, r.peer) for r in rows)
    header = ["method", "peer", "crowds", "compared", "equal labels", "least", "largest difference"]
    return _table(header, (_extremes([r for r in rows if (r.method, r.peer) == kind]) for kind in kinds))


def _extremes(rows: Sequence[Row]) -> list[str]:
    equal = [r for r in rows if r.equal is not None]
    least = min((r.equal for r in equal if r.equal is not None), default=None)
    far, where = max(((r.apart, r.crowd) for r in rows if r.apart is not None), default=(None, ""))
    count, shares = f"{sum(r.rows for r in rows):,}", (_share(_overall(equal)), _share(least))
    worst = f"{_apart(far)} ({where})" if far is not None and far >= ROUNDING else _apart(far)
    return [rows[0].method, rows[0].peer, str(len(rows)), count, *shares, worst]


def _overall(rows: Sequence[Row]) -> float | None:
    count = sum(r.rows for r in rows)
    return sum(r.rows * (r.equal or 0.0) for r in rows) / count if count else None


def _right(crowds: Sequence[Crowd]) -> str:
    found = {crowd.name: quality_parity.right(crowd) for crowd in crowds}
    known = {name: shares for name, shares in found.items() if shares}
    methods = list(next(iter(known.values())))
    return _table(["crowd", *methods], ([name, *map(_share, s.values())] for name, s in known.items()))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}" if value < 0.9995 else f"{value:.2%}"


def _apart(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}" if value >= ROUNDING else "0"
