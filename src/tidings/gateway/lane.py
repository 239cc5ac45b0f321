"""What waits for one carrier: a queue for each sender, and the task that gives them their turns.

The dispatcher makes a lane for each carrier, and is told which message has its turn; the rest is its business. As
long as there is room at the carrier, whatever comes goes at once. Where there is none, accounts take turns, and
within an account its senders, so that a million messages of one do not delay another's one.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

from tidings.carriers.base import Carrier, Slot
from tidings.clock import SECOND, AlarmClock
from tidings.gateway.line import Line
from tidings.gateway.pace import Pace, Paces
from tidings.gateway.queue import Queue, Work
from tidings.store.base import Kept, Store, StoreError
from tidings.work.window import Tally

log = logging.getLogger(__name__)

AFTER_A_FAULT: Final = 1.0
"""Seconds until a queue goes on that the store failed."""
READS: Final = 4
"""Queues that are read at once: thousands of them are read as there is room for what they hold."""
LOOKS: Final = 16
"""Queues that are looked at before each turn, for those that may be read."""


class Turn:
    """What a message is handed over with: room at the carrier and, where its sender has a rate, its pace."""

    __slots__ = ("_before", "_message_id", "_over", "_waiter", "pace", "slot")

    def __init__(self, message_id: str, slot: Slot, pace: Pace | None, before: "Turn | None" = None) -> None:
        """`before`: the turn before it of the same queue."""
        self._message_id = message_id
        self.slot = slot
        self.pace = pace
        self._before = before
        self._over = False
        self._waiter: asyncio.Future[None] | None = None

    async def comes(self) -> None:
        """Wait until the message before it is on its way, or is passed over: it may have had to be read first."""
        if self._before is not None and not self._before._over:
            self._before._waiter = asyncio.get_running_loop().create_future()
            await self._before._waiter

    def end(self) -> None:
        """Whoever is behind it may go."""
        self._over, self._before = True, None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pass_on(self) -> None:
        """Nothing is handed over: somebody else may."""
        self.slot.release()
        self.give_back()

    def give_back(self) -> None:
        """Its sender may go on, unless what it sent is what it has to wait for."""
        self.end()
        if self.pace is not None:
            self.pace.give_back(self._message_id)


class Sender(Protocol):
    """Whoever sends a message that has its turn (`dispatch`)."""

    async def send(self, work: Work, carrier: Carrier, turn: Turn) -> None: ...

    async def give_to_next(self, carrier: Carrier, queues: Sequence[tuple[str, str]]) -> None:
        """`carrier` stays down. `queues`: (account, sender) of those that wait for it."""
        ...


class Lane:
    """What waits for one carrier, and the task that works it off."""

    def __init__(
        self,
        sender: Sender,
        carrier: Carrier,
        store: Store,
        clock: AlarmClock,
        paces: Paces,
        *,
        window: int,
        failover_after: float,
    ) -> None:
        """`window`: messages held in memory; `failover_after`: seconds."""
        self.carrier = carrier
        self.store = store
        self.clock = clock
        self.held = Tally()
        """What its queues hold together."""
        self.queues: dict[tuple[str, str], Queue] = {}
        """By account and sender: those that something waits in."""
        self._sender = sender
        self._paces = paces
        self._window = window
        self._failover_after = failover_after
        self._ready: Line[Queue] = Line()
        """Queues with something to send."""
        self._unread: Line[Queue] = Line()
        """Queues that are to be read first."""
        self._reading = 0
        self._again: set[str] = set()
        """Messages in work that are to be taken again at once, in their place."""
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    @property
    def room(self) -> int:
        """Messages that may be held beside those that are: no queue holds more than are free for the others."""
        return self._window - self.held.count

    def start(self) -> None:
        self._loop_task = self._loop.create_task(self._run(), name=f"lane {self.carrier.name}")
        self._loop_task.add_done_callback(self._finished)

    async def stop(self) -> None:
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        try:
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for queue in self.queues.values():
                queue.window.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("lane %s: %s", self.carrier.name, error, exc_info=error)

    # --- what comes in
    def offer(self, kept: Kept, due_at: int) -> None:
        """A message has been committed that is to be handed over at once."""
        message = kept.message
        self._queue(message.account, message.sender, new=self._started).window.offer(Work(message.id, due_at))

    def go_on(self, kept: Kept, due_at: int) -> None:
        """There is more to do for a message: at once, or when it is due."""
        message = kept.message
        queue = self._queue(message.account, message.sender, new=self._started)
        if due_at > self.clock.now():
            queue.window.look_again_at(due_at)
        elif queue.window.held(message.id) is not None:
            self._again.add(message.id)
        else:
            queue.window.offer(Work(message.id, due_at))

    def look_again(self, account: str, sender: str) -> None:
        """The store holds something for a queue that is not here."""
        self._queue(account, sender).window.look_again()

    def look_again_later(self, account: str, sender: str) -> None:
        """The store has failed: it may hold something all the same."""
        self._queue(account, sender).window.look_again_at(self._after_a_fault())

    @property
    def _started(self) -> bool:
        """Since then, a queue that is not here has nothing in the store either."""
        return self._loop_task is not None

    def _queue(self, account: str, sender: str, *, new: bool = False) -> Queue:
        queue = self.queues.get((account, sender))
        if queue is None:
            pace = self._paces.of(account, sender)
            queue = self.queues[account, sender] = Queue(self, account, sender, pace, new=new)
        return queue

    # --- what its queues say
    def is_ready(self, queue: Queue) -> None:
        """It has something to send."""
        self._ready.join(queue)
        self._news.set()

    def is_unread(self, queue: Queue) -> None:
        """It has nothing to send in memory, and perhaps in the store."""
        self._unread.join(queue)
        self._news.set()

    def drop(self, queue: Queue) -> None:
        """Nothing waits in it any more."""
        del self.queues[queue.account, queue.sender]

    # --- turns
    async def _run(self) -> None:
        while True:
            self._news.clear()
            if not self._ready and not self._unread:
                await self._news.wait()
                continue
            slot = self.carrier.slot_now() or await self._slot()
            if self._unread:
                self._read_more()
            queue = self._next()
            if queue is None:
                slot.release()
                await self._news.wait()
            else:
                self._give_turn(queue, slot)

    def _next(self) -> Queue | None:
        """Whose turn it is; None where nobody has anything to send, or the store is yet to say."""
        while (queue := self._ready.first()) is not None:
            if queue.window.ready and queue.may_go:
                return queue
            self._ready.leave(queue)
            queue.wake()
            # Another queue of its account may be read now.
            self._news.set()
        return None

    def _give_turn(self, queue: Queue, slot: Slot) -> None:
        work = queue.window.take_now()
        assert work is not None, "it has something to send"
        self._ready.turn(queue)
        if queue.pace is not None:
            queue.pace.take(work.id, queue.wake)
        if not (queue.window.ready and queue.may_go):
            self._ready.leave(queue)
            queue.wake()
        queue.turn = Turn(work.id, slot, queue.pace, queue.turn)
        self.spawn(self._send(queue, work, queue.turn))

    def _read_more(self) -> None:
        """Read queues with nothing to send in memory, where there is room or their account has nothing else."""
        for _ in range(LOOKS):
            queue = self._unread.first()
            if queue is None or self._reading == READS:
                return
            self._unread.turn(queue)
            if not queue.window.unread:
                self._unread.leave(queue)
            elif self.room > 0 or queue.account not in self._ready:
                self._unread.leave(queue)
                self._reading += 1
                queue.reading = True
                self.spawn(self._read(queue))

    async def _read(self, queue: Queue) -> None:
        try:
            await queue.window.read()
        except StoreError:
            queue.window.look_again_at(self._after_a_fault())
            raise
        finally:
            queue.reading = False
            self._reading -= 1
            self._news.set()
        queue.wake()

    async def _send(self, queue: Queue, work: Work, turn: Turn) -> None:
        try:
            await self._sender.send(work, self.carrier, turn)
        except StoreError:
            queue.window.look_again_at(self._after_a_fault())
            raise
        finally:
            turn.give_back()
            if work.id in self._again:
                self._again.discard(work.id)
                queue.window.put_back(work)
            else:
                queue.window.release(work.id)

    def _after_a_fault(self) -> int:
        return self.clock.now() + int(AFTER_A_FAULT * SECOND)

    # --- a carrier that is down
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
        """What waits for a carrier that is down can wait in the store, and is read there when it is back."""
        for queue in list(self.queues.values()):
            queue.window.shed()
        try:
            await self._sender.give_to_next(self.carrier, list(self.queues))
        except StoreError as error:
            log.error("lane %s: %s", self.carrier.name, error)
