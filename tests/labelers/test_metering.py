"""The cap holds, whichever thread asks; nothing is left over, and nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.errors import ConfigError
from lamplighter.labelers.metering import Meter, Prices, check_prices
from lamplighter.labelers.shelf import Usage


def test_prices_are_of_a_million_tokens() -> None:
    assert Prices(2.0, 8.0).of(1_000_000, 500_000) == 6.0
    assert Prices(0.15, 0.6).of(1000, 10) == pytest.approx(0.000156)


@given(
    st.floats(0.1, 10),
    st.lists(st.tuples(st.floats(0.01, 2), st.floats(0, 1)), max_size=40),
    st.floats(0, 5),
)
def test_one_after_the_other_never_goes_beyond_the_cap(
    cap: float, requests: list[tuple[float, float]], before: float
) -> None:
    meter, paid = Meter(cap, before), before
    for most, share in requests:
        if meter.reserve(most):
            assert paid + most <= cap + 1e-9
            meter.settle(most, most * share)
            paid += most * share
    assert meter.spent == pytest.approx(paid)
    assert meter.spent <= max(cap, before) + 1e-9


@pytest.mark.parametrize("threads", [1, 7])
def test_many_at_once_use_the_cap_up_and_not_more(threads: int) -> None:
    """Each may cost 1 and costs 0.1: of a cap of 10.05, 91 can start, the last when 9.0 are paid."""
    meter, under_way, most = Meter(10.05), threading.Semaphore(7), 0

    def work(_: int) -> bool:
        nonlocal most
        if not meter.reserve(1.0):
            return False
        with under_way:
            most = max(most, meter.under_way)
        meter.settle(1.0, 0.1)
        return True

    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(work, range(200)))
    assert sum(done) == 91
    assert meter.spent == pytest.approx(9.1)
    assert (meter.reserved, meter.under_way) == (0.0, 0)


def test_without_a_cap_everything_goes() -> None:
    meter = Meter(None)
    assert all(meter.reserve(1e9) for _ in range(5))
    meter.settle(1e9, 3.0)
    assert meter.spent == 3.0


def test_usages_add_up() -> None:
    assert Usage(1, 2, 3, 0.5) + Usage(1, 10, 20, 0.25) == Usage(2, 12, 23, 0.75)


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ((-1, 0, None), "input_price is -1"),
        ((0, "2", None), "output_price is '2'"),
        ((True, 0, None), "input_price is True"),
        ((0, float("inf"), None), "output_price is inf"),
        ((1, 1, 0), "max_cost is 0; allowed: a number above 0"),
        ((1, 1, "5"), "max_cost is '5'"),
        ((0, 0, 5), "max_cost needs input_price and output_price"),
    ],
)
def test_wrong_prices_are_refused(prices: tuple[object, object, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_prices(*prices)
