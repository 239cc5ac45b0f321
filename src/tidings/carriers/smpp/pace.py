"""How fast a carrier may be sent to: its agreed throughput, and less while it says that it is too much.

`carrier` asks it before every submission. A token bucket that holds a tenth of a second; "too fast" halves the
rate and pauses, and every second without another one gives a part back (AIMD, as in TCP). No I/O and no timer:
time is told to every call, in seconds of any clock that only goes forward.
"""

from typing import Final

BURST: Final = 0.1
"""Seconds' worth of tokens the bucket holds, at least one."""
RECOVERY: Final = 30.0
"""Seconds from nothing back to the full rate, at an even pace; from a half, half of it."""
SLOWEST: Final = 1.0
"""Segments a second below which no halving goes."""


class Pace:
    def __init__(self, limit: float, now: float) -> None:
        """`limit` in segments a second, 0 for none."""
        self._limit = limit
        self._tokens = self._burst(limit)
        self._filled_at = now
        self._resume_at = now
        self._full = limit
        """The rate to recover to: the limit, or without one what was being sent when it became too much."""
        self._cut: tuple[float, float] | None = None
        """(rate, when) of the last halving, while its effect lasts."""
        self._counting_since = now
        self._taken = 0
        self._measured = 0.0

    def rate(self, now: float) -> float:
        """Segments a second allowed now; 0 for no limit."""
        if self._cut is None:
            return self._limit
        rate, since = self._cut
        rate += self._full / RECOVERY * max(0.0, now - since)
        if rate < self._full:
            return rate
        self._cut = None
        return self._limit

    def throttled(self, now: float) -> bool:
        """Whether the effect of a `slow` still lasts."""
        return self.rate(now) != self._limit

    def wait(self, now: float) -> float:
        """Seconds until one more may be sent; 0 for now."""
        if now < self._resume_at:
            return self._resume_at - now
        rate = self.rate(now)
        if rate == 0:
            return 0.0
        self._tokens = min(self._burst(rate), self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / rate

    def take(self, now: float) -> None:
        """One is sent; to be called only when `wait` is 0."""
        self._tokens = max(0.0, self._tokens - 1)
        self._measure(now)
        self._taken += 1

    def give_back(self) -> None:
        """The one that was taken is not sent after all."""
        self._tokens += 1
        self._taken = max(0, self._taken - 1)

    def slow(self, now: float, pause: float) -> bool:
        """The carrier says "too fast": halve the rate, and send nothing for `pause` seconds.

        A window full of such answers to what was already on its way is one warning: within the pause, or a second,
        the rate is halved once. Returns whether it was.
        """
        self._resume_at = max(self._resume_at, now + pause)
        if self._cut is not None and now - self._cut[1] < max(pause, 1.0):
            return False
        self._measure(now)
        rate = self.rate(now) or max(self._measured, self._taken)
        if self._cut is None:
            self._full = self._limit or max(rate, SLOWEST)
        self._cut = (max(rate / 2, SLOWEST), now + pause)
        self._tokens = min(self._tokens, 1.0)
        return True

    def _measure(self, now: float) -> None:
        if now - self._counting_since >= 1:
            self._measured = self._taken / (now - self._counting_since)
            self._counting_since, self._taken = now, 0

    @staticmethod
    def _burst(rate: float) -> float:
        return max(1.0, rate * BURST)
