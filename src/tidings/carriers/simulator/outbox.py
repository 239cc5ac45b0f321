"""What the simulated carrier owes one client (system_id): receipts and handset messages, until acknowledged.

`server` keeps one for every system_id, tells it which binds receive, and hands it what is due. A delivery goes
to a bind with room in its window, waits while there is none, and goes again when it was refused or its
connection was lost before the answer: as real centres do, so clients must expect to see it twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

import msgspec

from tidings.carriers.simulator.behaviour import Via
from tidings.carriers.simulator.counts import Counts
from tidings.carriers.simulator.timers import Timers
from tidings.carriers.smpp.link import Link, NoResponse, NotWritten
from tidings.carriers.smpp.pdu import Pdu
from tidings.clock import SECOND, Clock


class Delivery(msgspec.Struct):
    """One deliver_sm or data_sm to a client."""

    command: int
    body: bytes
    """Encoded, TLVs included; everything behind the header."""
    origin: Link | None = None
    """Where the submission it is about came from."""
    via: Via = Via.ORIGIN
    done: asyncio.Future[None] | None = None
    """Resolved when it has been acknowledged; one nobody waits for any more (cancelled) is not sent."""


class Outbox:
    def __init__(
        self,
        *,
        clock: Clock,
        timers: Timers,
        counts: Counts,
        changed: Callable[[], None],
        window: int,
        limit: int,
        retry: float,
    ) -> None:
        """`window`: unanswered deliveries a bind; `limit`: receipts owed; `retry`: seconds after a refusal."""
        self._clock = clock
        self._timers = timers
        self._counts = counts
        self._changed = changed
        self._window = window
        self._limit = limit
        self._retry = int(retry * SECOND)
        self._receivers: list[Link] = []
        self._waiting: deque[Delivery] = deque()
        self._owed = 0
        self.owed_answers: list[bytes] = []
        """submit_sm_resp PDUs that are to be written on the next bind."""

    @property
    def receivers(self) -> int:
        """How many binds receive."""
        return len(self._receivers)

    def attach(self, link: Link) -> None:
        """This bind receives from now on."""
        self._receivers.append(link)
        self._counts.receivers += 1
        self.pump()

    def detach(self, link: Link) -> None:
        if link in self._receivers:
            self._receivers.remove(link)
            self._counts.receivers -= 1

    def send(self, delivery: Delivery) -> None:
        """Owe this to the client; it goes now if it can. Beyond the limit receipts are dropped."""
        if self._owed >= self._limit and delivery.done is None:
            self._counts.dropped += 1
            return
        self._owed += 1
        self._waiting.append(delivery)
        self.pump()

    def pump(self) -> None:
        """Write what waits, in order, as far as windows go."""
        while self._waiting:
            delivery = self._waiting[0]
            if delivery.done and delivery.done.cancelled():
                self._waiting.popleft()
                self._owed -= 1
            elif link := self._choose(delivery):
                self._waiting.popleft()
                self._write(delivery, link)
            else:
                return

    def _choose(self, delivery: Delivery) -> Link | None:
        """The bind this delivery prefers among those with room."""
        other = None
        wants_origin = delivery.via is Via.ORIGIN
        for link in self._receivers:
            if link.unanswered < self._window and link.writable:
                if (link is delivery.origin) == wants_origin:
                    return link
                other = link
        return other

    def _write(self, delivery: Delivery, link: Link) -> None:
        try:
            answer = link.request(delivery.command, delivery.body)
        except NotWritten:  # it closes: its end is already on the way to `detach`
            self.detach(link)
            self._waiting.appendleft(delivery)
            return
        self._counts.delivered += 1
        answer.add_done_callback(partial(self._answered, delivery))
        self._changed()

    def _answered(self, delivery: Delivery, answer: asyncio.Future[Pdu]) -> None:
        error = answer.exception()
        if isinstance(error, NoResponse):
            self._counts.sent_again += 1
            self._again(delivery)
        elif answer.result().status:
            self._counts.sent_again += 1
            self._timers.at(self._clock.now() + self._retry, partial(self._again, delivery))
        else:
            self._owed -= 1
            self._counts.acknowledged += 1
            if delivery.done and not delivery.done.done():
                delivery.done.set_result(None)
        self.pump()
        self._changed()

    def _again(self, delivery: Delivery) -> None:
        self._waiting.append(delivery)
        self.pump()
