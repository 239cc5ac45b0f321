"""An MM7 carrier: the contract of `carriers.base` for media messages, handed to an operator's MMSC over HTTP.

The gateway takes a `slot`, submits through it and gets one of the five answers. What an answer means is for
`verdict` to say, how a message travels for `wire`; `client` posts it, `reach` knows whether the MMSC is there, and
`inbox` takes what it delivers to us.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from tidings.carriers.base import (
    Accepted,
    Answer,
    NotSent,
    Rejected,
    Sink,
    Submission,
    Throttled,
    Uncertain,
)
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.client import Client, NoAnswer, NotWritten
from tidings.carriers.mm7.inbox import Delivered, Inbox
from tidings.carriers.mm7.reach import Reach
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.mm7.slots import Slots
from tidings.carriers.mm7.verdict import Verdict, judge
from tidings.carriers.smpp.command_status import Kind
from tidings.clock import Clock, SystemClock
from tidings.model import Channel
from tidings.text import Encoding

log = logging.getLogger(__name__)

UNSENDABLE: Final = 30008
"""Twilio error code of what cannot be written."""


class Mm7Slot:
    """Room for one submission."""

    __slots__ = ("_carrier", "_used")

    def __init__(self, carrier: "Mm7Carrier") -> None:
        self._carrier = carrier
        self._used = False

    def submit(self, submission: Submission) -> Coroutine[Any, Any, Answer]:
        self._use()
        return self._carrier._submit(submission)

    def release(self) -> None:
        self._use()
        self._carrier._slots.give_back()

    def _use(self) -> None:
        if self._used:
            raise RuntimeError("a slot is good for one submission")
        self._used = True


class Mm7Carrier:
    """Implements `carriers.base.Carrier`. It has no receipts, and cannot be asked what became of a message."""

    channels: Final = frozenset({Channel.MMS})

    def __init__(
        self,
        settings: Mm7Settings,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises OSError for a TLS file that cannot be used."""
        self.name = settings.name
        self.settings = settings
        self._inbox = Inbox(settings, clock or SystemClock())
        self._slots = Slots(settings.window, settings.throughput, monotonic, lambda: self.up)
        tls = settings.ssl_context()
        self._reach = Reach(settings, tls, on_change=self._slots.serve)
        self._client = Client(settings, tls)
        self._probing: asyncio.Task[None] | None = None
        self._stopping = False

    # The contract

    @property
    def capacity(self) -> int:
        return self.settings.window

    @property
    def up(self) -> bool:
        """Since a connection could be made, until one could not or the MMSC would not have us."""
        return self._reach.up and not self._stopping

    def split(self, body: str, encoding: Encoding) -> list[str]:
        """Media messages have no segments."""
        return [body]

    def key(self, carrier_id: str) -> str:
        return carrier_id

    def slot_now(self) -> Mm7Slot | None:
        return Mm7Slot(self) if self._slots.take_now() else None

    async def slot(self) -> Mm7Slot:
        await self._slots.take()
        return Mm7Slot(self)

    async def start(self, sink: Sink) -> None:
        self._inbox.sink = sink
        self._probing = asyncio.create_task(self._reach.run(), name=f"{self.name} probe")

    async def stop(self, drain: float) -> None:
        """Answers to what is in flight are waited for."""
        self._stopping = True
        self._slots.close()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        try:
            async with asyncio.timeout(drain):
                await self._slots.emptied()
        except TimeoutError:
            log.warning("%s: stopped with %d answers outstanding", self.name, self._slots.taken)
        await self._client.close()

    # Beyond the contract: what `web.mm7` needs

    def admits(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request comes from our MMSC: before its body is read."""
        return self._inbox.admits(headers)

    async def deliver(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivered:
        """The answer to what the MMSC posted to us."""
        return await self._inbox.deliver(headers, body)

    # Submitting

    async def _submit(self, submission: Submission) -> Answer:
        try:
            return await self._exchange(submission)
        finally:
            self._slots.vacate()

    async def _exchange(self, submission: Submission) -> Answer:
        # Another try is another transaction: an MMSC may take the same one for a repetition, and not look at it.
        transaction = f"{submission.message_id}-{secrets.token_hex(4)}"
        try:
            content_type, body = wire.submit_request(submission, self.settings, transaction)
        except ValueError as error:
            return Rejected(UNSENDABLE, permanent=False, reason=f"cannot be sent: {error}")
        try:
            reply = await self._client.post(content_type, body)
        except NotWritten as error:
            self._reach.unreachable(str(error))
            return NotSent(str(error))
        except NoAnswer as error:
            return Uncertain(str(error))
        return self._answer(judge(reply, transaction))

    def _answer(self, verdict: Verdict) -> Answer:
        """One of the five answers, and what follows for the carrier."""
        rule, reason = verdict.rule, verdict.reason
        if rule.kind is Kind.BIND:
            self._reach.refused(reason)
            return NotSent(reason)
        self._reach.answered()
        match rule.kind:
            case Kind.OK:
                return Accepted(verdict.message_id)
            case Kind.SLOW:
                self._slots.slow(rule.after)
                return Throttled(rule.after, reason, rule.error)
            case Kind.AGAIN:
                return Rejected(rule.error, permanent=False, reason=reason, retries=rule.retries, after=rule.after)
            case Kind.ROUTE:
                return Rejected(rule.error, permanent=False, reason=reason)
            case Kind.MESSAGE:
                return Rejected(rule.error, permanent=True, reason=reason)
            case _:
                return Uncertain(reason)
