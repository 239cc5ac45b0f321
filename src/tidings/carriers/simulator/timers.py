"""Many timers at the price of one: what is due later on the simulated carrier, by the clock it was given.

`submissions` and `outbox` put acts in; one alarm serves them all, once per `TICK` at most.
"""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

from tidings.clock import SECOND, Alarm, AlarmClock

TICK: Final = SECOND // 200
"""Acts wait for the next whole one: thousands of receipts a second wake the loop 200 times."""


class Timers:
    def __init__(self, clock: AlarmClock) -> None:
        self._clock = clock
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._alarm: Alarm | None = None

    def __len__(self) -> int:
        return len(self._due)

    def at(self, when: int, act: Callable[[], None]) -> None:
        """Do `act` at `when` (microseconds since 1970), never before this returns; equal times in order."""
        heapq.heappush(self._due, (when, next(self._order), act))
        if self._alarm is None or _tick(when) < self._alarm.when():
            self._arm()

    def clear(self) -> None:
        """Forget everything."""
        self._due.clear()
        self._arm()

    def _wake(self) -> None:
        now = self._clock.now()
        try:
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
        finally:
            self._arm()

    def _arm(self) -> None:
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        if self._due:
            self._alarm = self._clock.call_at(_tick(self._due[0][0]), self._wake)


def _tick(when: int) -> int:
    """The first one that is not before `when`."""
    return -(-when // TICK) * TICK
