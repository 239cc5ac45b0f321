"""An SMPP carrier: the contract of `carriers.base` over one or several binds.

The gateway takes a `slot` (room in a window, a token of the throughput), submits through it and gets one of the
five answers; what the carrier delivers is `inbox`'s. What a command_status means is `command_status`'s to say,
how text travels `segment`'s, how fast `pace`'s; each connection looks after itself in `bind`.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import msgspec

from tidings.carriers.base import (
    Accepted,
    Answer,
    NotSent,
    Receipt,
    Rejected,
    Sink,
    Submission,
    Throttled,
    Uncertain,
)
from tidings.carriers.smpp import profile as profiles
from tidings.carriers.smpp import receipt, segment
from tidings.carriers.smpp.bind import Bind, BindView
from tidings.carriers.smpp.command_status import Kind, StatusRule, classify
from tidings.carriers.smpp.inbox import Inbox
from tidings.carriers.smpp.link import Link, NoResponse, NotWritten
from tidings.carriers.smpp.message_id import stored_key
from tidings.carriers.smpp.pace import Pace
from tidings.carriers.smpp.pdu import Command, MessageIdResp, Pdu, QuerySm, QuerySmResp, Tag
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import Clock, SystemClock
from tidings.model import Channel
from tidings.text import Encoding

log = logging.getLogger(__name__)

# RINVCMDLEN, RINVCMDID: the carrier cannot read this PDU. Binding again would not help it, and a message that
# draws this answer would take the bind down every time.
_UNREADABLE: Final = frozenset({0x02, 0x03})

_UNSENDABLE: Final = 30008
"""Twilio error code of what our own codec refuses."""

_RECEIPT: Final = 0x04
"""esm_class of a final receipt (SMPP 3.4 §5.2.12)."""


class SmppView(msgspec.Struct, frozen=True):
    """A carrier as an operator sees it."""

    name: str
    up: bool
    rate: float
    """Segments a second allowed now, 0 for no limit."""
    throttled: bool
    waiting: int
    """Callers waiting for a slot."""
    binds: tuple[BindView, ...]
    counts: dict[str, int]


class SmppSlot:
    """Room for one submit_sm in one bind's window."""

    __slots__ = ("_bind", "_carrier", "_link", "_used")

    def __init__(self, carrier: "SmppCarrier", bind: Bind, link: Link) -> None:
        self._carrier = carrier
        self._bind = bind
        self._link = link
        self._used = False

    def submit(self, submission: Submission) -> Coroutine[Any, Any, Answer]:
        self._use()
        return self._carrier._submit(self._bind, self._link, submission)

    async def query(self, body: QuerySm) -> Pdu | None:
        """The answer to a query_sm, None where there is none."""
        self._use()
        try:
            return await self._link.request(Command.QUERY_SM, body)
        except (NotWritten, NoResponse, ValueError):
            return None
        finally:
            self._carrier._vacate(self._bind)

    def release(self) -> None:
        self._use()
        self._carrier._pace.give_back()
        self._carrier._vacate(self._bind)

    def _use(self) -> None:
        if self._used:
            raise RuntimeError("a slot is good for one submission")
        self._used = True


class SmppCarrier:
    """`on_late(submission, answer)` tells what a carrier answered after its submission was called uncertain."""

    channels: Final = frozenset({Channel.SMS})

    def __init__(
        self,
        settings: SmppSettings,
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_late: Callable[[Submission, Answer], None] | None = None,
    ) -> None:
        """Raises ProfileError for a profile, OSError for a TLS file that cannot be used."""
        self.name = settings.name
        self.settings = settings
        self.profile = profiles.load(settings.profile)
        self.on_late = on_late
        self.counts: Counter[str] = Counter()
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._window = settings.window or self.profile.window
        limit = self.profile.throughput if settings.throughput is None else settings.throughput
        self._pace = Pace(limit, monotonic())
        self._waiters: deque[asyncio.Future[SmppSlot]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._slowed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._inbox = Inbox(settings, self.profile, self._clock, self.counts, on_empty=self._idle.set)
        self._binds = self._make_binds()

    def _make_binds(self) -> list[Bind]:
        tls = self.settings.ssl_context()
        return [
            Bind(
                self.settings,
                self.profile,
                kind,
                name=f"{self.name} {suffix}{number}",
                window=self._window,
                clock=self._clock,
                counts=self.counts,
                tls=tls,
                on_request=self._inbox.take,
                on_change=self._serve,
            )
            for number in range(1, self.settings.binds + 1)
            for kind, suffix in _KINDS[self.settings.bind]
        ]

    # The contract

    @property
    def capacity(self) -> int:
        return self._window * self.settings.binds

    @property
    def up(self) -> bool:
        return not self._stopping and any(bind.up for bind in self._binds)

    def split(self, body: str, encoding: Encoding) -> list[str]:
        return segment.split(body, encoding, self.settings)

    def key(self, carrier_id: str) -> str:
        return stored_key(carrier_id, self.profile.ids)

    async def start(self, sink: Sink) -> None:
        self._inbox.sink = sink
        self._tasks = [asyncio.create_task(bind.run(), name=bind.name) for bind in self._binds]

    def slot_now(self) -> SmppSlot | None:
        return None if self._waiters else self._grant()

    async def slot(self) -> SmppSlot:
        if slot := self.slot_now():
            return slot
        waiter: asyncio.Future[SmppSlot] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                waiter.result().release()
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    async def stop(self, drain: float) -> None:
        """Answers to what is in flight are waited for, and what was received is kept and acknowledged."""
        self._stopping = True
        if self._timer:
            self._timer.cancel()
        try:
            async with asyncio.timeout(drain):
                while self._in_flight or self._inbox.tasks:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            log.warning("%s: stopped with %d answers outstanding", self.name, self._in_flight)
        await asyncio.gather(*(bind.unbind() for bind in self._binds))
        tasks = (*self._tasks, *self._inbox.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Beyond the contract

    @property
    def answers_queries(self) -> bool:
        """Whether `query` is of use: the profile says so."""
        return self.profile.query

    async def query(self, carrier_id: str, sender: str) -> Receipt | None:
        """Ask the carrier what became of a segment; None where it does not say or the profile has no query_sm.

        `sender` as in the submission: the carrier checks it against the id (SMPP 3.4 §4.8.1).
        """
        if not self.profile.query:
            return None
        address = segment.source(sender, self.settings)
        slot = await self.slot()
        pdu = await slot.query(QuerySm(carrier_id, address.ton, address.npi, address.digits))
        if pdu is None or pdu.status or not isinstance(pdu.body, QuerySmResp):
            return None
        body = pdu.body
        return receipt.parse(
            carrier=self.name,
            received_at=self._clock.now(),
            source="",
            destination=sender,
            esm_class=_RECEIPT,
            text=f"err:{body.error_code:03d} done date:{body.final_date}".encode("latin-1"),
            tlvs={
                Tag.RECEIPTED_MESSAGE_ID: carrier_id.encode("latin-1", "replace"),
                Tag.MESSAGE_STATE: bytes((body.message_state,)),
            },
            raw=pdu.raw.hex(),
            profile=self.profile,
            problems=("answer to query_sm", *pdu.problems),
        )

    def describe(self) -> SmppView:
        now = self._monotonic()
        self._show_pace(now)
        return SmppView(
            name=self.name,
            up=self.up,
            rate=self._pace.rate(now),
            throttled=self._pace.throttled(now),
            waiting=sum(not waiter.done() for waiter in self._waiters),
            binds=tuple(bind.view() for bind in self._binds),
            counts=dict(self.counts),
        )

    # Slots

    @property
    def _in_flight(self) -> int:
        return sum(bind.in_flight for bind in self._binds)

    def _grant(self) -> SmppSlot | None:
        """A slot, if there is one now; else whatever will make one calls `_serve`."""
        if self._stopping:
            return None
        bind, most = None, 0
        for each in self._binds:
            if (room := each.room) > most:
                bind, most = each, room
        if bind is None or bind.link is None:
            return None
        now = self._monotonic()
        wait = self._pace.wait(now)
        if wait > 0:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(wait, self._ring)
            return None
        self._pace.take(now)
        if self._slowed:
            self._show_pace(now)
        bind.in_flight += 1
        return SmppSlot(self, bind, bind.link)

    def _ring(self) -> None:
        self._timer = None
        self._serve()

    def _serve(self) -> None:
        """Give what slots there are to those who wait, first come first served."""
        while self._waiters:
            if self._waiters[0].done():  # cancelled
                self._waiters.popleft()
            elif slot := self._grant():
                self._waiters.popleft().set_result(slot)
            else:
                return

    def _vacate(self, bind: Bind) -> None:
        bind.in_flight -= 1
        if self._waiters:
            self._serve()
        if self._stopping:
            self._idle.set()

    # Submitting

    async def _submit(self, bind: Bind, link: Link, submission: Submission) -> Answer:
        answer: Answer
        try:
            pdu = await self._write(bind, link, submission)
        except NotWritten as error:
            answer = NotSent(str(error))
        except ValueError as error:
            answer = Rejected(_UNSENDABLE, permanent=False, reason=f"cannot be sent: {error}")
        except NoResponse as error:
            if link.writable:
                bind.stall(str(error))
            answer = Uncertain(str(error))
        else:
            bind.answered()
            answer = self._judge(bind, pdu)
        finally:
            self._vacate(bind)
        self.counts[_COUNTED[type(answer)]] += 1
        return answer

    def _write(self, bind: Bind, link: Link, submission: Submission) -> asyncio.Future[Pdu]:
        """The response to come; raises as `link.request` does."""
        body, tlvs = segment.compose(
            submission,
            self.settings,
            tlvs_allowed=bind.tlvs_allowed,
            reference_wanted=self.profile.user_message_reference,
        )
        return link.request(Command.SUBMIT_SM, body, tlvs, late=partial(self._settle_late, bind, submission))

    def _judge(self, bind: Bind, pdu: Pdu) -> Answer:
        """One of the five answers, by the table of command_status."""
        if pdu.command != Command.SUBMIT_SM_RESP and pdu.status == 0:
            return Uncertain("generic_nack without an error")
        if pdu.status == 0 and isinstance(pdu.body, MessageIdResp):
            return Accepted(pdu.body.message_id)
        rule = classify(pdu.status, self.profile)
        reason = f"{rule.name} (0x{pdu.status:02X})"
        if pdu.status in _UNREADABLE and rule.kind is Kind.BIND:
            return Rejected(rule.error, permanent=False, reason=reason)
        if rule.kind is Kind.OK:  # a profile's word for a status that is none of the specification's
            return Accepted(pdu.body.message_id if isinstance(pdu.body, MessageIdResp) else "")
        return self._refusal(bind, rule, reason)

    def _refusal(self, bind: Bind, rule: StatusRule, reason: str) -> Answer:
        match rule.kind:
            case Kind.SLOW:
                self._slow_down(bind, rule, reason)
                return Throttled(rule.after, reason, rule.error)
            case Kind.AGAIN:
                return Rejected(rule.error, permanent=False, reason=reason, retries=rule.retries, after=rule.after)
            case Kind.ROUTE:
                return Rejected(rule.error, permanent=False, reason=reason)
            case Kind.MESSAGE:
                return Rejected(rule.error, permanent=True, reason=reason)
            case Kind.BIND:
                bind.rebind(reason)
                return NotSent(reason)
            case _:
                return Uncertain(reason)

    def _slow_down(self, bind: Bind, rule: StatusRule, reason: str) -> None:
        now = self._monotonic()
        if self._pace.slow(now, min(rule.after, self.settings.throttle_pause)):
            log.info("%s: %s: down to %.3g segments/s", self.name, reason, self._pace.rate(now))
        bind.throttle(True, reason)
        self._slowed = True

    def _show_pace(self, now: float) -> None:
        if self._slowed and not self._pace.throttled(now):
            self._slowed = False
            for bind in self._binds:
                bind.throttle(False)

    def _settle_late(self, bind: Bind, submission: Submission, pdu: Pdu) -> None:
        bind.answered()
        answer = self._judge(bind, pdu)
        self._serve()
        log.info("%s: %s part %d was answered late: %s", self.name, submission.message_id, submission.part, answer)
        if self.on_late:
            self.on_late(submission, answer)


_KINDS: Final = {
    "transceiver": ((Command.BIND_TRANSCEIVER, ""),),
    "transmitter+receiver": ((Command.BIND_TRANSMITTER, "tx"), (Command.BIND_RECEIVER, "rx")),
}

_COUNTED: Final[dict[type[Answer], str]] = {
    Accepted: "accepted",
    Rejected: "rejected",
    Throttled: "throttled",
    NotSent: "not_sent",
    Uncertain: "uncertain",
}
