"""Tells applications what happened: every owed callback, in order per message, until it is done or given up.

The room takes owed callbacks (`offer`, or from the store after a restart) and keeps outcomes; the attempts in
between are made elsewhere (`attempt`). Callbacks go out in lanes, one per host: a slow host holds up nobody else.
Within a lane each message has a chain of what it is still owed; only the head of a chain is sent, and the next
one only once the outcome of the head is on disk. After a crash the head is told again, with the same idempotency
token, and nothing after it has been told yet: at least once, and in order (promise 5).

An attempt ends well with a 2xx. Anything else is tried again along `RETRY_AFTER` until `GIVE_UP_AFTER` has passed.
"""

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from tidings.callbacks import forms
from tidings.callbacks.attempt import Attempt, Attempts
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.clock import DAY, SECOND, Clock
from tidings.gateway.recent import Recent
from tidings.model import Account, Callback, CallbackState, Event, Message
from tidings.store.base import Change, OwedCallback, Store, StoreError
from tidings.work.window import Window

log = logging.getLogger(__name__)

RETRY_AFTER: Final = (1, 5, 15, 60, 5 * 60, 15 * 60, 30 * 60, 60 * 60)
"""Seconds before the second, third … attempt, ±20 %; the last one repeats."""
GIVE_UP_AFTER: Final = DAY
AFTER_A_FAULT: Final = 5.0
"""Seconds until a callback is tried again whose attempt failed on our side."""


class DeliverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allow_private: bool = False
    """Whether callbacks may go to loopback and private addresses: for development."""
    window: int = 10_000
    """Messages with owed callbacks held in memory for each host."""
    concurrency: int = 64
    """Requests under way to one host at a time."""
    own_process: bool | None = None
    """Whether requests are made in a process beside the gateway's; unset: where there are several cores."""


class Chain:
    """All that one message is still owed, in order."""

    __slots__ = ("due_at", "id", "owed")

    def __init__(self, owed: OwedCallback) -> None:
        self.id = owed.message.id
        self.due_at = owed.callback.due_at
        self.owed = deque([owed])

    @property
    def order(self) -> tuple[int, str]:
        return self.due_at, self.id

    def merge(self, other: "Chain") -> None:
        last = self.owed[-1].callback.number if self.owed else 0
        self.owed.extend(owed for owed in other.owed if owed.callback.number > last)


class Delivery:
    """Implements `gateway.ledger.Teller`."""

    def __init__(
        self,
        store: Store,
        attempts: Attempts,
        accounts: Recent[Account],
        clock: Clock,
        settings: DeliverySettings,
    ) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._attempts = attempts
        self._accounts = accounts
        self._lanes: dict[str, HostLane] = {}
        self._started = False

    # --- the door
    def host(self, message: Message, event: Event) -> str | None:
        """The host that is to be told of `event`; None when nobody is."""
        return _host(message.callback_url or "") if forms.tells(message, event) else None

    def offer(self, owed: OwedCallback) -> None:
        """A callback has been committed."""
        lane = self._lanes.get(owed.callback.host)
        if lane is None:
            lane = self._lanes[owed.callback.host] = HostLane(self, owed.callback.host, outstanding=0)
            if self._started:
                lane.start()
        lane.offer(owed)

    async def start(self) -> None:
        """Go on with what was owed when the process ended."""
        for host in await self.store.owing_hosts():
            owed = await self.store.owed_callbacks(host, limit=2**62)
            self._lanes[host] = HostLane(self, host, outstanding=owed)
        self._started = True
        for lane in self._lanes.values():
            lane.start()

    async def stop(self) -> None:
        """Begin nothing new and wait for the attempts under way."""
        await asyncio.gather(*(lane.stop() for lane in list(self._lanes.values())))

    @property
    def outstanding(self) -> int:
        """Callbacks that are owed, over all hosts."""
        return sum(lane.outstanding for lane in self._lanes.values())

    def drop(self, lane: "HostLane") -> None:
        """A lane has nothing left: hosts come and go, memory stays bounded."""
        self._lanes.pop(lane.host, None)

    # --- one attempt
    async def tell(self, owed: OwedCallback) -> Callback:
        """Attempt it once; what came of it, not yet kept."""
        account = await self._accounts.get(owed.message.account)
        if account is None:
            return _given_up(owed.callback, self.clock.now(), None, 20404)
        outcome = await self._attempts.make(Attempt(owed.message, owed.event, account))
        return self._outcome(owed.callback, outcome.response, outcome.error)

    def _outcome(self, callback: Callback, response: int | None, error: int | None) -> Callback:
        now = self.clock.now()
        attempts = callback.attempts + 1
        if error is None:
            self.counts["done"] += 1
            return msgspec.structs.replace(
                callback, state=CallbackState.DONE, attempts=attempts, response=response, error=None, done_at=now
            )
        wait = RETRY_AFTER[min(attempts, len(RETRY_AFTER)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        due_at = now + int(wait * SECOND)
        if due_at - callback.created_at > GIVE_UP_AFTER:
            self.counts["given_up"] += 1
            return _given_up(callback, now, response, error)
        self.counts["retried"] += 1
        return msgspec.structs.replace(
            callback,
            state=CallbackState.RETRYING,
            attempts=attempts,
            due_at=due_at,
            response=response,
            error=error,
        )


class HostLane:
    """What is owed to one host, and the task that sees to it."""

    def __init__(self, delivery: Delivery, host: str, outstanding: int) -> None:
        self.host = host
        self.outstanding = outstanding
        """Owed and not settled, in memory and outside: exact, since every commit passes here."""
        self._delivery = delivery
        self._window: Window[Chain] = Window(
            delivery.settings.window, self._load, self._holds_all, new=outstanding == 0
        )
        self._room = asyncio.Semaphore(delivery.settings.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._loop_task = asyncio.create_task(self._run(), name=f"callbacks to {self.host}")

    async def stop(self) -> None:
        self._stopping = True
        self._end()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def offer(self, owed: OwedCallback) -> None:
        self.outstanding += 1
        self._window.offer(Chain(owed))

    def _holds_all(self) -> bool:
        return self.outstanding == sum(len(chain.owed) for chain in self._window.all_held())

    async def _load(self, limit: int) -> Sequence[Chain]:
        store, now = self._delivery.store, self._delivery.clock.now()
        due = await store.due_callbacks(self.host, now, limit)
        next_due = await store.next_callback_due(self.host, now)
        if next_due is not None:
            self._window.look_again_in((next_due - now) / SECOND)
        chains: dict[str, Chain] = {}
        for owed in due:
            if owed.message.id in chains:
                chains[owed.message.id].owed.append(owed)
            else:
                chains[owed.message.id] = Chain(owed)
        return list(chains.values())

    async def _run(self) -> None:
        while True:
            try:
                chain = await self._window.take()
            except StoreError as error:
                log.error("callbacks to %s: %s", self.host, error)
                await asyncio.sleep(AFTER_A_FAULT)
                continue
            await self._room.acquire()
            task = asyncio.create_task(self._work_off(chain))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    async def _work_off(self, chain: Chain) -> None:
        """Tell a chain's events one after the other, for as long as they are taken. Begins with a permit."""
        delivery = self._delivery
        try:
            while not self._stopping:
                try:
                    outcome = await delivery.tell(chain.owed[0])
                finally:
                    # The commit that follows is none of the host's business: somebody else may be told meanwhile.
                    self._room.release()
                change = Change()
                change.outcomes.append(outcome)
                await delivery.store.commit(change)
                if outcome.state is CallbackState.RETRYING:
                    self._window.leave(chain.id)
                    self._window.look_again_in((outcome.due_at - delivery.clock.now()) / SECOND)
                    return
                chain.owed.popleft()
                self.outstanding -= 1
                if not chain.owed:
                    break
                await self._room.acquire()
            else:
                self._room.release()
        except Exception:
            # Perhaps told, but not kept: it will be told again.
            self._window.leave(chain.id)
            self._window.look_again_in(AFTER_A_FAULT)
            raise
        self._window.release(chain.id)
        if self.outstanding == 0:
            delivery.drop(self)
            self._end()

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("callbacks to %s: %s", self.host, error, exc_info=error)

    def _end(self) -> None:
        if self._loop_task is not None:
            self._loop_task.cancel()
        self._window.close()


@lru_cache(maxsize=1024)
def _host(url: str) -> str | None:
    try:
        scheme, host, port = parse_url(url).origin
    except InvalidUrl as error:
        # Dialects check URLs before they take a message: this one was kept by an earlier version.
        log.error("nobody can be told at %s", error)
        return None
    return f"{scheme}://{host}:{port}"


def _given_up(callback: Callback, now: int, response: int | None, error: int | None) -> Callback:
    return msgspec.structs.replace(
        callback,
        state=CallbackState.GIVEN_UP,
        attempts=callback.attempts + 1,
        response=response,
        error=error,
        done_at=now,
    )
