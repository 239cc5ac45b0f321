"""Accounts as they are now: a short memory in front of the store, for what every request asks.

A token rotated by another process stops working within `FRESH` seconds.
"""

from typing import Final

from tidings.clock import SECOND, Clock
from tidings.model import Account
from tidings.store.base import Store

FRESH: Final = 2 * SECOND
REMEMBERED: Final = 10_000
"""Accounts held in memory, at the most."""


class Accounts:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[int, Account | None]] = {}

    async def get(self, id: str) -> Account | None:
        """The account, no more than two seconds old."""
        now = self._clock.now()
        known = self._known.get(id)
        if known is not None and 0 <= now - known[0] < FRESH:
            return known[1]
        account = await self._store.account(id)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[id] = (now, account)
        return account
