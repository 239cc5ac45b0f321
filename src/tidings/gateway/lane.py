"""One carrier's queue, and the task that works it off: the next message, room at the carrier, off it goes.

The dispatcher makes a lane for each carrier, and is told which message has room; the rest is its business.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, Protocol

import msgspec

from tidings.carriers.base import Carrier, Slot
from tidings.clock import SECOND, Clock
from tidings.store.base import Store, StoreError
from tidings.work.window import Window

log = logging.getLogger(__name__)

AFTER_A_FAULT: Final = 1.0
"""Seconds until a lane goes on that the store failed."""


class Work(msgspec.Struct, frozen=True):
    """A message in a lane's window, by its id and when it came due."""

    id: str
    due_at: int

    @property
    def order(self) -> tuple[int, str]:
        return self.due_at, self.id

    def merge(self, other: "Work") -> None:
        """There is nothing to a message's work but its id."""


class Sender(Protocol):
    """Whoever sends a message that has room (`dispatch`)."""

    async def send(self, work: Work, carrier: Carrier, slot: Slot) -> None: ...

    async def give_to_next(self, carrier: Carrier) -> None: ...


class Lane:
    """One carrier's queue, and the task that works it off."""

    def __init__(
        self, sender: Sender, carrier: Carrier, store: Store, clock: Clock, *, window: int, failover_after: float
    ) -> None:
        self.carrier = carrier
        self.window: Window[Work] = Window(lambda: window, self._load)
        self._sender = sender
        self._store = store
        self._clock = clock
        self._failover_after = failover_after
        self.again: set[str] = set()
        """Messages in work that are to be taken again at once, in their place."""
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop_task = self._loop.create_task(self._run(), name=f"lane {self.carrier.name}")

    async def stop(self) -> None:
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        self.window.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane %s: %s", self.carrier.name, error, exc_info=error)

    async def _load(self, limit: int) -> list[Work]:
        name, now = self.carrier.name, self._clock.now()
        due = await self._store.due_messages(name, now, limit)
        next_due = await self._store.next_due(name, now)
        if next_due is not None:
            self.window.look_again_in((next_due - now) / SECOND)
        return [Work(message_id, due_at) for message_id, due_at in due]

    async def _run(self) -> None:
        while True:
            try:
                work = await self.window.take()
            except StoreError as error:
                log.error("lane %s: %s", self.carrier.name, error)
                await asyncio.sleep(AFTER_A_FAULT)
                continue
            slot = self.carrier.slot_now() or await self._slot()
            self.spawn(self._send(work, slot))

    async def _slot(self) -> Slot:
        """Room at the carrier, however long it takes; while it is down, others on the route get the work."""
        while True:
            try:
                # Also while it is up: it may go down while there is no room.
                async with asyncio.timeout(self._failover_after):
                    return await self.carrier.slot()
            except TimeoutError:
                if not self.carrier.up:
                    await self._give_up_waiting()

    async def _give_up_waiting(self) -> None:
        try:
            await self._sender.give_to_next(self.carrier)
        except StoreError as error:
            log.error("lane %s: %s", self.carrier.name, error)

    async def _send(self, work: Work, slot: Slot) -> None:
        try:
            await self._sender.send(work, self.carrier, slot)
        except StoreError:
            self.window.look_again_in(AFTER_A_FAULT)
            raise
        finally:
            if work.id in self.again:
                self.again.discard(work.id)
                self.window.put_back(work)
            else:
                self.window.release(work.id)
