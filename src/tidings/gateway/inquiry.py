"""Asks carriers about segments they accepted long ago and never sent a receipt for.

Only carriers that answer query_sm are asked (their profile says so), once for each segment, `query_after`
seconds after its message was made. What they say is taken like a receipt: evidence, matched by id, kept with its
bytes. A segment in doubt cannot be asked about: what would name it is the answer that never came.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

from tidings.carriers.base import Carrier, Receipt
from tidings.clock import DAY, SECOND, Clock
from tidings.gateway.receipts import Receipts
from tidings.store.base import Store

log = logging.getLogger(__name__)

AT_ONCE: Final = 500
"""Segments asked about in one round for each carrier: inquiries share the window with submissions. More than any
message has."""
PATIENCE: Final = 30.0
"""Seconds that one question may wait for room and an answer; then the rest is left to the next round."""
LOOK_BACK: Final = DAY
"""How far back from `query_after` a start looks for what was accepted before it."""


@runtime_checkable
class Answers(Protocol):
    """A carrier that can be asked what became of a segment."""

    @property
    def answers_queries(self) -> bool: ...

    async def query(self, carrier_id: str, sender: str) -> Receipt | None: ...


class Inquiry:
    def __init__(
        self, store: Store, receipts: Receipts, carriers: Mapping[str, Carrier], clock: Clock, after: int
    ) -> None:
        """`after` in seconds; 0 asks nobody."""
        self._store = store
        self._receipts = receipts
        self._carriers = carriers
        self._clock = clock
        self._after = after * SECOND
        self._asked_until: dict[str, int] = {}

    async def ask(self) -> int:
        """One round; returns how many answers came."""
        answers = 0
        for name, carrier in self._carriers.items():
            if self._after and isinstance(carrier, Answers) and carrier.answers_queries and carrier.up:
                answers += await self._ask(name, carrier)
        return answers

    async def _ask(self, name: str, carrier: Answers) -> int:
        until = self._clock.now() - self._after
        since = self._asked_until.get(name, until - LOOK_BACK)
        open_segments = await self._store.accepted_segments(name, since, until, AT_ONCE)
        if len(open_segments) == AT_ONCE:
            # The limit may have cut through the last message: it is left to the next round, with all its parts.
            until, _, _ = open_segments[-1]
            open_segments = [found for found in open_segments if found[0] < until]
        answers = 0
        for created_at, carrier_id, sender in open_segments:
            try:
                async with asyncio.timeout(PATIENCE):
                    receipt = await carrier.query(carrier_id, sender)
            except TimeoutError:
                until = created_at
                break
            if receipt is not None:
                answers += 1
                await self._receipts.take(receipt)
        self._asked_until[name] = until
        if open_segments:
            log.info(
                "%s: asked about %d segments without a receipt, %d answers", name, len(open_segments), answers
            )
        return answers
