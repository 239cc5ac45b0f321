"""What passes between the delivery room and whoever makes its requests: one round of attempts at one callback.

`delivery` decides when a round is due and what follows from it; `round` makes it, here or in a process of its own
(`courier`). Nothing else is shared between the two.
"""

from collections.abc import Awaitable
from typing import Protocol

import msgspec

from tidings.model import Account, Attempt, Event, Message, Target


class Telling(msgspec.Struct, frozen=True, array_like=True):
    """All that a round is made of."""

    message: Message
    event: Event
    target: Target
    account: Account
    at: int
    """The time, on the gateway's clock."""
    attempts: int
    """How many were made before, in earlier rounds."""


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What came of it, in the words of the last attempt: done where `error` is None."""

    response: int | None
    """HTTP status, where there was an answer."""
    error: int | None
    """Twilio debugger code."""
    retry_after: int | None = None
    """Microseconds that the host asked us to wait (RFC 9110 §10.2.3)."""
    attempts: tuple[Attempt, ...] = ()
    """To be kept: at least one, but where nothing could be attempted at all."""


class Terms(msgspec.Struct, frozen=True):
    """On what terms requests are made, wherever they are."""

    allow_private: bool
    allow_hosts: tuple[str, ...]
    allow_networks: tuple[str, ...]
    ports: tuple[int, ...]
    """The only ones that may be called; none: any."""
    connections: int
    """To all hosts."""
    per_host: int
    """To one host."""
    user_agent: str


class Attempts(Protocol):
    """Whoever makes rounds of attempts."""

    async def start(self) -> None: ...

    def make(self, telling: Telling) -> Awaitable[Outcome]:
        """Raises ConnectionError where nobody can say whether it was made."""
        ...

    async def stop(self) -> None:
        """Attempts under way are given up."""
        ...
