"""What every contract suite is made of: named cases that raise ContractBroken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class ContractBroken(AssertionError):
    """A plug-in does not keep a law that the rest of Lamplighter relies on."""


@dataclass(frozen=True)
class Case:
    """One law for one plug-in. Calling it checks; `str` names it, for `pytest.mark.parametrize(ids=str)`."""

    name: str
    check: Callable[[], None]

    def __call__(self) -> None:
        """Check the law; raises ContractBroken."""
        self.check()

    def __str__(self) -> str:
        return self.name


def hold(condition: object, message: str) -> None:
    """Raise ContractBroken with `message` unless the condition is true."""
    if not condition:
        raise ContractBroken(message)
