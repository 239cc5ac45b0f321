"""Many timers at the price of one: what is due later on the simulated carrier, by the clock it was given.

`server` and `outbox` put acts in; one handle of the event loop serves them all, once per `TICK` at most.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

from tidings.clock import SECOND, Clock

TICK: Final = 0.005
"""Seconds. Acts due within it are done together: thousands of receipts a second wake the loop 200 times."""


class Timers:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._handle: asyncio.TimerHandle | None = None
        self._wakes_at = 0

    def __len__(self) -> int:
        return len(self._due)

    def at(self, when: int, act: Callable[[], None]) -> None:
        """Do `act` at `when` (microseconds since 1970), never before this returns; equal times in order."""
        heapq.heappush(self._due, (when, next(self._order), act))
        if self._handle is None or when < self._wakes_at:
            self._arm()

    def wake(self) -> None:
        """Do what is due now; to be called when a clock was wound forward."""
        now = self._clock.now()
        try:
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
        finally:
            self._arm()

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()
        self._arm()

    def _arm(self) -> None:
        if self._handle:
            self._handle.cancel()
            self._handle = None
        if self._due:
            self._wakes_at = self._due[0][0]
            wait = max((self._wakes_at - self._clock.now()) / SECOND, TICK)
            self._handle = asyncio.get_running_loop().call_later(wait, self.wake)
