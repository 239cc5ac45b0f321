"""The one source of time. Everything that asks what time it is gets a `Clock` and asks that."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

SECOND = 1_000_000
"""Microseconds in a second: all times and durations that are kept are whole microseconds."""
HOUR = 3600 * SECOND
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        return time.time_ns() // 1000


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
