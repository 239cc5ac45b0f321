"""Messages that are to be sent later: kept as `scheduled`, and queued when their time has come.

Called by `submit`, and for cancellations by the web room. The store holds what is scheduled, a window of it is
in memory, and one alarm rings for what comes next. When a message's time has come its service chooses whom it is
from; what speaks against it then (an opt-out, a suspended account, no sender) lets it fail. Whether a message is
canceled or queued first is the ledger's to decide, where both are evidence: the second one finds it gone.
"""

import asyncio
import logging
from asyncio import Future
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from tidings.clock import SECOND, AlarmClock
from tidings.errors import Problem
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.origin import FAILS_WITH, Origins
from tidings.gateway.permission import Permission
from tidings.gateway.queue import Work
from tidings.gateway.rates import Rates
from tidings.gateway.recent import Recent
from tidings.gateway.routes import Routes
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Message, Standing
from tidings.store.base import Change, Kept, Store, StoreError
from tidings.work.window import Window

log = logging.getLogger(__name__)

AT_ONCE: Final = 256
"""Scheduled messages held in memory because their time has come."""
AFTER_A_FAULT: Final = SECOND
"""Until what the store failed for is looked for again."""
_CANCELED: Final = Evidence(Kind.CANCELED, {})


class ScheduleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Twilio: 300 s (900 s in newer pages) to 35 days ahead, 500,000 messages an account."""

    min_lead: Annotated[int, Meta(ge=0)] = 300
    """Seconds that a message must at least be scheduled ahead."""
    max_lead: Annotated[int, Meta(ge=1, le=35 * 86_400)] = 35 * 86_400
    """Seconds that a message may at most be scheduled ahead; lists by date count on no more (`places`)."""
    limit: Annotated[int, Meta(ge=0)] = 500_000
    """Messages that an account may have scheduled; 0: no limit."""


class Schedule:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        accounts: Recent[Account],
        origins: Origins,
        permission: Permission,
        routes: Routes,
        rates: Rates,
        clock: AlarmClock,
        settings: ScheduleSettings,
        offer: Callable[[Kept], None],
    ) -> None:
        """`offer`: hands on what was queued."""
        self._store = store
        self._ledger = ledger
        self._accounts = accounts
        self._origins = origins
        self._permission = permission
        self._routes = routes
        self._rates = rates
        self._clock = clock
        self._settings = settings
        self._offer = offer
        self._waiting: Counter[str] = Counter()
        """Account → messages that it has scheduled."""
        self._window: Window[Work] = Window(lambda: AT_ONCE, self._load, clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._stopping = False

    # --- life
    async def start(self) -> None:
        self._waiting = Counter(await self._store.scheduled())
        self._worker = asyncio.create_task(self._run(), name="schedule")

    async def stop(self) -> None:
        """Queue nothing new, and finish what is under way."""
        self._stopping = True
        if self._worker is not None:
            self._worker.cancel()
        self._window.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- what comes in
    def check(self, account: str, send_at: int) -> None:
        """Raises Problem: 35114 for a time that is too near or too far, 35125 where the account has enough."""
        lead = send_at - self._clock.now()
        least, most = self._settings.min_lead, self._settings.max_lead
        if not least * SECOND <= lead <= most * SECOND:
            raise Problem(35114, reason=f"it must be from {least} to {most} seconds ahead")
        if self._settings.limit and self._waiting[account] >= self._settings.limit:
            raise Problem(35125)

    def add(self, kept: Kept, committed: "Future[None]") -> None:
        """A message is being kept as scheduled."""
        self._waiting[kept.message.account] += 1

        def settled(committed: "Future[None]") -> None:
            if _failed(committed):
                self._waiting[kept.message.account] -= 1
            if kept.standing.due_at is not None:
                self._window.look_again_at(kept.standing.due_at)

        committed.add_done_callback(settled)

    def _leaving(self, message: Message, committed: "Future[None]") -> "Future[None]":
        """A message is being kept as scheduled no more. Where that fails, it waits on, and may be due."""

        def settled(committed: "Future[None]") -> None:
            if _failed(committed):
                self._waiting[message.account] += 1
                self._window.look_again_at(self._clock.now() + AFTER_A_FAULT)

        committed.add_done_callback(settled)
        return committed

    def moved(self, message: Message, before: Status, after: Status) -> None:
        """A ledger's listener."""
        if before is Status.SCHEDULED:
            self._waiting[message.account] -= 1

    async def cancel(self, account: str, message_id: str) -> tuple[Message, Standing]:
        """The message as it then is. Raises Problem: 20404 where there is none, 30409 where it is not waiting."""
        found = await self._store.message(account, message_id)
        kept = await self._ledger.find(message_id) if found is not None else None
        if kept is None:
            raise Problem(20404)
        if kept.standing.status is not Status.SCHEDULED:
            raise Problem(30409, value=kept.standing.status)
        committed = self._leaving(kept.message, self._ledger.record(kept, _CANCELED))
        canceled = kept.message, replace(kept.standing)
        await committed
        return canceled

    # --- what has come due
    async def _load(self, limit: int) -> list[Work]:
        now = self._clock.now()
        due = await self._store.due_scheduled(now, limit)
        following = await self._store.next_scheduled(now)
        if following is not None:
            self._window.look_again_at(following)
        return [Work(message_id, due_at) for message_id, due_at in due]

    async def _run(self) -> None:
        while True:
            try:
                work = await self._window.take()
            except StoreError as error:
                log.error("schedule: %s", error)
                await asyncio.sleep(AFTER_A_FAULT / SECOND)
                continue
            task = asyncio.create_task(self._due(work))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("schedule: %s", error, exc_info=error)

    async def _due(self, work: Work) -> None:
        """The time of a message has come."""
        try:
            while not self._stopping:
                try:
                    kept = await self._ledger.find(work.id)
                    if kept is not None:
                        await self._queue(kept)
                    return
                except StoreError as error:
                    log.error("schedule: %s is not kept as queued yet: %s", work.id, error)
                    await asyncio.sleep(AFTER_A_FAULT / SECOND)
        finally:
            self._window.release(work.id)

    async def _queue(self, kept: Kept) -> None:
        if kept.standing.status is Status.QUEUED:
            self._offer(kept)  # it was kept, though its commit was said to have failed
            return
        change, refused = Change(), None
        try:
            sender = (await self._with_sender(kept.message, change)).sender
        except Problem as problem:
            error = FAILS_WITH.get(problem.code, problem.code)
            sender, refused = "", Evidence(Kind.REFUSED, {"reason": problem.message}, error=error)
        if kept.standing.status is not Status.SCHEDULED:
            return  # canceled meanwhile
        if refused is not None:
            await self._leaving(kept.message, self._ledger.record(kept, refused))
            return
        kept.standing.carrier = self._routes.first(kept.message.recipient, kept.message.channel)
        kept.standing.due_at = self._rates.place(kept.message)
        queued = Evidence(Kind.QUEUED, {"sender": sender})
        await self._leaving(kept.message, self._ledger.queue(kept, sender, queued, change))
        self._offer(kept)

    async def _with_sender(self, message: Message, change: Change) -> Message:
        """Raises Problem where it may not be sent any more."""
        account = await self._accounts.get(message.account)
        refused = await self._permission.refusal(message)
        if account is None or refused is not None:
            raise Problem(refused or 30002)
        if self._routes.first(message.recipient, message.channel) is None:
            raise Problem(21612, value=message.recipient)
        return await self._origins.given(account, message, change)


def _failed(committed: "Future[None]") -> bool:
    return committed.cancelled() or committed.exception() is not None
