"""Room for submissions that are unanswered, given out first come first served and no faster than agreed.

`carrier` gives a slot for each place taken here, and says when there is a reason to look again. A connection
carries one request at a time, so the window is also the number of connections.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from tidings.carriers.smpp.pace import Pace


class Slots:
    def __init__(
        self, window: int, limit: float, monotonic: Callable[[], float], is_open: Callable[[], bool]
    ) -> None:
        """`limit` in messages a second, 0 for none; nothing is given out while not `is_open()`."""
        self.window = window
        self.taken = 0
        self._pace = Pace(limit, monotonic())
        self._monotonic = monotonic
        self._is_open = is_open
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._vacated = asyncio.Event()

    def take_now(self) -> bool:
        """A place, if there is one without waiting and nobody waits for one."""
        return not self._waiters and self._grant()

    async def take(self) -> None:
        """Wait for a place."""
        if self.take_now():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                self.give_back()
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise

    def give_back(self) -> None:
        """A place was not used."""
        self._pace.give_back()
        self.vacate()

    def vacate(self) -> None:
        """A submission was answered, or never will be."""
        self.taken -= 1
        self._vacated.set()
        self.serve()

    def serve(self) -> None:
        """Give what places there are to those who wait."""
        while self._waiters:
            if self._waiters[0].done():  # cancelled
                self._waiters.popleft()
            elif self._grant():
                self._waiters.popleft().set_result(None)
            else:
                return

    def slow(self, pause: float) -> None:
        """The carrier says "too fast"."""
        self._pace.slow(self._monotonic(), pause)

    async def emptied(self) -> None:
        """Wait until no place is taken."""
        while self.taken:
            self._vacated.clear()
            await self._vacated.wait()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _grant(self) -> bool:
        """Whether there is a place now; else whatever will make one calls `serve`."""
        if self.taken >= self.window or not self._is_open():
            return False
        now = self._monotonic()
        wait = self._pace.wait(now)
        if wait > 0:
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(wait, self._ring)
            return False
        self._pace.take(now)
        self.taken += 1
        return True

    def _ring(self) -> None:
        self._timer = None
        self.serve()
