"""What a crash left open, and messages whose carrier is gone or stays down. Called by `dispatch`."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from tidings.carriers.base import Carrier
from tidings.clock import AlarmClock
from tidings.gateway.answers import Judge
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.routes import Routes
from tidings.lifecycle import Kind, SegmentState
from tidings.model import ALWAYS
from tidings.store.base import Kept, Store

log = logging.getLogger(__name__)

AT_ONCE: Final = 500
"""Messages, or segments in doubt, that are read at a time."""


class Recovery:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        routes: Routes,
        carriers: Mapping[str, Carrier],
        judge: Judge,
        clock: AlarmClock,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._routes = routes
        self._carriers = carriers
        self._judge = judge
        self._clock = clock

    async def settle_doubts(self) -> None:
        """Intents without an answer: the process ended between them. Nobody knows whether the bytes left."""
        after: tuple[str, int] = ("", 0)
        found = 0
        while doubtful := await self._store.doubtful_segments(AT_ONCE, after):
            for message_id, part in doubtful:
                kept = await self._kept(message_id)
                carrier = kept.segments[part - 1].carrier
                evidence = "the gateway stopped between the intent and the answer"
                said = list(self._judge.doubt(kept, part, {"carrier": carrier, "evidence": evidence}))
                await self._ledger.record(kept, *said)
            after = doubtful[-1]
            found += len(doubtful)
        if found:
            log.warning(
                "%d segments had been handed over without an answer when the gateway stopped: policy %s",
                found,
                self._judge.policy.value,
            )

    async def leave(self, gone: str, account: str, sender: str) -> None:
        """Route the messages of a queue anew whose carrier is no longer configured."""
        moved = 0
        while waiting := await self._store.due_messages(gone, account, sender, ALWAYS, AT_ONCE):
            await asyncio.gather(*(self._route_anew(message_id, gone) for message_id, _ in waiting))
            moved += len(waiting)
        log.warning(
            "carrier %s is no longer configured: %d messages from %s were routed anew", gone, moved, sender
        )

    async def _route_anew(self, message_id: str, gone: str) -> None:
        kept = await self._kept(message_id)
        following = self._routes.after(kept.message.recipient, gone, kept.message.channel)
        kept.standing.carrier = following
        if following is None:
            kept.standing.due_at = None
            evidence = Evidence(Kind.REFUSED, {"carrier": gone, "reason": "no carrier left"}, error=30008)
        else:
            evidence = Evidence(Kind.DEFERRED, {"carrier": gone, "not_sent": "gone", "next": following})
        await self._ledger.record(kept, evidence)

    async def give_to_next(
        self, carrier: Carrier, queues: Sequence[tuple[str, str]], most: int
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Move on what waits for a carrier that is down, and has another one on its route who is up.

        `queues` are (account, sender); goes on until `most` messages have been looked at in vain. Yields the
        queues (carrier, account, sender) that have got some.
        """
        # Chance decides where it begins: behind what has nowhere else to go there may be what has.
        for account, sender in random.sample(queues, len(queues)):
            moved = True
            while moved and most > 0 and self._may_give(carrier):
                waiting = await self._store.due_messages(carrier.name, account, sender, self._clock.now(), AT_ONCE)
                giving = (self._give(message_id, carrier) for message_id, _ in waiting)
                given = await asyncio.gather(*giving, return_exceptions=True)
                # Those who were moved are told of, whatever went wrong with others.
                following = {one for one in given if isinstance(one, str)}
                for one in following:
                    yield one, account, sender
                if fault := next((one for one in given if isinstance(one, BaseException)), None):
                    raise fault
                most -= given.count(None)
                moved = bool(following) and len(waiting) == AT_ONCE

    def _may_give(self, carrier: Carrier) -> bool:
        return not carrier.up and any(other.up for other in self._carriers.values())

    async def _give(self, message_id: str, carrier: Carrier) -> str | None:
        """The carrier that a message goes to now; None where it stays with its own."""
        kept = await self._kept(message_id)
        if kept.standing.due_at is None or kept.standing.carrier != carrier.name:
            return None
        following = self._routes.after(kept.message.recipient, carrier.name, kept.message.channel)
        if following is None or begun(kept) or not self._carriers[following].up:
            return None
        kept.standing.carrier, kept.standing.tries = following, 0
        detail = {"carrier": carrier.name, "not_sent": "no bind is up", "next": following}
        await self._ledger.record(kept, Evidence(Kind.DEFERRED, detail))
        return following

    async def _kept(self, message_id: str) -> Kept:
        kept = await self._ledger.find(message_id)
        assert kept is not None, "the store has just named it"
        return kept


def begun(kept: Kept) -> bool:
    """Whether a part of it has gone to a carrier, or is on its way there."""
    return any(segment.state is not SegmentState.WAITING for segment in kept.segments)
