"""From what a handset sent to an inbound message, and to the opt-out list where it said STOP.

A carrier may acknowledge a segment once `take` returns. A segment of a long message is kept as a message of its
own; its event says which part of how many it is (joining them is described in docs/limits.md).
"""

import logging
from collections import Counter
from typing import Any

from tidings import phone, text
from tidings.carriers.base import InboundSegment
from tidings.clock import Clock
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.optout import OptOuts
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Direction, Message, Standing
from tidings.store.base import Change, Store

log = logging.getLogger(__name__)


class Inbound:
    def __init__(self, store: Store, ledger: Ledger, opt_outs: OptOuts, clock: Clock) -> None:
        self._store = store
        self._opt_outs = opt_outs
        self._ledger = ledger
        self._clock = clock
        self.counts: Counter[str] = Counter()

    async def take(self, segment: InboundSegment) -> None:
        """Keep an inbound segment. Returns once it is on disk."""
        owner = await self._store.sender(segment.destination)
        if owner is None:
            owner = await self._store.sender("+" + segment.destination.lstrip("+"))
        if owner is None:
            self.counts["nobodys"] += 1
            log.warning(
                "inbound message for %s, which is no account's: carrier=%s raw=%s",
                segment.destination,
                segment.carrier,
                segment.raw,
            )
            return
        now = self._clock.now()
        # Some handsets end texts as C strings; within one, no store and no form can carry a NUL.
        body = segment.text.rstrip("\0").replace("\0", "\ufffd")
        measure = text.measure(body)
        source = phone.e164("+" + segment.source.lstrip("+")) or segment.source
        message = Message(
            new_id(now),
            owner.account,
            "twilio",
            Direction.INBOUND,
            source,
            owner.address,
            body,
            measure.encoding,
            1,
            None,
            None,
            now,
        )
        change = Change()
        self._opt_outs.heed(message, change)
        detail: dict[str, Any] = {"carrier": segment.carrier, "encoding": segment.encoding, "raw": segment.raw}
        if segment.parts > 1:
            detail |= {"reference": segment.reference, "part": segment.part, "parts": segment.parts}
        standing = Standing(message.id, Status.RECEIVED, 0, now)
        _, committed = self._ledger.create(message, standing, Evidence(Kind.RECEIVED, detail), change)
        self.counts["received"] += 1
        await committed
