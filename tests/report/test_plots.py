"""Figures: what is drawn is what was given, the same bytes each time, and no name can break one."""

from __future__ import annotations

import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from lamplighter.report import Curve, Point, Saving, plots
from lamplighter.report.pictures import pictures
from lamplighter.rounds import RoundFacts
from tests.report.campaigns import full

HOSTILE = [
    "<script>alert(1)</script>",
    r"$\frac{1}{",
    "a\x00b\x1b",
    "\u202egnp.exe",
    "\ud800",
    "字类",
    "عربي",
    "x" * 500,
    "",
    "_hidden",
]


def curve(*values: float) -> Curve:
    return Curve(tuple(Point(100 * i, v, v - 0.02, v + 0.03, i) for i, v in enumerate(values, 1)))


def facts(rounds: int) -> list[RoundFacts]:
    return [RoundFacts(r, 90 * r, 100 * r, 0.0, r % 3, None, None, 50) for r in range(1, rounds + 1)]


def _bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


SCORES = np.linspace(0, 1, 50, dtype=np.float32)
EVERY: dict[str, Callable[[list[str]], Figure]] = {
    "curve": lambda names: plots.learning_curve(
        curve(0.5, 0.8), curve(0.4, 0.6), metric=names[0], names=(names[0], names[-1])
    ),
    "scores": lambda names: plots.score_histogram(SCORES, SCORES[40:]),
    "class counts": lambda names: plots.class_counts({name: i for i, name in enumerate(names)}),
    "many class counts": lambda names: plots.class_counts(
        {**{str(i): i for i in range(200)}, **dict.fromkeys(names, 300)}
    ),
    "confusion": lambda names: plots.confusion_matrix(np.eye(len(names), dtype=int).tolist(), names),
    "labels": lambda names: plots.labels_over_rounds(facts(6), 1000),
    "throughput": lambda names: plots.throughput(facts(6), {2: dict.fromkeys(names, 3)}),
}


@pytest.mark.parametrize("draw", EVERY.values(), ids=EVERY)
def test_a_figure_is_the_same_bytes_each_time(draw: Callable[[list[str]], Figure]) -> None:
    names = ["a", "b"]
    assert plots.svg(draw(names)) == plots.svg(draw(names))
    assert plots.png(draw(names), dpi=50) == plots.png(draw(names), dpi=50)


@pytest.mark.parametrize("draw", EVERY.values(), ids=EVERY)
def test_no_name_can_break_a_figure(draw: Callable[[list[str]], Figure]) -> None:
    document = plots.svg(draw(HOSTILE))
    root = ET.fromstring(document)  # noqa: S314 - of our own making, and this is the test that it parses
    assert not [
        e for e in root.iter() if e.tag.endswith("script") or any(a.startswith("on") for a in e.attrib)
    ]
    assert "\u202e" not in document
    assert plots.png(draw(HOSTILE), dpi=40).startswith(b"\x89PNG")


def test_the_learning_curve_draws_its_points_and_bands() -> None:
    figure = plots.learning_curve(
        curve(0.5, 0.8, 0.9),
        curve(0.4, 0.6, 0.7),
        metric="macro_f1",
        names=("margin", "random"),
        saving=Saving(0.7, 180, 300),
        target=0.85,
    )
    (axes,) = figure.axes
    control, ours = axes.lines[0], axes.lines[1]
    assert np.asarray(ours.get_data()).tolist() == [[100, 200, 300], [0.5, 0.8, 0.9]]
    assert np.asarray(control.get_data()).tolist() == [[100, 200, 300], [0.4, 0.6, 0.7]]
    bands = [c.get_paths()[0].get_extents().extents for c in axes.collections]
    assert bands == [pytest.approx([100, 0.38, 300, 0.73]), pytest.approx([100, 0.48, 300, 0.93])]
    said = [text.get_text() for text in axes.texts]
    assert {"margin\n0.900", "random\n0.700", "120 labels saved (40%)", "target 0.85"} <= set(said)


def test_a_curve_without_points_says_so() -> None:
    (axes,) = plots.learning_curve(Curve(()), None, metric="accuracy").axes
    assert [text.get_text() for text in axes.texts] == ["no round has a metric yet"]


def test_class_counts_stand_beside_their_bars() -> None:
    (axes,) = plots.class_counts({"rare": 2, "common": 1500}).axes
    assert [bar.get_bbox().width for bar in _bars(axes)] == [1500, 2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["common", "rare"]
    assert {"1,500", "2"} <= {text.get_text() for text in axes.texts}


def test_the_confusion_matrix_shades_by_true_class() -> None:
    (axes,) = plots.confusion_matrix([[8, 2], [0, 0]], ["a", "b"]).axes
    shades = axes.images[0].get_array()
    assert shades is not None
    assert shades.tolist() == [[0.8, 0.2], [0, 0]]
    assert [text.get_text() for text in axes.texts] == ["8", "2"]


def test_scores_are_shares_of_their_own_rows_and_finite() -> None:
    batch = np.array([1.0, 1.0, -np.inf, np.nan], np.float32)
    (axes,) = plots.score_histogram(np.array([0.0, 0.0, 0.0, 1.0], np.float32), batch).axes
    drawn = [patch.get_data()[0] for patch in axes.patches if isinstance(patch, StepPatch)]
    assert [values.sum() for values in drawn] == pytest.approx([1.0] * 4)
    assert drawn[0][0] == 0.75
    assert drawn[-1][-1] == 1.0


@pytest.mark.parametrize("scores", [[0.3, 0.3], []], ids=["constant", "none"])
def test_constant_and_missing_scores_are_drawn(scores: list[float]) -> None:
    given = np.array(scores, np.float32)
    assert plots.svg(plots.score_histogram(given, given))


def test_answers_of_many_annotators_add_up() -> None:
    answers = {1: {f"annotator {i}": i for i in range(12)}}
    (axes,) = plots.throughput(facts(1), answers).axes
    assert sum(bar.get_bbox().height for bar in _bars(axes)) == sum(range(12))
    assert "7 others" in axes.get_legend_handles_labels()[1]


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(mpl.rcParams)
    plots.svg(EVERY["curve"](["a", "b"]))
    assert dict(mpl.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    program = (
        "import sys; from lamplighter.report import plots, render; from tests.report.campaigns import full; "
        "render(full()); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_data_uris_hold_the_figure() -> None:
    figure = plots.class_counts({"a": 1, "b": 2})
    assert plots.png_data_uri(figure, dpi=30).startswith("data:image/png;base64,iVBOR")
    assert plots.svg_data_uri(figure).startswith("data:image/svg+xml;base64,")


def test_drawing_warns_of_nothing() -> None:
    """Missing glyphs included: names come in every script."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for draw in EVERY.values():
            plots.svg(draw(HOSTILE))


def test_the_sample_campaign_has_every_figure() -> None:
    assert all(pictures(full()).values())
