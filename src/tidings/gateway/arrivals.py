"""What carriers brought lately, by which it is known that they bring it again. `inbound` asks for each segment.

A carrier delivers again what it has no answer to, once the connection is lost that was to carry one, and what was
answered with no. Over a connection that is still up the same is a new message: people say "yes" twice.
"""

from collections import OrderedDict
from typing import Final

from tidings.carriers.base import InboundSegment
from tidings.clock import SECOND, Clock
from tidings.model import Arrival
from tidings.store.base import Change, Store

REFUSED: Final = 10_000
"""Refusals that are remembered."""


class Arrivals:
    def __init__(self, store: Store, clock: Clock, seconds: int) -> None:
        """`seconds`: how long it may take until something is brought again; 0: it never is."""
        self._store = store
        self._clock = clock
        self._window = seconds * SECOND
        self._refused: OrderedDict[tuple[str, str], set[Arrival]] = OrderedDict()
        """By carrier and digest: what was to be kept when the carrier was told no, and is kept perhaps."""

    async def is_known(self, segment: InboundSegment, change: Change) -> bool:
        """Whether it is kept already; with `change` it is known who brought it last. Raises StoreError."""
        if not (segment.digest and self._window):
            return False
        now = self._clock.now()
        before = await self._store.arrival(segment.carrier, segment.digest)
        change.arrivals.append(Arrival(segment.carrier, segment.digest, segment.connection, now))
        if before is None or now - before.at > self._window:
            return False
        if before in self._refused.get((segment.carrier, segment.digest), ()):
            return True
        return before.connection != segment.connection and before.connection not in segment.live

    def refused(self, change: Change) -> None:
        """Keeping `change` failed, as far as anybody knows: the carrier is told to bring it again."""
        for arrival in change.arrivals:
            key = (arrival.carrier, arrival.digest)
            self._refused.setdefault(key, set()).add(arrival)
            if len(self._refused) > REFUSED:
                self._refused.popitem(last=False)

    def taken(self, segment: InboundSegment) -> None:
        """It is kept, and the carrier is told so."""
        self._refused.pop((segment.carrier, segment.digest), None)

    async def forget_old(self) -> int:
        """Forget what cannot come again any more. Returns how much that was. Raises StoreError."""
        return await self._store.drop_arrivals(self._clock.now() - self._window)
