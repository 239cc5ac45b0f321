"""The one source of time. Everything that asks what time it is gets a `Clock` and asks that.

What waits for a time (a schedule, a validity, a retry) waits for an `AlarmClock` to ring, not for the machine's
timers: in development that clock can be wound ahead, and all that has come due by then is done at once.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

SECOND = 1_000_000
"""Microseconds in a second: all times and durations that are kept are whole microseconds."""
HOUR = 3600 * SECOND
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class Alarm(Protocol):
    def cancel(self) -> None:
        """It is not to ring any more; nothing happens where it has."""
        ...

    def when(self) -> int:
        """Microseconds since 1970 at which it rings."""
        ...


class AlarmClock(Clock, Protocol):
    def call_at(self, at: int, ring: Callable[[], None]) -> Alarm:
        """Call `ring` from the running loop once it is `at`, never before this returns; soon where it is later."""
        ...


_LONGEST_TIMER: Final = 60.0
"""Seconds. Of a machine that slept, or had its clock set, a loop's timers know nothing: long waits look again."""
_ROUNDING: Final = 0.001
"""Seconds. Loops count whole milliseconds: a timer that is to end no earlier than it says is set by one more."""


class _Alarm:
    __slots__ = ("_at", "_clock", "_handle", "_ring")

    def __init__(self, clock: "SystemClock", at: int, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._at = at
        self._ring = ring
        self._handle = self._timer()

    def set_again(self) -> None:
        """Ring when it is time as the clock has it now."""
        self._handle.cancel()
        self._handle = self._timer()

    def _timer(self) -> asyncio.Handle:
        loop = asyncio.get_running_loop()
        wait = self._at - self._clock.now()
        if wait <= 0:
            return loop.call_soon(self._wake)
        return loop.call_later(min(wait / SECOND + _ROUNDING, _LONGEST_TIMER), self._wake)

    def _wake(self) -> None:
        if self._clock.now() < self._at:
            self._handle = self._timer()
            return
        self._clock.over(self)
        self._ring()

    def cancel(self) -> None:
        self._handle.cancel()
        self._clock.over(self)

    def when(self) -> int:
        return self._at


class SystemClock:
    """The machine's own time. Alarms that are less than a few milliseconds apart may ring in either order."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def call_at(self, at: int, ring: Callable[[], None]) -> Alarm:
        return _Alarm(self, at, ring)

    def over(self, alarm: _Alarm) -> None:
        """It has rung, or will not."""


class WindableClock(SystemClock):
    """A time that goes as the machine's does, and that can be wound ahead. It cannot be wound back."""

    def __init__(self, machine: Callable[[], int] | None = None) -> None:
        """`machine`: what it is ahead of, in microseconds since 1970; a test may let it stand still."""
        self.ahead = 0
        """Microseconds."""
        self._machine = machine or super().now
        self._alarms: dict[_Alarm, None] = {}

    def now(self) -> int:
        return self._machine() + self.ahead

    def wind(self, by: int) -> None:
        """Move its time forward by so many microseconds, from the loop in which its alarms ring.

        Those that come due so ring in the loop's next round, the earliest first: all of them at the new time, as
        on a machine that has slept.
        """
        if by < 0:
            raise ValueError("time does not go back")
        self.ahead += by
        for alarm in sorted(self._alarms, key=_Alarm.when):
            alarm.set_again()

    def call_at(self, at: int, ring: Callable[[], None]) -> Alarm:
        alarm = _Alarm(self, at, ring)
        self._alarms[alarm] = None
        return alarm

    def over(self, alarm: _Alarm) -> None:
        self._alarms.pop(alarm, None)


async def until(clock: AlarmClock, at: int) -> None:
    """Wait until it is `at`."""
    rung = asyncio.Event()
    alarm = clock.call_at(at, rung.set)
    try:
        await rung.wait()
    finally:
        alarm.cancel()


def instant(at: int) -> datetime:
    """`at` (microseconds since 1970) as an aware datetime in UTC."""
    return datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND)


def micros(at: datetime) -> int:
    """Microseconds since 1970 at `at`, which is in UTC where it names no zone."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def iso(at: int) -> str:
    """`at` as ISO 8601 in UTC with microseconds: 2026-11-21T17:28:16.000123Z."""
    return instant(at).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def zulu(at: int) -> str:
    """`at` as ISO 8601 in UTC, to the second: 2026-11-21T17:28:16Z."""
    return instant(at).strftime("%Y-%m-%dT%H:%M:%SZ")
