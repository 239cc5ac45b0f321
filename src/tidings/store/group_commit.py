"""Many callers, one transaction: changes that arrive within a few milliseconds share an fsync.

A store hands `GroupCommit` a function that keeps a list of changes in one transaction; callers get a future each.
While one batch is being written the next is handed over already, so that neither the store nor the gateway waits
for the other. Changes settle in the order they came, also when something goes wrong: whoever writes refuses what
stands behind a failed batch (`Fenced`), and only then is decided what becomes of it.

    a batch that contradicts what is kept    written again change by change, so that only the offender fails;
                                             what stands behind it follows
    a store that fails                       the batch fails, and all that stands behind it: it was made of what
                                             was not kept
"""

import asyncio
from asyncio import Future, Task
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from tidings.store.base import Change, Contradiction, StoreError

GATHER = 0.002
"""Seconds a change waits for company: enough to make the fsync cheap, too little to be noticed."""
LARGEST = 200
"""Changes in one transaction, at the most: while it is written, the gateway has time for the one before."""
DEPTH = 2
"""Batches handed over and not settled."""

Write = Callable[[Sequence[Change], bool], Awaitable[None]]
"""(changes, afresh): keep them in one transaction. After a failure everything is refused with Fenced, until a call
with `afresh`."""
Batch = list[tuple[Change, "Future[None]"]]


class Fenced(StoreError):
    """Not written, because a batch before it failed."""


class GroupCommit:
    """Raises through the futures: Contradiction for the change at fault; StoreError where the store failed."""

    def __init__(self, write: Write, gather: float = GATHER, largest: int = LARGEST, depth: int = DEPTH) -> None:
        self._write = write
        self._gather = gather
        self._largest = largest
        self._loop = asyncio.get_running_loop()
        self._pending: deque[tuple[Change, Future[None]]] = deque()
        self._first_at = 0.0
        """When the oldest of the pending was handed in, on the loop's clock."""
        self._arrived = asyncio.Event()
        self._room = asyncio.Semaphore(depth)
        self._whole = asyncio.Event()
        """Set unless something has failed and is not dealt with: meanwhile nothing more is handed over, so that
        what must be written again keeps its place."""
        self._whole.set()
        self._under_way = 0
        self._last: Task[None] | None = None
        self._failed: StoreError | None = None
        """Why the store failed, for those that stood behind."""
        self._closing = False
        self._sender = self._loop.create_task(self._run(), name="group commit")

    def submit(self, change: Change) -> Future[None]:
        """Keep `change` with the next batch."""
        future: Future[None] = self._loop.create_future()
        if self._closing:
            future.set_exception(StoreError("the store is closed"))
            return future
        self._pending.append((change, future))
        if len(self._pending) == 1:
            self._first_at = self._loop.time()
            self._arrived.set()
        return future

    async def close(self) -> None:
        """Write what was handed in, then refuse more."""
        self._closing = True
        self._arrived.set()
        await self._sender
        if self._last is not None:
            await self._last

    async def _run(self) -> None:
        while not (self._closing and not self._pending):
            await self._arrived.wait()
            wait = self._first_at + self._gather - self._loop.time()
            if wait > 0 and not self._closing and len(self._pending) < self._largest:
                await asyncio.sleep(wait)
            await self._room.acquire()
            await self._whole.wait()
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), self._largest))]
            self._first_at = self._loop.time()
            if not self._pending and not self._closing:
                self._arrived.clear()
            if batch:
                self._under_way += 1
                writing = asyncio.ensure_future(self._write(_changes(batch), False))
                settling = self._settle(batch, writing, self._last)
                self._last = self._loop.create_task(settling)
            else:
                self._room.release()

    async def _settle(self, batch: Batch, writing: "Future[None]", before: "Task[None] | None") -> None:
        """Say what came of a batch, once that is said of the one before it."""
        if before is not None:
            await before
        try:
            await self._settled(batch, writing)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._failed = None
                self._whole.set()
            self._room.release()

    async def _settled(self, batch: Batch, writing: Awaitable[None]) -> None:
        try:
            await writing
        except Contradiction as error:
            self._whole.clear()
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for one in batch:
                    await self._settled([one], self._write([one[0]], True))
        except Fenced:
            self._whole.clear()
            if self._failed is not None:
                _fail(batch, self._failed)
            else:
                await self._settled(batch, self._write(_changes(batch), True))
        except Exception as error:
            self._fail_all(batch, error if isinstance(error, StoreError) else StoreError(str(error)))
        else:
            for _, future in batch:
                if not future.done():
                    future.set_result(None)

    def _fail_all(self, batch: Batch, error: StoreError) -> None:
        """What has been handed in since was made of what is now not kept."""
        self._whole.clear()
        self._failed = error
        _fail(batch, error)
        _fail(self._pending, error)
        self._pending.clear()


def _changes(batch: Batch) -> list[Change]:
    return [change for change, _ in batch]


def _fail(batch: "Batch | deque[tuple[Change, Future[None]]]", error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
