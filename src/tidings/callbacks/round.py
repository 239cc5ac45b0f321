"""One round at a callback: the attempts that the dialect's own policy makes of one go, each of them kept as a row.

`delivery` has them made through `attempt.Attempts`: by `InProcess` on the gateway's loop, or by the same in a
process of its own (`courier`). What a round leaves undone, delivery tries again later.
"""

import logging
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final, Protocol

import msgspec

from tidings.callbacks import forms
from tidings.callbacks.agent import Fetched, fetch
from tidings.callbacks.attempt import Outcome, Telling, Terms
from tidings.callbacks.connection import MAX_BODY
from tidings.callbacks.exchange import Headers, Request, Response
from tidings.callbacks.guard import Guard
from tidings.callbacks.policy import Policy, cause, code, policy
from tidings.callbacks.transport import Transport
from tidings.clock import SECOND
from tidings.ids import new_id
from tidings.model import Attempt

log = logging.getLogger(__name__)

OURS: Final = 11200
"""The code where the fault is ours: that of whatever has no code of its own."""
KEPT_BODY: Final = 1024
"""Characters of a response that are kept."""
KEPT_HEADERS: Final = 4096
NOT_LIKED: Final = frozenset({400, 401, 403})
"""What applications answer to a signature that is not good."""
LONGEST_WAIT: Final = 10**9
"""Seconds: a Retry-After beyond it says no more, and would not fit where it is kept."""


def guarded(terms: Terms, *, max_body: int = MAX_BODY) -> tuple[Guard, Transport]:
    """A transport on these terms, and the guard that checks where it connects to; both are to be closed."""
    guard = Guard(
        allow_private=terms.allow_private,
        allow_hosts=terms.allow_hosts,
        allow_networks=terms.allow_networks,
        ports=frozenset(terms.ports) or None,
    )
    transport = Transport(
        guard,
        headers=((b"User-Agent", terms.user_agent.encode()), (b"Accept", b"*/*")),
        per_host=terms.per_host,
        total=terms.connections,
        max_body=max_body,
    )
    return guard, transport


class InProcess:
    """Makes them on this event loop. Implements `attempt.Attempts`."""

    def __init__(self, terms: Terms) -> None:
        self._guard, self._transport = guarded(terms)

    async def start(self) -> None:
        pass

    async def make(self, telling: Telling) -> Outcome:
        made: list[Attempt] = []
        try:
            return await _round(self._transport, telling, made)
        except Exception:
            # Ours to mend; meanwhile this one is tried again like any other, and whoever asked has an answer.
            log.exception("message %s, event %d: not attempted", telling.message.id, telling.event.number)
            return Outcome(None, OURS, attempts=tuple(made))

    async def stop(self) -> None:
        await self._transport.close()
        self._guard.close()


async def _round(transport: Transport, telling: Telling, made: list[Attempt]) -> Outcome:
    begun = time.monotonic()
    fetched = await ask(transport, telling, partial(forms.compose, telling), made)
    error, response = made[-1].error, fetched.response
    if response is None:
        return Outcome(None, error, attempts=tuple(made))
    wait = None if error is None else retry_after(response, telling.at + _micros(time.monotonic() - begun))
    return Outcome(response.status, error, wait, tuple(made))


class Compose(Protocol):
    def __call__(self, *, previous: bool = False) -> Request:
        """The request, signed; with `previous` by the auth token that the account rotated away."""
        ...


async def ask(
    transport: Transport, telling: Telling, compose: Compose, made: list[Attempt], *, at: int = 0
) -> Fetched:
    """Attempt after attempt, as long as the policy has it; each is added to `made`.

    `at`: microseconds since the round began, where other requests were made in it before.
    """
    started = time.monotonic()
    request = compose()
    rules = policy(telling.message.dialect, telling.target, request.url.fragment)
    deadline = started + rules.timeouts.total
    left = rules.retries

    async def attempt(request: Request) -> Fetched:
        begun = time.monotonic()
        request = msgspec.structs.replace(request, timeouts=rules.timeouts, sni=rules.sni)
        fetched = await fetch(transport, request, rules.redirects, deadline)
        made.append(row(telling, len(made), at + _micros(begun - started), request, fetched, rules))
        return fetched

    while True:
        fetched = await attempt(request)
        if _may_know_previous(telling, fetched) and time.monotonic() < deadline:
            previous = compose(previous=True)
            if previous != request:  # the auth token does not sign everything
                fetched = await attempt(previous)
        error = made[-1].error
        again = error is not None and left > 0 and cause(fetched.answer) in rules.retry_on
        if not again or time.monotonic() >= deadline:
            return fetched
        left -= 1


def _may_know_previous(telling: Telling, fetched: Fetched) -> bool:
    """Whether the application may still have the auth token that the account has just rotated away."""
    response = fetched.response
    return response is not None and response.status in NOT_LIKED and telling.account.overlapping(telling.at)


def retry_after(response: Response, now: int) -> int | None:
    """Microseconds that the host asks us to wait (RFC 9110 §10.2.3); None where it says nothing readable."""
    value = response.header(b"retry-after")
    if value is None:
        return None
    if value.isdigit():
        return min(int(value[:20]), LONGEST_WAIT) * SECOND
    try:
        date = parsedate_to_datetime(value.decode("latin-1"))
    except (ValueError, OverflowError):
        return None
    at = int(date.replace(tzinfo=date.tzinfo or UTC).timestamp()) * SECOND
    return max(0, at - now)


# What is kept


def row(telling: Telling, before: int, begun: int, request: Request, fetched: Fetched, rules: Policy) -> Attempt:
    """An attempt, `begun` microseconds after its round, in which there were some `before`."""
    at = telling.at + begun
    answer, response = fetched.answer, fetched.response
    detail = list(fetched.notes)
    if fetched.failure is not None:
        detail.append(fetched.failure.detail)
    if rules.ignored:
        detail.append(f"ignored in the fragment of the URL: {'&'.join(rules.ignored)}")
    return Attempt(
        id=new_id(at),
        message_id=telling.message.id,
        number=telling.event.number,
        target=telling.target,
        account=telling.account.id,
        ordinal=telling.attempts + before + 1,
        at=at,
        connected=None if answer.connected is None else _micros(answer.connected),
        first_byte=None if answer.first_byte is None else _micros(answer.first_byte),
        elapsed=_micros(answer.elapsed),
        method=request.method,
        url=request.url.text,
        headers=_lines(request.headers),
        body=_text(request.body),
        response=response.status if response else None,
        response_headers=_lines(response.headers)[:KEPT_HEADERS] if response else "",
        response_body=_text(response.body[: 4 * KEPT_BODY])[:KEPT_BODY] if response else "",
        error=code(rules.codes, answer),
        detail="; ".join(detail),
    )


def _lines(headers: Headers) -> str:
    return _text(b"\n".join([b"%b: %b" % header for header in headers]))


def _text(data: bytes) -> str:
    """As UTF-8, and as text that any store takes: PostgreSQL has no NUL."""
    return data.decode("utf-8", "replace").replace("\0", "\ufffd")


def _micros(seconds: float) -> int:
    return int(seconds * SECOND)
