"""One look for all figures: palette, fonts, and how a figure becomes bytes.

Figures are made with the object interface: pyplot keeps every figure in a global list, which a
long-lived worker would fill.
"""

from __future__ import annotations

import warnings
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import RLock
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

#: Okabe and Ito's palette, told apart with any colour vision and, mostly, in grey print.
BLUE, VERMILION, GREEN, AMBER, SKY, PURPLE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#56B4E9",
    "#CC79A7",
)
INK, MUTED, LINE, GREY = "#1b2733", "#5b6b7a", "#dfe5eb", "#8a97a3"
SERIES = (BLUE, AMBER, GREEN, PURPLE, SKY, VERMILION)
FULL, HALF = 9.4, 5.2

_STYLE: dict[RcKeyType, Any] = {
    "font.family": ["sans-serif"],
    # SVG text stays text; Verdana has the widths of DejaVu Sans, which the layout is made with.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "lamplighter",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.titlecolor": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    # A class named "$x$" is a name and no formula.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
# matplotlib's settings are global to the process, and tasks may run in threads.
_LOCK = RLock()


@contextmanager
def styled() -> Iterator[None]:
    """Draw in our look; other users of matplotlib keep theirs."""
    with _LOCK, rc_context(_STYLE), warnings.catch_warnings():
        # Names in any script: the browser has the letters that the layout font lacks.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        yield


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Give an empty figure, in inches, with one pair of axes."""
    # Pads in inches, so that nothing touches the border.
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    return figure, figure.add_subplot()


def svg(figure: Figure) -> str:
    """Give a figure as an SVG document, the same bytes for the same figure."""
    buffer = BytesIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode()


def svg_data_uri(figure: Figure) -> str:
    """Give a figure as an SVG data URI: in an <img> nothing in it can run or load."""
    return "data:image/svg+xml;base64," + b64encode(svg(figure).encode()).decode()


def png(figure: Figure, dpi: int = 144) -> bytes:
    """Give a figure as PNG bytes, the same for the same figure."""
    buffer = BytesIO()
    with styled():
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def png_data_uri(figure: Figure, dpi: int = 144) -> str:
    """Give a figure as a PNG data URI, for Markdown that cannot hold SVG."""
    return "data:image/png;base64," + b64encode(png(figure, dpi)).decode()
