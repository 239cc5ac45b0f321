"""Turns: whoever would work on the same thing as another waits for that one. `inbound` and `parts` take them."""

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class Turns:
    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        """Those that somebody holds or waits for."""

    def of(self, thing: Hashable) -> asyncio.Lock:
        """To be held while working on it."""
        lock = self._locks.get(thing)
        if lock is None:
            lock = self._locks[thing] = asyncio.Lock()
        return lock
