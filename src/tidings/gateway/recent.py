"""A short memory in front of the store, for the few records that every request asks for.

What another process changes (a rotated token, a new number) is seen within `FRESH`.
"""

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

    async def get(self, key: str) -> T | None:
        """The record, no more than two seconds old."""
        now = self._clock.now()
        known = self._known.get(key)
        if known is not None and 0 <= now - known[0] < FRESH:
            return known[1]
        record = await self._read(key)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = (now, record)
        return record

    def forget(self, key: str) -> None:
        """The record has just been changed here."""
        self._known.pop(key, None)

    def forget_all(self) -> None:
        """Some of the records have just been changed here."""
        self._known.clear()
