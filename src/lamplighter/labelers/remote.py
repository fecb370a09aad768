"""What the labelers share that ask over the network."""

from __future__ import annotations

from lamplighter.labelers.asking import Automated
from lamplighter.labelers.wire import Patience


class Remote(Automated):
    """An automated labeler behind an address.

    Attributes
    ----------
    timeout_s, attempts, backoff_s, max_wait_s, requests_per_s
        See `Patience`.
    """

    timeout_s: float
    attempts: int
    backoff_s: float
    max_wait_s: float
    requests_per_s: float | None

    @property
    def patience(self) -> Patience:
        """How the address is treated."""
        return Patience(self.timeout_s, self.attempts, self.backoff_s, self.max_wait_s, self.requests_per_s)
