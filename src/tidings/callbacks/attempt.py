"""What passes between the delivery room and whoever makes its requests: one round of attempts at one callback.

`delivery` decides when a round is due and what follows from it; `round` makes it, here or in a process of its own
(`courier`). Nothing else is shared between the two.
"""

import asyncio
from collections.abc import Awaitable, Mapping
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
    final: bool = False
    """Whether there is no use in asking again: what came was an answer, and cannot be used."""
    elsewhere: bool = False
    """Whether what failed was not the host that the callback is for: it answered, and its answer led on."""


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


class ByTarget:
    """Rounds of each target, made by whoever makes those. Implements `Attempts`."""

    def __init__(self, others: Attempts, special: Mapping[Target, Attempts]) -> None:
        """`others` makes the rounds of all targets that are not in `special`."""
        self.others = others
        self._special = special

    async def start(self) -> None:
        await asyncio.gather(self.others.start(), *(one.start() for one in self._special.values()))

    def make(self, telling: Telling) -> Awaitable[Outcome]:
        return self._special.get(telling.target, self.others).make(telling)

    async def stop(self) -> None:
        await asyncio.gather(self.others.stop(), *(one.stop() for one in self._special.values()))
