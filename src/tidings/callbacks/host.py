"""One host that is told things: how much may be under way there, and whose turn it is.

A lane (`lanes`) asks to be admitted before each round and leaves after it. What one host may have under way is
its breaker's to say, and lanes at the same host have equal shares of it. Over all hosts there are so many places
(`shares`).
"""

import asyncio
import logging
from asyncio import Future
from collections import deque
from functools import lru_cache
from typing import Protocol

import msgspec

from tidings.callbacks.attempt import Outcome
from tidings.callbacks.breaker import Breaker, BreakerState
from tidings.callbacks.shares import Share, Shares, kind_of
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import Alarm, AlarmClock
from tidings.model import Callback

log = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def host_of(url: str) -> str | None:
    """The name that a URL's host has among the lanes; None where nobody can be told there."""
    try:
        scheme, host, port = parse_url(url).origin
    except InvalidUrl as error:
        # Dialects check URLs before they take a message: this one was kept by an earlier version.
        log.error("nobody can be told at %s", error)
        return None
    return f"{scheme}://{host}:{port}"


class Hosted(Protocol):
    """A lane, as its host sees it."""

    under_way: int
    """Rounds; the host counts them."""

    def look_again(self) -> None:
        """The host is back."""
        ...

    def shed(self) -> None:
        """The host is out of reach, and was so when it was last tried."""
        ...


class Permit(msgspec.Struct, frozen=True):
    """To make one round; given back by `Host.leave`."""

    share: Share
    probe: bool
    """The breaker let it through to see whether the host is back."""


class Host:
    def __init__(self, name: str, most: int, shares: Shares, clock: AlarmClock, started: int) -> None:
        """`most`: requests under way to this host at a time. `started`: when this gateway did."""
        self.name = name
        self.breaker = Breaker(most)
        self.lanes: dict[str, Hosted] = {}
        """By account."""
        self._shares = shares
        self._clock = clock
        self._started = started
        self._under_way = 0
        self._waiting: deque[tuple[Hosted, Future[bool]]] = deque()
        """Whose turn it will be, in the order they came; the result says whether it is to be a probe."""
        self._timer: Alarm | None = None

    @property
    def state(self) -> BreakerState:
        return self.breaker.state(self._clock.now())

    async def admit(self, lane: Hosted, callback: Callback) -> Permit:
        """Wait until it is the lane's turn and there is room for a round at `callback`."""
        if self._waiting or not self._may(lane):
            turn: Future[bool] = asyncio.get_running_loop().create_future()
            self._waiting.append((lane, turn))
            self._let_in()
            try:
                probe = await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._out(lane)
                raise
        else:
            probe = self._in(lane)
        try:
            return Permit(await self._place(callback), probe)
        except asyncio.CancelledError:
            self._out(lane)
            raise

    def leave(self, lane: Hosted, permit: Permit) -> None:
        permit.share.give_back()
        self._out(lane)

    def heard(self, outcome: Outcome, permit: Permit) -> None:
        """What a round says of the host. A refusal that is no fault of the host's (4xx) says that it lives."""
        answered = outcome.response is not None and outcome.response < 500 and outcome.response != 429
        if outcome.error is None or answered or outcome.elsewhere:
            self.back()
            return
        was_closed = self.breaker.probe_at is None
        self.breaker.failed(self._clock.now(), outcome.error, outcome.retry_after, probe=permit.probe)
        if self.breaker.probe_at is not None and was_closed:
            why = outcome.attempts[-1].detail if outcome.attempts else ""
            log.warning("nobody can be told at %s for now: %s %s", self.name, outcome.error, why)
        if self.breaker.probe_at is not None and (was_closed or permit.probe):
            for lane in self.lanes.values():
                lane.shed()

    def back(self) -> None:
        """It is within reach: whatever waits for it may go."""
        was_open = self.breaker.probe_at is not None
        self.breaker.succeeded()
        if was_open:
            log.warning("%s can be told again", self.name)
            self._let_in()
            for lane in self.lanes.values():
                lane.look_again()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _place(self, callback: Callback) -> Share:
        """A place in the share that it belongs to by then: the host may have shown itself meanwhile."""
        while True:
            share = self._share(callback)
            await share.take()
            if share is self._share(callback):
                return share
            share.give_back()

    def _share(self, callback: Callback) -> Share:
        return self._shares[kind_of(self.breaker.health, callback, self._started)]

    # --- turns
    def _may(self, lane: Hosted) -> bool:
        limit = self.breaker.limit(self._clock.now())
        return self._under_way < limit and lane.under_way < max(1, limit // max(1, len(self.lanes)))

    def _in(self, lane: Hosted) -> bool:
        self._under_way += 1
        lane.under_way += 1
        return self.breaker.probe_at is not None

    def _out(self, lane: Hosted) -> None:
        self._under_way -= 1
        lane.under_way -= 1
        if self._waiting:
            self._let_in()

    def _let_in(self) -> None:
        """Whoever waits and may go, in their order; a lane that has its share lets others pass."""
        kept: deque[tuple[Hosted, Future[bool]]] = deque()
        while self._waiting:
            lane, turn = self._waiting.popleft()
            if turn.done():
                continue
            if self._may(lane):
                turn.set_result(self._in(lane))
            else:
                kept.append((lane, turn))
        self._waiting = kept
        probe_at = self.breaker.probe_at
        if kept and self._timer is None and probe_at is not None and probe_at > self._clock.now():
            self._timer = self._clock.call_at(probe_at, self._ring)

    def _ring(self) -> None:
        """The pause of an open breaker is over."""
        self._timer = None
        self._let_in()
