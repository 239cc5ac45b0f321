"""Taking a message in: from a dialect's parsed order to a committed message with its first event and its work.

Called by the web room. Raises `errors.Problem` with the code the application is to see; when it raises, nothing
has been kept. When it returns, the message is on disk (promise 1).
"""

import asyncio
from asyncio import Future
from typing import Final, Protocol

import msgspec

from tidings import phone, text
from tidings.arranged import Sender, Service
from tidings.clock import DAY, Clock
from tidings.errors import Problem
from tidings.gateway.ledger import Evidence, Ledger, Pending
from tidings.gateway.limits import QueueDepths
from tidings.gateway.origin import FAILS_WITH, Origins
from tidings.gateway.rates import Rates
from tidings.gateway.recent import Recent
from tidings.gateway.routes import Route, Routes, price
from tidings.gateway.schedule import Schedule
from tidings.gateway.services import Services
from tidings.ids import new_id, random_hex
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Channel, IdempotencyKey, Medium, Message, Order, Standing
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


class Draft(msgspec.Struct, frozen=True):
    """A message that may be sent, and is not kept yet."""

    message: Message
    standing: Standing
    created: Evidence
    then: tuple[Evidence, ...]


class Outbox(Protocol):
    """Where a committed message goes next (`gateway.dispatch`)."""

    def offer(self, kept: Kept) -> None: ...

    def look_again(self, kept: Kept) -> None:
        """Soon, at what the store has of it: its commit is said to have failed."""
        ...


class Submitter:
    def __init__(
        self,
        store: Store,
        senders: Recent[Sender],
        ledger: Ledger,
        routes: Routes,
        depths: QueueDepths,
        services: Services,
        origins: Origins,
        rates: Rates,
        schedule: Schedule,
        clock: Clock,
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._senders = senders
        self._ledger = ledger
        self._routes = routes
        self._depths = depths
        self._services = services
        self._origins = origins
        self._rates = rates
        self._schedule = schedule
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

    async def draft(self, account: Account, order: Order, change: Change) -> Draft:
        """A message that is to go at once, for `keep` to keep with `change`. Raises Problem as `submit` does."""
        message, carrier = await self._compose(account, order, change)
        return await self._draft(account, order, message, carrier, change)

    def keep(self, draft: Draft, change: Change, *along: Pending) -> "Future[None]":
        """Keep a draft together with `along`; once that is on disk it goes on by itself."""
        if draft.standing.status is Status.QUEUED:
            self._depths.add(draft.message)
        begun = self._ledger.begin(draft.message, draft.standing, draft.created, change, *draft.then)
        committed = self._ledger.commit(change, *along, begun)
        self._hand_on(begun.kept, committed)
        return committed

    async def _create(self, account: Account, order: Order) -> Submitted:
        change = Change()
        message, carrier = await self._compose(account, order, change)
        if order.send_at is not None:
            return await self._keep_scheduled(order, message, change)
        return await self._keep_queued(account, order, message, carrier, change)

    async def _compose(self, account: Account, order: Order, change: Change) -> tuple[Message, str]:
        """The message that an order asks for, and the carrier that is to have it first. Raises Problem."""
        recipient, route = self._check_recipient(account, order.recipient)
        service = await self._services.find(account.id, order.service) if order.service else None
        order = _as_served(order, service)
        channel = Channel.MMS if order.media or order.as_mms else Channel.SMS
        given = await self._check_given(account, order, service, recipient)
        carrier = self._routes.first(recipient, channel)
        if carrier is None:
            raise Problem(21621) if channel is Channel.MMS else Problem(21612, value=recipient)
        body = text.smart_encode(order.body) if order.smart_encoded else order.body
        check_body(body, order)
        if order.send_at is not None:
            self._schedule.check(account.id, order.send_at)
        measure = text.measure(body)
        now = self._clock.now()
        segments = measure.segments if channel is Channel.SMS else 1
        message = Message(
            new_id(now),
            account.id,
            order.dialect,
            order.direction,
            given,
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
            order.send_at,
            order.extras,
        )
        for place, url in enumerate(order.media):
            change.media.append(Medium(random_hex(), message.id, account.id, place, url, None, None, now, now))
        if order.idempotency_key is not None:
            change.keys.append(IdempotencyKey(account.id, order.idempotency_key, order.digest, message.id, now))
        return message, carrier

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

    async def _check_given(self, account: Account, order: Order, service: Service | None, recipient: str) -> str:
        """The sender that the order names; "" where its service is to choose."""
        if service is not None and not order.sender:
            return ""
        given = order.sender
        kind = phone.sender_kind(given)
        sender = phone.e164(given) if kind in (None, phone.SenderKind.NUMBER) else given
        if sender is None:
            raise Problem(21212, value=given)
        if sender == recipient:
            raise Problem(21211, value=given)
        owned = await self._senders.get(sender)
        if owned is None or owned.account != account.id:
            raise Problem(21606, value=given)
        if service is not None:
            await self._services.check(service, sender)
        return sender

    # --- messages that are sent now
    async def _keep_queued(
        self, account: Account, order: Order, message: Message, carrier: str, change: Change
    ) -> Submitted:
        draft = await self._draft(account, order, message, carrier, change)
        # Taken before the commit: the message goes on from there by itself.
        begun = Submitted(message, msgspec.structs.replace(draft.standing, events=1), repeated=False)
        committed = self.keep(draft, change)
        answer = Submitted(draft.message, msgspec.structs.replace(draft.standing), repeated=False)
        await committed
        return begun if order.deferred else answer

    async def _draft(
        self, account: Account, order: Order, message: Message, carrier: str, change: Change
    ) -> Draft:
        begins = Status.ACCEPTED if order.deferred else Status.QUEUED
        now = message.created_at
        standing = Standing(message.id, begins, 0, now, carrier=carrier, due_at=self._rates.place(message))
        then: list[Evidence] = []
        try:
            message = await self._origins.given(account, message, change)
        except Problem as problem:
            if not order.deferred or problem.code not in FAILS_WITH:
                raise
            then.append(Evidence(Kind.REFUSED, {"reason": problem.message}, error=FAILS_WITH[problem.code]))
        else:
            if order.deferred:
                then.append(Evidence(Kind.QUEUED, {"sender": message.sender}))
        then += _too_dear(order, message)
        return Draft(message, standing, _created(order), tuple(then))

    def _hand_on(self, kept: Kept, committed: "Future[None]") -> None:
        # On the future, not behind the await: a caller who goes away changes nothing for the message.
        def settled(committed: "Future[None]") -> None:
            if committed.cancelled():
                self._outbox.look_again(kept)
            elif committed.exception() is None:
                self._outbox.offer(kept)
            else:
                if kept.standing.status is Status.QUEUED:
                    self._depths.moved(kept.message, Status.QUEUED, Status.FAILED)
                # A store that fails may have kept it all the same.
                self._outbox.look_again(kept)

        committed.add_done_callback(settled)

    # --- messages that are sent later
    async def _keep_scheduled(self, order: Order, message: Message, change: Change) -> Submitted:
        """Whom they are from, and whether they may go, is seen when their time has come."""
        standing = Standing(message.id, Status.SCHEDULED, 0, message.created_at, due_at=order.send_at)
        answer = Submitted(message, msgspec.structs.replace(standing, events=1), repeated=False)
        kept, committed = self._ledger.create(
            message, standing, _created(order), change, *_too_dear(order, message)
        )
        self._schedule.add(kept, committed)
        await committed
        return answer


def _created(order: Order) -> Evidence:
    if order.idempotency_key is None:
        return _CREATED
    return Evidence(Kind.CREATED, {"idempotency_key": order.idempotency_key})


def _too_dear(order: Order, message: Message) -> list[Evidence]:
    """What speaks against a message that costs more than its application wants it to."""
    if order.max_price is None or message.price is None or message.price <= order.max_price:
        return []
    return [Evidence(Kind.REFUSED, {"price": message.price, "max_price": order.max_price}, error=30010)]


def _as_served(order: Order, service: Service | None) -> Order:
    """With what its service says for all of its messages, where the order does not say so itself."""
    if service is None:
        return order
    return msgspec.structs.replace(
        order,
        callback_url=order.callback_url or service.status_callback,
        validity=order.validity or service.validity,
        smart_encoded=order.smart_encoded or service.smart_encoding,
    )


def check_body(body: str, order: Order) -> None:
    """Raises Problem."""
    if not body and not order.media:
        raise Problem(21602)
    if "\0" in body:
        raise Problem(20422, value="Body holds a NUL character")
    if len(body) > MAX_BODY // 2 and text.length(body) > MAX_BODY:
        raise Problem(21617)
