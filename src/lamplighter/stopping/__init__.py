"""When a campaign ends: one file per rule."""

from lamplighter.registry import Registry
from lamplighter.stopping.base import Stop, StoppingRule
from lamplighter.stopping.budget import Budget
from lamplighter.stopping.diminishing_returns import DiminishingReturns
from lamplighter.stopping.exhausted import Exhausted
from lamplighter.stopping.stability import Stability
from lamplighter.stopping.target import Target

__all__ = [
    "STOPPING",
    "Budget",
    "DiminishingReturns",
    "Exhausted",
    "Stability",
    "Stop",
    "StoppingRule",
    "Target",
]

STOPPING: Registry[StoppingRule] = Registry(
    "stopping rule",
    {
        "target": Target,
        "budget": Budget,
        "diminishing_returns": DiminishingReturns,
        "stability": Stability,
        "exhausted": Exhausted,
    },
    "lamplighter.stopping",
)
