"""What a language model costs, and a cap that holds whichever thread asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from lamplighter.errors import ConfigError

PER = 1_000_000  #: tokens that a price is for


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens, in the campaign's currency."""

    input: float = 0.0
    output: float = 0.0

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """Give what so many tokens cost."""
        return (input_tokens * self.input + output_tokens * self.output) / PER


class Meter:
    """Adds up what was paid, and refuses what might go beyond the cap.

    A request is let through when what was paid, the most that the requests under way can cost, and the
    most that it can cost itself do not exceed the cap together.
    """

    def __init__(self, cap: float | None, spent: float = 0.0) -> None:
        self.cap = cap
        self.spent = spent
        self.reserved = 0.0
        self.under_way = 0
        self.changed = threading.Condition()

    def reserve(self, most: float) -> bool:
        """Say whether a request that costs at most `most` may start; waits for those under way to tell."""
        with self.changed:
            while self.cap is not None and self.spent + self.reserved + most > self.cap:
                if not self.under_way:
                    return False
                self.changed.wait()
            self.under_way += 1
            self.reserved += most
            return True

    def settle(self, most: float, cost: float) -> None:
        """Replace a reservation by what the request did cost."""
        with self.changed:
            self.spent += cost
            self.under_way -= 1
            # Exactly 0 when nothing is under way; a difference of sums of floats would not quite be.
            self.reserved = self.reserved - most if self.under_way else 0.0
            self.changed.notify_all()


def check_prices(input_price: object, output_price: object, max_cost: object) -> None:
    """Raise ConfigError unless the prices are numbers and a cap has prices to go by."""
    for name, price in (("input_price", input_price), ("output_price", output_price)):
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
            raise ConfigError(f"{name} is {price!r}; allowed: the price of a million tokens, from 0 on")
    if max_cost is None:
        return
    if isinstance(max_cost, bool) or not isinstance(max_cost, int | float) or not 0 < max_cost < float("inf"):
        raise ConfigError(f"max_cost is {max_cost!r}; allowed: a number above 0")
    if not input_price and not output_price:
        raise ConfigError("max_cost needs input_price and output_price; give the prices of a million tokens")
