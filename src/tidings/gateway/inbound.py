"""From what a handset sent to an inbound message, to the opt-out list where it said STOP, and to who answers it.

A carrier may acknowledge what it brings once `take` or `take_media` returns. A segment of a long message is kept
as a message of its own; its event says which part of how many it is (docs/limits.md). Who answers is said by the
number's `Handling` as it stands when the message comes in: it is kept with the message.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from tidings import phone, text
from tidings.arranged import Application, Handler, Handling, Sender
from tidings.carriers.base import InboundMedia, InboundSegment
from tidings.clock import Clock
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.optout import OptOuts
from tidings.ids import new_id, random_hex
from tidings.lifecycle import Kind, Status
from tidings.model import Channel, Direction, IdempotencyKey, Medium, Message, Standing
from tidings.store.base import Change, KeyTaken, Store

log = logging.getLogger(__name__)

_COMPLETE = Evidence(Kind.RECEIVED, {})


class Inbound:
    def __init__(self, store: Store, ledger: Ledger, opt_outs: OptOuts, clock: Clock) -> None:
        self._store = store
        self._opt_outs = opt_outs
        self._ledger = ledger
        self._clock = clock
        self.counts: Counter[str] = Counter()

    async def take(self, segment: InboundSegment) -> None:
        """Keep an inbound segment. Returns once it is on disk."""
        owner = await self._owner(segment)
        if owner is None:
            return
        detail: dict[str, Any] = {"carrier": segment.carrier, "encoding": segment.encoding, "raw": segment.raw}
        if segment.parts > 1:
            detail |= {"reference": segment.reference, "part": segment.part, "parts": segment.parts}
        await self._keep(owner, segment.source, segment.text, Channel.SMS, detail)

    async def take_media(self, received: InboundMedia) -> None:
        """Keep an inbound media message. Returns once it is on disk, with all that came with it.

        What the carrier delivers again, as it missed the answer, is known by its transaction.
        """
        owner = await self._owner(received)
        if owner is None:
            return
        key = f"{received.carrier} {received.transaction} {received.destination}"
        if received.transaction and await self._store.idempotency_key(owner.account, key) is not None:
            self.counts["repeated"] += 1
            return
        now, media = self._clock.now(), []
        for place, part in enumerate(received.parts):
            medium_id = random_hex()
            await self._store.put_content(medium_id, part.content)
            media.append(
                Medium(medium_id, "", owner.account, place, None, part.content_type, len(part.content), now, now)
            )
        body = received.text or received.subject
        detail: dict[str, Any] = {"carrier": received.carrier, "raw": received.raw}
        once = key if received.transaction else None
        try:
            await self._keep(owner, received.source, body, Channel.MMS, detail, media, once)
        except KeyTaken:
            self.counts["repeated"] += 1  # at the same time, over another connection

    async def _owner(self, received: InboundSegment | InboundMedia) -> Sender | None:
        destination = received.destination
        owner = await self._store.sender(destination) or await self._store.sender("+" + destination.lstrip("+"))
        if owner is None:
            self.counts["nobodys"] += 1
            log.warning(
                "inbound message for %s, which is no account's: carrier=%s raw=%s",
                destination,
                received.carrier,
                received.raw,
            )
        return owner

    async def _keep(
        self,
        owner: Sender,
        source: str,
        said: str,
        channel: Channel,
        detail: dict[str, Any],
        media: Sequence[Medium] = (),
        once: str | None = None,
    ) -> None:
        """`once`: a key under which there is to be but one message. Raises KeyTaken where there is another."""
        now, change = self._clock.now(), Change()
        # Some handsets end texts as C strings; within one, no store and no form can carry a NUL.
        body = said.rstrip("\0").replace("\0", "\ufffd")
        handling, callback_url = await self._handling(owner)
        message = Message(
            new_id(now),
            owner.account,
            handling.dialect,
            Direction.INBOUND,
            phone.e164("+" + source.lstrip("+")) or source,
            owner.address,
            body,
            text.measure(body).encoding,
            1,
            callback_url,
            None,
            now,
            channel,
            len(media),
            extras=_told_to(handling),
        )
        change.media.extend(msgspec.structs.replace(medium, message_id=message.id) for medium in media)
        if once is not None:
            change.keys.append(IdempotencyKey(owner.account, once, "", message.id, now))
        self._opt_outs.heed(message, change)
        standing = Standing(message.id, Status.RECEIVING, 0, now)
        began = Evidence(Kind.CREATED, detail)
        _, committed = self._ledger.create(message, standing, began, change, _COMPLETE)
        self.counts["received"] += 1
        await committed

    async def _handling(self, owner: Sender) -> tuple[Handling, str | None]:
        """Who answers, with an application's URLs filled in, and who is told of the message's status."""
        handling = owner.handling
        if handling.handler is not Handler.APPLICATION or handling.application is None:
            return handling, None
        application = await self._store.resource(Application, owner.account, handling.application)
        if application is None:
            return msgspec.structs.replace(handling, handler=Handler.NONE), None
        found = msgspec.structs.replace(
            handling,
            handler=Handler.MARKUP if application.url else Handler.NONE,
            url=application.url,
            method=application.method,
            fallback_url=application.fallback_url,
            fallback_method=application.fallback_method,
        )
        return found, application.status_callback


def _told_to(handling: Handling) -> dict[str, Any]:
    """What an inbound message keeps of it: `Message.extras`."""
    if handling.handler is Handler.RELAY:
        return {"context": handling.context or "default", "tags": []}
    if handling.handler in (Handler.MARKUP, Handler.SWML) and (handling.url or handling.script):
        return {"webhook": msgspec.to_builtins(handling)}
    return {}
