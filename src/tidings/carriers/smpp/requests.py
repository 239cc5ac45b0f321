"""What we have asked on one connection and who waits for the answer: numbers, timers and pairing, without I/O.

`link` keeps one of these. A request is waited for as long as the timer says; its number stays reserved for as long
again, so that a late answer still finds it and is not taken for another's.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from tidings.carriers.smpp.pdu import RESPONSE, Command, Pdu

MAX_SEQUENCE: Final = 0x7FFFFFFF
"""SMPP 3.4 §5.1.4; we count from 1 again after it."""


class Asked(msgspec.Struct):
    command: int
    answer: asyncio.Future[Pdu]
    late: Callable[[Pdu], None] | None
    """For an answer nobody waits for any more."""
    due: float
    """When it is given up; once it is, when its number is free again."""


class Requests:
    def __init__(self, timeout: float) -> None:
        self.sequence = 0
        """The number of the latest request."""
        self._timeout = timeout
        # Both in the order of the writes, and all timers run equally long: the oldest is first.
        self._waiting: dict[int, Asked] = {}
        self._given_up: dict[int, Asked] = {}

    def __len__(self) -> int:
        """How many are waited for."""
        return len(self._waiting)

    def next(self) -> int:
        """The number for the next request; those in use are stepped over."""
        sequence = self.sequence
        while True:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence not in self._waiting and sequence not in self._given_up:
                return sequence

    def add(
        self,
        sequence: int,
        command: int,
        answer: asyncio.Future[Pdu],
        late: Callable[[Pdu], None] | None,
        now: float,
    ) -> None:
        """It has been written now."""
        self.sequence = sequence
        self._waiting[sequence] = Asked(command, answer, late, now + self._timeout)

    def match(self, pdu: Pdu) -> Asked | None:
        """The request that a response answers, no longer kept; None for a response to nothing we asked.

        A response has to be of the request's kind, or a generic_nack: the number alone is not enough.
        """
        for asked_for in (self._waiting, self._given_up):
            asked = asked_for.get(pdu.sequence)
            if asked is not None and pdu.command in (asked.command | RESPONSE, Command.GENERIC_NACK):
                return asked_for.pop(pdu.sequence)
        return None

    def expire(self, now: float) -> list[Asked]:
        """Those whose time is up now; and numbers whose time is up twice are free again."""
        expired: list[Asked] = []
        for sequence, asked in self._waiting.items():
            if asked.due > now:
                break
            expired.append(asked)
            asked.due = now + self._timeout
            self._given_up[sequence] = asked
        for _ in expired:
            del self._waiting[next(iter(self._waiting))]
        while self._given_up and next(iter(self._given_up.values())).due <= now:
            del self._given_up[next(iter(self._given_up))]
        return expired

    def abandon(self) -> list[Asked]:
        """The connection is gone: nothing is kept. Returns those that were waited for."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        self._given_up.clear()
        return waiting
