"""Places for requests over all hosts, shared out by what a host has shown of itself.

Hosts that fail, or of which nothing is known, cannot take the places that the healthy ones need, however many they
are. `host` asks for a place before each round.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Mapping
from typing import Final

from tidings.callbacks.breaker import Health

PLACES: Final = {Health.PROVEN: 384, Health.NEW: 64, Health.FAILING: 64}
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


Shares = Mapping[Health, Share]


def shares() -> Shares:
    """One for each kind of host.

    Of the new hosts the youngest comes first: after a restart thousands may be waiting that are long dead, each of
    them perhaps for as long as a time limit, and whoever has something to hear now should not stand behind them.
    """
    return {health: Share(places, youngest_first=health is Health.NEW) for health, places in PLACES.items()}
