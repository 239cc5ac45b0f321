"""Places for requests over all hosts, shared out by what is to be expected of the answer.

Hosts that fail, or of which nothing is known, cannot take the places that the healthy ones need, however many they
are. `host` asks for a place before each round.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tidings.callbacks.breaker import Health
from tidings.model import Callback


class Kind(StrEnum):
    """Rounds of a kind have a share of their own."""

    PROVEN = "proven"
    """To a host that has taken something, and does so."""
    NEW = "new"
    """Something that has just happened, to a host that has not been tried."""
    LEFT = "left"
    """The same, of what was owed before this gateway started: thousands of such hosts may be long dead."""
    FAILING = "failing"
    """To a host that failed, or something that has failed before."""


PLACES: Final = {Kind.PROVEN: 384, Kind.NEW: 48, Kind.LEFT: 32, Kind.FAILING: 48}
CONNECTIONS: Final = sum(PLACES.values())


class Share:
    """So many places, and who waits for one of them."""

    def __init__(self, places: int, *, youngest_first: bool = False) -> None:
        """`youngest_first`: the next free place is for who came last, not for who has waited longest."""
        self._free = places
        self._youngest_first = youngest_first
        self._waiting: deque[Future[None]] = deque()

    async def take(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        while self._waiting:
            turn = self._waiting.pop() if self._youngest_first else self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


Shares = Mapping[Kind, Share]


def shares() -> Shares:
    """One of each kind. Of the new ones the youngest comes first: each before it may take a whole time limit."""
    return {kind: Share(places, youngest_first=kind is Kind.NEW) for kind, places in PLACES.items()}


def kind_of(health: Health, callback: Callback, started: int) -> Kind:
    """What a round at `callback` is, by how its host does; `started`: when this gateway did."""
    if health is not Health.NEW:
        return Kind.PROVEN if health is Health.PROVEN else Kind.FAILING
    if callback.attempts:
        return Kind.FAILING
    return Kind.LEFT if callback.owed_since < started else Kind.NEW
