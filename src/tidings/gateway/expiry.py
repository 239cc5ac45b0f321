"""Messages whose validity has ended while they waited: they end where they are, whatever it is that they wait for.

A validity of a message's own ends by an alarm, at its moment. The one that all others have ends when a message has
its turn, and for the oldest of each queue when housekeeping sweeps. Only what has not left can end: where one is
being sent at that moment, the ledger decides.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from tidings.clock import SECOND, Alarm, AlarmClock
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.recovery import begun
from tidings.lifecycle import Kind
from tidings.model import Event, Message
from tidings.store.base import Change, Kept, Store, StoreError

log = logging.getLogger(__name__)

AT_ONCE: Final = 200
"""Messages that end in one go."""
APART: Final = SECOND // 20
"""Between two looks at what has ended."""
AFTER_A_FAULT: Final = SECOND
"""Until what the store failed for is looked for again."""
EXPIRED: Final = 30036


class Expiry:
    def __init__(self, store: Store, ledger: Ledger, clock: AlarmClock, validity: int) -> None:
        """`validity`: seconds, of messages that name none of their own; 0: for ever."""
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._validity = validity
        self._alarm: Alarm | None = None
        self._look: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """End what has ended meanwhile, and from now on what ends."""
        self._alarm_at(self._clock.now())

    async def stop(self) -> None:
        """What is ending still ends; the rest does so after the next start."""
        self._stopping = True
        if self._look is not None:
            await asyncio.gather(self._look, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()

    def watch(self, message: Message) -> None:
        """A message waits from now on."""
        if message.validity is not None:
            self._alarm_at(message.ready_at + message.validity * SECOND)

    def has_ended(self, message: Message) -> bool:
        validity = message.validity or self._validity
        return validity > 0 and self._clock.now() >= message.ready_at + validity * SECOND

    async def end(self, kept: Kept) -> bool:
        """What of a message has not left will not leave any more. False where nothing of it waits."""
        # A carrier that was too busy to the end is another matter than a message that nobody got round to.
        events: Sequence[Event] = ()
        if kept.segments:
            await self._store.commit(Change())  # after what is still being kept of it, which is to be read
            events = await self._store.events(kept.message.id)
        if kept.standing.due_at is None:
            return False
        kept.standing.due_at = None
        error = events[-1].detail.get("ends_as", EXPIRED) if events else EXPIRED
        detail = {"validity": kept.message.validity or self._validity}
        await self._ledger.record(kept, Evidence(Kind.EXPIRED, detail, error=error))
        return True

    async def sweep(self) -> None:
        """End what waits at the head of queues and has no validity of its own. Raises StoreError."""
        if not self._validity:
            return
        until = self._clock.now() - self._validity * SECOND
        for queue in await self._store.queues():
            # Those due by then have waited for so long, unless their validity is longer, or they overtake.
            while due := await self._store.due_messages(*queue, until, AT_ONCE):
                if await self._end_all([message_id for message_id, _ in due]) < AT_ONCE:
                    break

    # --- validities of messages' own
    def _alarm_at(self, at: int) -> None:
        """Look at what has ended then, or before."""
        if self._alarm is not None:
            if self._alarm.when() <= at:
                return
            self._alarm.cancel()
        self._alarm = self._clock.call_at(at, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._look is None:
            self._look = asyncio.get_running_loop().create_task(self._end_own(), name="expiry")
        else:
            self._alarm_at(self._clock.now() + APART)

    async def _end_own(self) -> None:
        now, limit = self._clock.now(), AT_ONCE
        try:
            while not self._stopping:
                ids = await self._store.expired(now, limit)
                spared = len(ids) - sum(await asyncio.gather(*map(self._end_unbegun, ids)))
                if len(ids) < limit:
                    break
                limit = spared + AT_ONCE
            following = await self._store.next_expiry(now)
        except StoreError as error:
            log.error("expiry: %s", error)
            following = now + AFTER_A_FAULT
        finally:
            self._look = None
        if following is not None:
            self._alarm_at(max(following, now + APART))

    async def _end_all(self, ids: Sequence[str]) -> int:
        """How many of these have ended; the others have not, or are on their way."""
        return sum(await asyncio.gather(*map(self._end_one, ids)))

    async def _end_unbegun(self, message_id: str) -> bool:
        """End it, unless a part of it has left: then the others follow, or it ends when it has its turn again."""
        kept = await self._ledger.find(message_id)
        return kept is not None and not begun(kept) and await self._end_one(message_id)

    async def _end_one(self, message_id: str) -> bool:
        kept = await self._ledger.find(message_id)
        return kept is not None and self.has_ended(kept.message) and await self.end(kept)
