"""Taking a message in: from a dialect's parsed order to a committed message with its first event and its work.

Called by the web room. Raises `errors.Problem` with the code the application is to see; when it raises, nothing
has been kept. When it returns, the message is on disk (promise 1).
"""

import asyncio
from asyncio import Future
from typing import Final, Protocol

import msgspec

from tidings import phone, text
from tidings.arranged import Sender
from tidings.clock import DAY, Clock
from tidings.errors import Problem
from tidings.gateway.ledger import Evidence, Ledger
from tidings.gateway.limits import QueueDepths
from tidings.gateway.optout import OptOuts
from tidings.gateway.recent import Recent
from tidings.gateway.routes import Route, Routes, price
from tidings.gateway.services import Services
from tidings.ids import new_id, random_hex
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.model import Account, Channel, IdempotencyKey, Medium, Message, Order, Segment, Standing
from tidings.store.base import Change, Kept, KeyTaken, Store

MAX_BODY: Final = 1600
"""UTF-16 units (Twilio 21617)."""
KEY_LIFETIME: Final = 7 * DAY
"""How long an idempotency key is remembered."""

_CREATED: Final = Evidence(Kind.CREATED, {})


class Submitted(msgspec.Struct, frozen=True):
    message: Message
    standing: Standing
    repeated: bool
    """True: an earlier request with this idempotency key made it."""


class Outbox(Protocol):
    """Where a committed message goes next (`gateway.dispatch`)."""

    def offer(self, kept: Kept) -> None: ...

    def look_again(self, carrier: str) -> None:
        """Soon, at what the store holds for `carrier`."""
        ...


class Submitter:
    def __init__(
        self,
        store: Store,
        senders: Recent[Sender],
        ledger: Ledger,
        routes: Routes,
        depths: QueueDepths,
        opt_outs: OptOuts,
        services: Services,
        clock: Clock,
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._senders = senders
        self._ledger = ledger
        self._routes = routes
        self._depths = depths
        self._opt_outs = opt_outs
        self._services = services
        self._clock = clock
        self._outbox = outbox
        self._in_flight: dict[tuple[str, str], Future[None]] = {}

    async def submit(self, account: Account, order: Order) -> Submitted:
        """Take `order` in for `account`; one message however often the same idempotency key comes."""
        if order.idempotency_key is None:
            return await self._create(account, order)
        return await self._create_once(account, order, order.idempotency_key)

    async def _create_once(self, account: Account, order: Order, key: str) -> Submitted:
        claim = (account.id, key)
        while (other := self._in_flight.get(claim)) is not None:
            await asyncio.shield(other)
        mine: Future[None] = asyncio.get_running_loop().create_future()
        self._in_flight[claim] = mine
        try:
            earlier = await self._earlier(account, order, key)
            if earlier is not None:
                return earlier
            try:
                return await self._create(account, order)
            except KeyTaken:
                # Another process of the same store was faster.
                earlier = await self._earlier(account, order, key)
                assert earlier is not None, "a taken key has a message"
                return earlier
        finally:
            del self._in_flight[claim]
            mine.set_result(None)

    async def _earlier(self, account: Account, order: Order, key: str) -> Submitted | None:
        known = await self._store.idempotency_key(account.id, key)
        if known is None:
            return None
        if known.digest != order.digest:
            raise Problem(20409, value=key)
        found = await self._store.message(account.id, known.message_id, deleted=True)
        return None if found is None else Submitted(*found, repeated=True)

    async def _create(self, account: Account, order: Order) -> Submitted:
        recipient, route = self._check_recipient(account, order.recipient)
        change, given = Change(), order.sender
        if order.service is not None and not given:
            given = await self._services.choose(account.id, order.service, recipient, change)
        sender = await self._check_sender(account, given, recipient)
        if order.service is not None and order.sender:
            await self._services.check(account.id, order.service, sender)
        channel = Channel.MMS if order.media or order.as_mms else Channel.SMS
        carrier = self._routes.first(recipient, channel)
        if carrier is None:
            raise Problem(21621) if channel is Channel.MMS else Problem(21612, value=recipient)
        body = text.smart_encode(order.body) if order.smart_encoded else order.body
        _check_body(body, order)
        if await self._opt_outs.has(account.id, sender, recipient):
            raise Problem(21610, value=recipient)
        measure = text.measure(body)
        now = self._clock.now()
        segments = measure.segments if channel is Channel.SMS else 1
        message = Message(
            new_id(now),
            account.id,
            order.dialect,
            order.direction,
            sender,
            recipient,
            body,
            measure.encoding,
            segments,
            order.callback_url,
            order.validity,
            now,
            channel,
            len(order.media),
            order.service,
            price(route, channel, segments),
            order.extras,
        )
        for place, url in enumerate(order.media):
            change.media.append(Medium(random_hex(), message.id, account.id, place, url, None, None, now, now))
        return await self._keep(account, order, message, carrier, change)

    def _check_recipient(self, account: Account, given: str) -> tuple[str, Route]:
        recipient = phone.e164(given)
        if recipient is None:
            raise Problem(21211, value=given)
        if account.countries is not None and phone.country(recipient) not in account.countries:
            raise Problem(21408, value=recipient)
        if phone.is_landline(recipient):
            raise Problem(21614, value=recipient)
        route = self._routes.find(recipient)
        if route is None:
            raise Problem(21612, value=recipient)
        return recipient, route

    async def _check_sender(self, account: Account, given: str, recipient: str) -> str:
        kind = phone.sender_kind(given)
        sender = phone.e164(given) if kind in (None, phone.SenderKind.NUMBER) else given
        if sender is None:
            raise Problem(21212, value=given)
        if sender == recipient:
            raise Problem(21211, value=given)
        owned = await self._senders.get(sender)
        if owned is None or owned.account != account.id:
            raise Problem(21606, value=given)
        if owned.queue_limit and self._depths.waiting(account.id, sender) >= owned.queue_limit:
            raise Problem(21611, value=sender)
        return sender

    async def _keep(
        self, account: Account, order: Order, message: Message, carrier: str, change: Change
    ) -> Submitted:
        now = message.created_at
        standing = Standing(message.id, Status.QUEUED, 0, now, carrier=carrier, due_at=now)
        evidence = _CREATED
        if order.idempotency_key is not None:
            change.keys.append(IdempotencyKey(account.id, order.idempotency_key, order.digest, message.id, now))
            evidence = Evidence(Kind.CREATED, {"idempotency_key": order.idempotency_key})
        self._depths.add(message)
        if order.max_price is not None and message.price is not None and message.price > order.max_price:
            kept, committed = self._too_dear(message, standing, evidence, change, order.max_price)
        else:
            kept, committed = self._ledger.create(message, standing, evidence, change)
        answer = msgspec.structs.replace(standing)

        # On the future, not behind the await: a caller who goes away changes nothing for the message.
        def settled(committed: "Future[None]") -> None:
            if committed.cancelled():
                self._outbox.look_again(carrier)
            elif committed.exception() is None:
                self._outbox.offer(kept)
            else:
                self._depths.moved(message, Status.QUEUED, Status.FAILED)
                # A store that fails may have kept it all the same.
                self._outbox.look_again(carrier)

        committed.add_done_callback(settled)
        await committed
        return Submitted(message, answer, repeated=False)

    def _too_dear(
        self, message: Message, standing: Standing, evidence: Evidence, change: Change, most: int
    ) -> tuple[Kept, "Future[None]"]:
        """It is taken, and fails at once."""
        refused = Evidence(Kind.REFUSED, {"price": message.price, "max_price": most}, error=30010)
        whole = Segment(message.id, 1, SegmentState.WAITING, standing.carrier or "")
        return self._ledger.create(message, standing, evidence, change, refused, segments=[whole])


def _check_body(body: str, order: Order) -> None:
    """Raises Problem."""
    if not body and not order.media:
        raise Problem(21602)
    if "\0" in body:
        raise Problem(20422, value="Body holds a NUL character")
    if len(body) > MAX_BODY // 2 and text.length(body) > MAX_BODY:
        raise Problem(21617)
