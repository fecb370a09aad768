"""The two kinds of token that Label Studio gives out."""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic

#: An access token lasts 300 s; a request that takes its time must not meet the end.
_FRESH_S = 200.0


def is_personal(token: str) -> bool:
    """Say whether this is a personal access token: a JSON web token, which an API key never is."""
    parts = token.split(".")
    if len(parts) != 3:
        return False
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return False
    return isinstance(claims, dict)


class Access(ABC):
    """What lets requests pass."""

    remedy: str  #: what to do when they do not

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown, beside the token itself."""
        return ()

    @abstractmethod
    def header(self) -> str:
        """Give the value of the header Authorization."""

    def renew(self) -> bool:
        """Forget what was refused; say whether there may be something better."""
        return False


class LegacyToken(Access):
    """A token that is sent as it is."""

    remedy = (
        "check the token under Account & Settings; it may be revoked, or legacy tokens may be switched off "
        "for the organization: then use a personal access token"
    )

    def __init__(self, token: str) -> None:
        self.token = token

    def header(self) -> str:
        """Give the token."""
        return f"Token {self.token}"


class PersonalToken(Access):
    """A token that is exchanged for one that lasts some minutes.

    Parameters
    ----------
    exchange
        Gets an access token for the personal one.
    """

    remedy = "check that the personal access token's owner may see the project and change it"

    def __init__(self, token: str, exchange: Callable[[str], str]) -> None:
        self.token, self.exchange = token, exchange
        self.access: str | None = None
        self.until = 0.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """The access token."""
        return (self.access,) if self.access else ()

    def header(self) -> str:
        """Give an access token that is still good for a while."""
        if self.access is None or monotonic() > self.until:
            self.access = self.exchange(self.token)
            self.until = monotonic() + _FRESH_S
        return f"Bearer {self.access}"

    def renew(self) -> bool:
        """Forget the access token; another may be had unless this one is new."""
        self.access = None
        return True
