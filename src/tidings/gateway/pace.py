"""How soon each sender may send its next message: one pace for each, whatever carriers its messages go to.

A queue whose sender has a rate takes its sender's pace before each message. Once that is handed over, the pace is
spent for as long as `Rates` says; where it is not handed over after all, the pace is given back. Nothing is saved
up in between: after any silence, one message goes at once.
"""

from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from tidings.clock import SECOND, Alarm, AlarmClock
from tidings.gateway.rates import Rates

LATE: Final = SECOND // 200
"""What an alarm may ring too late: it is no idleness, and the next pause counts from when it was due."""


class Pace:
    __slots__ = ("__weakref__", "_alarm", "_clock", "_due_at", "_had", "_taken_for", "_waiting")

    def __init__(self, clock: AlarmClock) -> None:
        self._clock = clock
        self._due_at = 0
        self._taken_for: str | None = None
        self._alarm: Alarm | None = None
        self._waiting: dict[Callable[[], None], None] = {}
        self._had: Callable[[], None] | None = None
        """Who has it, or had it last."""

    @property
    def free(self) -> bool:
        return self._taken_for is None and self._alarm is None

    def wait(self, wake: Callable[[], None]) -> None:
        """Call `wake` once it is free, which it is not."""
        self._waiting[wake] = None

    def take(self, message_id: str, wake: Callable[[], None]) -> None:
        """A message is about to be handed over; only where it is free. `wake`: what its queue waits with, too."""
        self._taken_for = message_id
        self._had = wake

    def give_back(self, message_id: str) -> None:
        """Nothing comes of this message, or all that is to come of it has."""
        if self._taken_for == message_id:
            self._taken_for = None
            self._wake()

    def spend(self, pause: int) -> None:
        """The message it was taken for is handed over: the next one follows in so many microseconds."""
        self._taken_for = None
        if not pause:
            self._wake()
            return
        now = self._clock.now()
        self._due_at = (now if now > self._due_at + LATE else self._due_at) + pause
        self._alarm = self._clock.call_at(self._due_at, self._ring)

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        self._alarm = None
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, {}
        had, self._had = self._had, None
        # Queues at other carriers come first: as long as it waits itself, it would come before them every time.
        for wake in sorted(waiting, key=lambda wake: wake == had):
            wake()


class Paces:
    """Those that a queue has, or that are spent."""

    def __init__(self, rates: Rates, clock: AlarmClock) -> None:
        self._rates = rates
        self._clock = clock
        # One that is spent is held by its alarm: a queue that ends and begins anew gains nothing by it.
        self._paces: WeakValueDictionary[tuple[str, str], Pace] = WeakValueDictionary()

    def of(self, account: str, sender: str) -> Pace | None:
        """A sender's pace; None where it may send as fast as it can."""
        if not self._rates.paces(sender):
            return None
        pace = self._paces.get((account, sender))
        if pace is None:
            pace = self._paces[account, sender] = Pace(self._clock)
        return pace

    def close(self) -> None:
        for pace in list(self._paces.values()):
            pace.close()
