"""From what a handset sent to an inbound message, to the opt-out list where it said STOP, and to who answers it.

A carrier may acknowledge what it brings once `take` or `take_media` returns. What it brings again is known
(`arrivals`), and the segments of a long message become one (`parts`).
Who answers is said by the number or its service as they stand when the message comes in: it is kept with it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tidings import phone, text
from tidings.arranged import Application, Handler, Handling, Sender, Service
from tidings.carriers.base import InboundMedia, InboundSegment
from tidings.clock import AlarmClock
from tidings.errors import Problem
from tidings.gateway.arrivals import Arrivals
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.optout import Heeded, OptOuts
from tidings.gateway.parts import Parts, missing, part_of, text_of
from tidings.gateway.recent import Recent
from tidings.gateway.services import Services
from tidings.gateway.submit import Draft, Submitter
from tidings.gateway.turns import Turns
from tidings.ids import new_id, random_hex
from tidings.lifecycle import Kind, Status
from tidings.model import (
    Account,
    Channel,
    Direction,
    IdempotencyKey,
    InboundPart,
    Medium,
    Message,
    Order,
    Standing,
)
from tidings.phone import SenderKind
from tidings.store.base import Change, KeyTaken, Store
from tidings.text import Encoding

log = logging.getLogger(__name__)

INCOMPLETE: Final = 30009
"""Twilio: a segment of an inbound message is missing."""


class InboundSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    parts_wait: Annotated[int, Meta(ge=1)] = 600
    """Seconds that the segments of a long message wait for those that are missing."""
    missing_parts: Literal["deliver", "fail"] = "deliver"
    """What becomes of a message of which a segment never came: what there is of it is received, with error 30009,
    or it has failed with that error and nobody is asked to answer it."""
    redelivery: Annotated[int, Meta(ge=0)] = 300
    """Seconds within which what a carrier brings again, after it lost the connection that brought it first, is
    known as the same message; 0: it never is."""


class Said(msgspec.Struct, frozen=True):
    """What a handset sent, in however many segments."""

    source: str
    """The handset, as the carrier spells it."""
    body: str
    channel: Channel
    encoding: Encoding
    segments: int
    detail: dict[str, Any]
    """What the carrier brought, as evidence."""
    missing: Sequence[int] = ()
    """The segments that never came."""


class Inbound:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        opt_outs: OptOuts,
        services: Services,
        accounts: Recent[Account],
        submitter: Submitter,
        clock: AlarmClock,
        settings: InboundSettings,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._opt_outs = opt_outs
        self._services = services
        self._accounts = accounts
        self._submitter = submitter
        self._clock = clock
        self._settings = settings
        self._turns = Turns()
        self._arrivals = Arrivals(store, clock, settings.redelivery)
        self._parts = Parts(store, clock, settings.parts_wait, self._join)
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        """Take up the messages of which parts were still missing. Raises StoreError."""
        await self._parts.start()

    async def stop(self) -> None:
        """To be called when no carrier brings anything any more."""
        await self._parts.stop()

    async def forget_old(self) -> int:
        """Forget what cannot be brought again any more. Returns how much that was. Raises StoreError."""
        return await self._arrivals.forget_old()

    # --- what carriers bring
    async def take(self, segment: InboundSegment) -> None:
        """Keep an inbound segment. Returns once it is on disk."""
        owner = await self._owner(segment)
        if owner is None:
            return
        async with self._turn(owner, segment):
            change = Change()
            try:
                new = await self._take(owner, segment, change)
            except Exception:
                self._arrivals.refused(change)
                raise
            self._arrivals.taken(segment)
            if not new:
                self.counts["repeated"] += 1

    async def _take(self, owner: Sender, segment: InboundSegment, change: Change) -> bool:
        """Keep it with `change`; returns whether it was not kept already."""
        if await self._arrivals.is_known(segment, change):
            await self._store.commit(change)
            return False
        if segment.parts > 1:
            return await self._parts.take(part_of(segment, owner), change)
        await self._keep(owner, _said(segment), change)
        return True

    async def take_media(self, received: InboundMedia) -> None:
        """Keep an inbound media message. Returns once it is on disk, with all that came with it.

        What the carrier delivers again, as it missed the answer, is known by its transaction.
        """
        owner = await self._owner(received)
        if owner is None:
            return
        async with self._turn(owner, received):
            await self._take_media(owner, received)

    async def _take_media(self, owner: Sender, received: InboundMedia) -> None:
        key = f"{received.carrier} {received.transaction} {received.destination}"
        if received.transaction and await self._store.idempotency_key(owner.account, key) is not None:
            self.counts["repeated"] += 1
            return
        now, change, media = self._clock.now(), Change(), []
        for place, part in enumerate(received.parts):
            medium_id = random_hex()
            await self._store.put_content(medium_id, part.content)
            media.append(
                Medium(medium_id, "", owner.account, place, None, part.content_type, len(part.content), now, now)
            )
        try:
            await self._keep(owner, _shown(received), change, media, key if received.transaction else None)
        except KeyTaken:
            self.counts["repeated"] += 1  # another process of the same store was faster

    def _turn(self, owner: Sender, received: InboundSegment | InboundMedia) -> asyncio.Lock:
        """A handset's messages are kept one by one, in the order in which they come.

        What START says depends on the STOP before it, and the same PDU may be brought again while the first one is
        on its way to the disk.
        """
        return self._turns.of((owner.account, _address(received.source)))

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

    async def _join(self, parts: Sequence[InboundPart], change: Change) -> None:
        """Make one message of all parts that there are."""
        first = parts[0]
        owner = await self._store.sender(first.destination)
        if owner is None or owner.account != first.account:
            owner = Sender(first.destination, first.account)  # it went elsewhere meanwhile: nobody answers
        await self._keep(owner, _joined(parts), change)

    # --- messages
    async def _keep(
        self,
        owner: Sender,
        said: Said,
        change: Change,
        media: Sequence[Medium] = (),
        once: str | None = None,
    ) -> None:
        """`once`: a key under which there is to be but one message. Raises KeyTaken where there is another."""
        handset = _address(said.source)
        service = await self._services.of(owner.account, owner.address)
        # Half a message may look like a keyword.
        heeded = None if said.missing else await self._opt_outs.read(owner, handset, said.body, service)
        message = await self._message(owner, handset, said, service, len(media), heeded)
        change.media.extend(msgspec.structs.replace(medium, message_id=message.id) for medium in media)
        if once is not None:
            change.keys.append(IdempotencyKey(owner.account, once, "", message.id, message.created_at))
        if heeded is not None:
            self._opt_outs.keep(heeded, message, change)
        answer = await self._answer(message, heeded.answer, change) if heeded and heeded.answer else None
        standing = Standing(message.id, Status.RECEIVING, 0, message.created_at)
        created = Evidence(Kind.CREATED, said.detail)
        begun = self._ledger.begin(message, standing, created, change, self._outcome(said))
        if answer is None:
            await self._ledger.commit(change, begun)
        else:
            await self._submitter.keep(answer, change, begun)
        self.counts["incomplete" if said.missing else "received"] += 1

    async def _message(
        self, owner: Sender, handset: str, said: Said, service: Service | None, media: int, heeded: Heeded | None
    ) -> Message:
        handling, callback_url = await self._handling(owner, service)
        extras = _told_to(handling) if self._outcome(said).kind is Kind.RECEIVED else {}
        if heeded is not None and heeded.advanced:
            extras["opt_out"] = heeded.kind
        now = self._clock.now()
        return Message(
            new_id(now),
            owner.account,
            handling.dialect,
            Direction.INBOUND,
            handset,
            owner.address,
            said.body,
            said.encoding,
            said.segments,
            callback_url,
            None,
            now,
            said.channel,
            media,
            service.id if service else None,
            extras=extras,
        )

    def _outcome(self, said: Said) -> Evidence:
        if not said.missing:
            return _COMPLETE
        kind = Kind.RECEIVED if self._settings.missing_parts == "deliver" else Kind.EXPIRED
        return Evidence(kind, {"missing": list(said.missing)}, error=INCOMPLETE)

    async def _answer(self, message: Message, words: str, change: Change) -> Draft | None:
        """What a handset that opted out, opted in or asked for help is answered, to be kept with its message.

        None where no answer can be sent: that is no reason to have the message brought again.
        """
        account = await self._accounts.get(message.account)
        if account is None:
            return None
        order = Order(
            message.dialect,
            message.recipient,
            message.sender,
            words,
            service=message.service,
            direction=Direction.OUTBOUND_REPLY,
            extras={"confirms": True},
        )
        try:
            return await self._submitter.draft(account, order, change)
        except Problem as problem:
            log.warning("message %s: its keyword is not answered: %s", message.id, problem)
            return None

    async def _handling(self, owner: Sender, service: Service | None) -> tuple[Handling, str | None]:
        """Who answers, with an application's URLs filled in, and who is told of the message's status."""
        handling = owner.handling if service is None or service.defers else service.handling
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


_COMPLETE = Evidence(Kind.RECEIVED, {})


def _said(segment: InboundSegment) -> Said:
    """A message in one segment, or in one that its carrier joined of several."""
    body = _body(segment.text)
    measure = text.measure(body)
    detail = {"carrier": segment.carrier, "encoding": segment.encoding, "raw": segment.raw}
    return Said(segment.source, body, Channel.SMS, measure.encoding, measure.segments, detail)


def _joined(parts: Sequence[InboundPart]) -> Said:
    """A message in several segments, or what came of it. In its evidence they have their places."""
    first, body = parts[0], _body(text_of(parts))
    by_number = {part.part: part for part in parts}
    places = [by_number.get(number) for number in range(1, first.parts + 1)]
    detail = {
        "carrier": first.carrier,
        "reference": first.reference,
        "parts": first.parts,
        "encoding": [part and part.encoding for part in places],
        "raw": [part and part.raw for part in places],
    }
    wide = any(part.encoding == "ucs2" for part in parts)
    encoding = Encoding.UCS2 if wide else text.measure(body).encoding
    return Said(first.source, body, Channel.SMS, encoding, len(parts), detail, missing(parts))


def _shown(received: InboundMedia) -> Said:
    body = _body(received.text or received.subject)
    detail = {"carrier": received.carrier, "raw": received.raw}
    return Said(received.source, body, Channel.MMS, text.measure(body).encoding, 1, detail)


def _address(source: str) -> str:
    """A handset's number in E.164, or what its carrier calls it: not every number that has no "+" lacks one."""
    if phone.sender_kind(source) is SenderKind.SHORT_CODE:
        return source
    return phone.e164("+" + source.lstrip("+")) or source


def _body(said: str) -> str:
    """Some handsets end texts as C strings; within one, no store and no form can carry a NUL."""
    return said.rstrip("\0").replace("\0", "\ufffd")


def _told_to(handling: Handling) -> dict[str, Any]:
    """What an inbound message keeps of it: `Message.extras`."""
    if handling.handler is Handler.RELAY:
        return {"context": handling.context or "default", "tags": []}
    if handling.handler in (Handler.MARKUP, Handler.SWML) and (handling.url or handling.script):
        return {"webhook": msgspec.to_builtins(handling)}
    return {}
