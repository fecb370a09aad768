"""The benchmark's section of docs/label-quality.md, between two markers."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality_crowds import Crowd
from benchmarks.quality_parity import Ranking, Row

BEGIN, END = "<!-- begin: make bench-quality -->", "<!-- end: make bench-quality -->"


def section(crowds: Sequence[Crowd], rows: Sequence[Row], rankings: Sequence[Ranking], versions: str) -> str:
    """Give the tables of parity as Markdown."""
    told = _table(["crowd", "what"], ([c.name, c.what] for c in crowds))
    parity = _table(
        ["method", "peer", "crowd", "compared", "equal", "largest difference", "ours right", "theirs"],
        (
            [r.method, r.peer, r.crowd, f"{r.rows:,}", _share(r.equal), _apart(r.apart), _share(r.ours),
             _share(r.theirs)]
            for r in sorted(rows, key=lambda r: (_order(rows, r), r.crowd))
        ),
    )  # fmt: skip
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

Rows with tied votes are not compared where a method leaves ties to chance. "1 pass" is cleanlab without
its second estimate of the weights and without its temperature.

{parity}

ActiveLab's order of the answered rows, ours against cleanlab's defaults, and how well CROWDLAB's quality
tells right labels from wrong ones (area under the ROC curve):

{order}"""


def million(ours: Mapping[str, Any], theirs: Mapping[str, Any], truth: Any) -> str:
    """Give the table of Dawid-Skene on a million annotations, and of the rest."""
    costs = ([str(n), f"{s:.2f}"] for n, s in zip(ours["costs_of"], ours["costs"], strict=True))
    return f"""Dawid-Skene on 1,000,000 annotations of 1,000 annotators, 333,334 rows, 10 classes, one
thread, each with its defaults: {int(ours["steps"])} steps of ours, {int(theirs["steps"])} of
crowd-kit's. Equal labels: {np.mean(ours["label"] == theirs["label"]):.2%}. Reading the votes from an
annotation table before takes another {float(ours["read_s"]):.1f} CPU s.

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


def _order(rows: Sequence[Row], row: Row) -> int:
    return [(r.method, r.peer) for r in rows if r.crowd == rows[-1].crowd].index((row.method, row.peer))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _apart(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}" if value >= 1e-15 else "0"
