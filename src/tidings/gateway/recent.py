"""A short memory in front of the store, for the few records that every request asks for.

What another process changes (a rotated token, a new number) is seen within `FRESH`.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from tidings.clock import SECOND, Clock

FRESH: Final = 2 * SECOND
REMEMBERED: Final = 10_000
"""Records held in memory, at the most."""

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers what `read` found by a key, also that it found nothing."""

    def __init__(self, read: Callable[[str], Awaitable[T | None]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._known: dict[str, tuple[int, T | None]] = {}
        self._reading: dict[str, Future[None]] = {}
        """What is being read, once for all who ask meanwhile; what is forgotten meanwhile is not remembered."""

    async def get(self, key: str) -> T | None:
        """The record, no more than two seconds old."""
        while True:
            now = self._clock.now()
            known = self._known.get(key)
            if known is not None and 0 <= now - known[0] < FRESH:
                return known[1]
            others = self._reading.get(key)
            if others is None:
                return await self._read_anew(key, now)
            await asyncio.wait([others])

    async def _read_anew(self, key: str, now: int) -> T | None:
        mine: Future[None] = asyncio.get_running_loop().create_future()
        self._reading[key] = mine
        try:
            record = await self._read(key)
            if self._reading.get(key) is mine:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[key] = (now, record)
            return record
        finally:
            if self._reading.get(key) is mine:
                del self._reading[key]
            mine.set_result(None)

    def forget(self, key: str) -> None:
        """The record has just been changed here."""
        self._known.pop(key, None)
        self._reading.pop(key, None)

    def forget_all(self) -> None:
        """Some of the records have just been changed here."""
        self._known.clear()
        self._reading.clear()
