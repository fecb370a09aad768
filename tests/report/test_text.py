"""Foreign text and numbers on a page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.report import text


@given(st.text(st.characters(), max_size=400), st.integers(5, 60))
def test_shortened_text_is_one_encodable_line_of_that_length(foreign: str, longest: int) -> None:
    line = text.shorten(foreign, longest)
    assert len(line) <= longest
    assert "\n" not in line
    line.encode()
    assert text.printable(line) == line


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30))
def test_short_plain_text_stays(plain: str) -> None:
    assert text.printable(plain) == plain
    assert text.shorten(plain, 40) == " ".join(plain.split())


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.42, "0.42 s"),
        (9.9, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert text.duration(seconds) == said
    assert text.duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0 B"), (999, "999 B"), (1400, "1.4 kB"), (3e6, "3.0 MB"), (5e12, "5000.0 GB")]
)
def test_sizes(size: float, said: str) -> None:
    assert text.size(size) == said


def test_numbers_without_a_value_are_a_dash() -> None:
    assert (text.decimal(None), text.percent(None)) == ("–", "–")
    assert (text.decimal(0.12345), text.percent(0.1234), text.money(1234.5), text.count(12345.4)) == (
        "0.123",
        "12.3%",
        "1,234.50",
        "12,345",
    )
