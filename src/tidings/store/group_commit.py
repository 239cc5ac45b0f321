"""Many callers, one transaction: changes that arrive within a few milliseconds share an fsync.

A store hands `GroupCommit` a function that keeps a list of changes in one transaction; callers get a future each.
Batches are written one after another, so changes settle in the order they were handed in. A batch that breaks a
constraint is written again change by change, so that only the offender fails.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from tidings.store.base import Change, Contradiction, StoreError

GATHER = 0.002
"""Seconds a change waits for company: enough to make the fsync cheap, too little to be noticed."""
LARGEST = 2000
"""Changes in one transaction, at the most: bounds what one batch holds in memory."""

Write = Callable[[Sequence[Change]], Awaitable[None]]


class GroupCommit:
    """Raises through the futures: Contradiction for the change at fault; StoreError for a batch that failed."""

    def __init__(self, write: Write, gather: float = GATHER, largest: int = LARGEST) -> None:
        self._write = write
        self._gather = gather
        self._largest = largest
        self._pending: deque[tuple[Change, Future[None]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._first_at = 0.0
        """When the oldest of the pending was handed in, on the loop's clock."""
        self._closing = False
        self._writer = self._loop.create_task(self._run(), name="group commit")

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
        await self._writer

    async def _run(self) -> None:
        while not (self._closing and not self._pending):
            await self._arrived.wait()
            wait = self._first_at + self._gather - self._loop.time()
            if wait > 0 and not self._closing and len(self._pending) < self._largest:
                await asyncio.sleep(wait)
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), self._largest))]
            self._first_at = self._loop.time()
            if not self._pending and not self._closing:
                self._arrived.clear()
            if batch:
                await self._settle(batch)

    async def _settle(self, batch: list[tuple[Change, Future[None]]]) -> None:
        try:
            await self._write([change for change, _ in batch])
        except Contradiction as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for one in batch:
                    await self._settle([one])
        except Exception as error:
            _fail(batch, error if isinstance(error, StoreError) else StoreError(str(error)))
        else:
            for _, future in batch:
                if not future.done():
                    future.set_result(None)


def _fail(batch: list[tuple[Change, Future[None]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
