"""How much the simulated carrier takes before it says no: its rate, its queue, its patience with one bind.

`server` asks once for every submission, before the script does.
"""

from typing import Final

from tidings.carriers.simulator.scenario import Faults
from tidings.clock import SECOND

ROK: Final = 0x00
RMSGQFUL: Final = 0x14
RTHROTTLED: Final = 0x58


class Pressure:
    def __init__(self, faults: Faults) -> None:
        self._pending = faults.pending
        self._rate = faults.throughput
        self._burst = max(1.0, faults.throughput)
        self._allowance = self._burst
        self._queue_full = (faults.queue_full[0] * SECOND, sum(faults.queue_full) * SECOND)
        self._first: int | None = None
        self._last = 0

    def status(self, now: int, pending: int) -> int:
        """command_status for a submission at `now` on a bind where `pending` others are unanswered.

        The allowance is a second's worth, refilled evenly; a refused submission takes nothing from it.
        """
        if self._first is None:
            self._first = self._last = now
        start, end = self._queue_full
        if start <= now - self._first < end or (self._pending and pending >= self._pending):
            return RMSGQFUL
        if self._rate:
            grown = self._allowance + (now - self._last) / SECOND * self._rate
            self._allowance, self._last = min(self._burst, grown), now
            if self._allowance < 1:
                return RTHROTTLED
            self._allowance -= 1
        return ROK
