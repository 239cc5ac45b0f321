"""How a host has been doing, and how much may be asked of it: the circuit breaker of one host.

    closed ────several failures in a row──────> open ──pause over──> half-open ──probe taken──> closed
                                                  ^                     │
                                                  └────probe failed─────┘   the pause doubles

A new host, and one that has just failed, is asked little at a time; how much doubles with every success. No timer,
no I/O; whoever asks tells the time. `host` has one for each host.
"""

import random
from enum import StrEnum
from typing import Final

import msgspec

from tidings.clock import SECOND

TRIPS_AFTER: Final = 10
"""Failures in a row, over all callbacks to the host, that open the breaker."""
TRIPS_UNPROVEN_AFTER: Final = 3
"""The same of a host that has never taken one."""
SHORTEST_PAUSE: Final = 5 * SECOND
LONGEST_PAUSE: Final = 300 * SECOND
FIRST_LIMIT: Final = 1
"""Requests under way to a host of which nothing is known yet."""


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    """Nothing is sent."""
    HALF_OPEN = "half_open"
    """One request at a time is sent, to see."""


class Health(StrEnum):
    """What a host has shown of itself. Each kind has its own share of the connections."""

    NEW = "new"
    PROVEN = "proven"
    """It has taken something, and its breaker is closed."""
    FAILING = "failing"


class HostReport(msgspec.Struct, frozen=True):
    """One host, as an account that is told there may see it. Times are microseconds since 1970."""

    host: str
    state: BreakerState
    failures: int
    """In a row; 0 after a success."""
    last_error: int | None
    """Twilio debugger code of the last failure, if nothing was taken since."""
    probe_at: int | None
    """When an open breaker lets the next request through."""
    outstanding: int
    """Callbacks that the account is owed there."""


class Breaker:
    def __init__(self, most: int) -> None:
        """`most` is how many requests may be under way to a host that does well."""
        self._most = most
        self._limit = min(FIRST_LIMIT, most)
        self._pause = SHORTEST_PAUSE
        self._proven = False
        self.failures = 0
        self.last_error: int | None = None
        self.probe_at: int | None = None
        """Set while it is not closed."""

    def state(self, now: int) -> BreakerState:
        if self.probe_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.probe_at else BreakerState.HALF_OPEN

    @property
    def health(self) -> Health:
        if self.probe_at is not None:
            return Health.FAILING
        if self._proven:
            return Health.PROVEN
        return Health.FAILING if self.failures else Health.NEW

    def limit(self, now: int) -> int:
        """How many requests may be under way."""
        if self.probe_at is None:
            return self._limit
        return 0 if now < self.probe_at else 1

    def succeeded(self) -> None:
        """The host answered, be it that it did not like what it was asked."""
        self._limit = min(self._limit * 2, self._most)
        self._pause = SHORTEST_PAUSE
        self._proven = True
        self.failures = 0
        self.last_error = self.probe_at = None

    def failed(self, now: int, error: int, wait: int | None = None, *, probe: bool = False) -> None:
        """No answer, or one that speaks of the host itself (5xx, 429).

        `wait`: µs it asked us to stay away. `probe`: it was the request that a breaker let through to see; others,
        from before it opened, tell nothing new.
        """
        self.failures += 1
        self.last_error = error
        self._limit = max(1, self._limit // 2)
        trips = self.failures >= (TRIPS_AFTER if self._proven else TRIPS_UNPROVEN_AFTER)
        if probe or (self.probe_at is None and trips):
            pause = int(self._pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            self.probe_at = now + min(max(pause, wait or 0), LONGEST_PAUSE)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
