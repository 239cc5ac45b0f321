"""One attempt at one callback: composed, signed, sent, judged. `delivery` decides what follows from it.

Two ways to make it, with one contract: here, or in a process of its own (`courier`), which takes the requests off
the gateway's event loop. What passes between them is an `Attempt` one way and an `Outcome` the other.
"""

import logging
from collections.abc import Awaitable
from typing import Final, Protocol

import msgspec

from tidings.callbacks import forms
from tidings.callbacks.exchange import TransportError
from tidings.callbacks.guard import Guard
from tidings.callbacks.transport import Transport
from tidings.model import Account, Event, Message

log = logging.getLogger(__name__)

REFUSED: Final = 11200
"""Debugger code for an answer that is no 2xx, and for whatever has no code of its own."""


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """All that a request is made of."""

    message: Message
    event: Event
    account: Account


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What came of it: done where `error` is None."""

    response: int | None
    """HTTP status, where there was an answer."""
    error: int | None
    """Twilio debugger code."""


class Terms(msgspec.Struct, frozen=True):
    """On what terms requests are made, wherever they are."""

    allow_private: bool
    concurrency: int
    """Connections to one host."""
    user_agent: str


class Attempts(Protocol):
    """Whoever makes attempts."""

    async def start(self) -> None: ...

    def make(self, attempt: Attempt) -> Awaitable[Outcome]:
        """Raises ConnectionError where nobody can say whether it was made."""
        ...

    async def stop(self) -> None:
        """Attempts under way are given up."""
        ...


class InProcess:
    """Makes them on this event loop."""

    def __init__(self, terms: Terms) -> None:
        self._transport = Transport(
            Guard(allow_private=terms.allow_private),
            headers=((b"User-Agent", terms.user_agent.encode()), (b"Accept", b"*/*")),
            per_host=terms.concurrency,
        )

    async def start(self) -> None:
        pass

    async def make(self, attempt: Attempt) -> Outcome:
        try:
            request = forms.compose(attempt.message, attempt.event, attempt.account)
            response = await self._transport.send(request)
        except TransportError as error:
            return Outcome(None, error.code)
        except Exception:
            # Ours to mend; meanwhile this one is tried again like any other, and whoever asked has an answer.
            log.exception("message %s, event %d: not attempted", attempt.message.id, attempt.event.number)
            return Outcome(None, REFUSED)
        return Outcome(response.status, None if 200 <= response.status < 300 else REFUSED)

    async def stop(self) -> None:
        await self._transport.close()
