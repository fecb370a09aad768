"""Foreign text and numbers, as a page shows them."""

from __future__ import annotations

import re
from datetime import timedelta

#: What cannot be seen: controls but tab and newline, lone surrogates, which no encoding takes, and
#: marks that reorder or hide the text around them (Unicode TR 36, "bidirectional text spoofing").
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
    "\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
LONGEST = 160


def printable(text: str) -> str:
    r"""Spell out characters that cannot be seen: controls, lone surrogates, marks of direction.

    >>> print(printable("a\x00b\u202ec"))
    a\x00b\u202ec
    """
    return _UNSEEN.sub(_spelled, text)


def shorten(text: str, longest: int = LONGEST) -> str:
    """Make text printable, on one line, and at most `longest` characters long, cut with an ellipsis."""
    # Cut first: a text of megabytes must not be walked through twice.
    line = printable(" ".join(text[: 4 * longest].split()))
    return line if len(line) <= longest and len(text) <= 4 * longest else line[: longest - 1] + "…"


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def count(number: float) -> str:
    """Give a whole number with thousands: 12,345."""
    return f"{number:,.0f}"


def decimal(number: float | None) -> str:
    """Give a metric, a score or a probability with three places; a dash for none."""
    return "–" if number is None else f"{number:.3f}"


def percent(share: float | None) -> str:
    """Give a share as per cent with one place; a dash for none."""
    return "–" if share is None else f"{share:.1%}"


def money(amount: float) -> str:
    """Give an amount with two places; the currency is the campaign's own."""
    return f"{amount:,.2f}"


def duration(time: timedelta | float) -> str:
    """Give a duration: 0.42 s, 12 s, 3 min 05 s, 2 h 07 min.

    >>> [duration(s) for s in (0.42, 12.2, 185, 7620)]
    ['0.42 s', '12 s', '3 min 05 s', '2 h 07 min']
    """
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(number: float) -> str:
    """Give bytes in the unit that fits: 512 B, 1.4 kB, 3.0 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
