"""Numbers and applications over HTTP, as Twilio's API has them and SignalWire's after its model.

Called by the rooms `twilio_numbers` and `signalwire_compat_numbers`, each with its words for them. Numbers can be
taken and given up only where the gateway lets applications claim them. An application that is deleted leaves the
numbers that refer to it without a handler; a header of ours says which.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from tidings.arranged import Application, Handling, Sender
from tidings.dialects.numbers import ApplicationWords, Ignored, NumberWords
from tidings.dialects.twilio import Params
from tidings.errors import Problem
from tidings.ids import new_id
from tidings.model import Account
from tidings.phone import sender_kind
from tidings.web import senders
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.wire import NO_CONTENT, Answer, Handler, Request, json_answer


class Door(NamedTuple):
    """How a dialect lets requests in."""

    caller: Callable[[Request], Awaitable[Account]]
    """The account that asks for what is its own. Raises Problem."""
    params: Callable[[Request], Awaitable[Params]]
    """The parameters of the body. Raises Problem."""


class Numbers:
    """A resource of numbers or short codes."""

    def __init__(self, gateway: Gateway, door: Door, words: NumberWords) -> None:
        self._gateway = gateway
        self._door = door
        self._words = words

    async def page(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        listing = self._words.parse_list(request.query())
        found = [
            sender
            for sender in await self._gateway.store.senders(account.id)
            if sender_kind(sender.address) is self._words.kind
        ]
        shown = self._words.page_json(account.id, listing, found, self._media)
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of numbers"))

    async def make(self, account: Account, wanted: Sequence[str], given: Params) -> Answer:
        """Take the first of the wanted numbers that is nobody's. What a test account takes is not kept."""
        now = self._gateway.clock.now()
        bare = Sender(wanted[0], account.id, id=new_id(now), created_at=now, claimed=True)
        # Of the two one is heeded.
        named_by = "PhoneNumber" if dict(given).get("PhoneNumber") else "AreaCode"
        sender, ignored = await self._changed(bare, [pair for pair in given if pair[0] != named_by])
        if not account.test:
            sender = await senders.take_first(self._gateway, sender, wanted)
        return json_answer(201, self._words.json(sender, self._media), ignored_parameters(ignored, sender.id))

    async def fetch(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        return json_answer(200, self._words.json(await self._sender(account, request), self._media))

    async def update(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        # First the body: until it has come, much may happen to the number.
        given = await self._door.params(request)
        before = await self._sender(account, request)
        after, ignored = await self._changed(before, given)
        await senders.change(self._gateway, after)
        return json_answer(200, self._words.json(after, self._media), ignored_parameters(ignored, after.id))

    async def delete(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        await senders.give_up(self._gateway, await self._sender(account, request))
        return Answer(NO_CONTENT, b"", [])

    @property
    def _media(self) -> bool:
        return self._gateway.carries_media("+")

    async def _changed(self, before: Sender, given: Params) -> tuple[Sender, Ignored]:
        """As the words have it; raises Problem 21420 where there is no such application, too."""
        after, ignored = self._words.changed(before, given, self._gateway.clock.now())
        if await senders.missing_application(self._gateway, before.handling, after):
            raise Problem(21420, value=dict(given)["SmsApplicationSid"])
        return after, ignored

    async def _sender(self, account: Account, request: Request) -> Sender:
        named = self._words.id_of(request.path_params["sid"])
        found = await senders.find(self._gateway, account.id, named, self._words.kind)
        if found is None:
            raise Problem(20404, value=request.path)
        return found


class Applications:
    def __init__(self, gateway: Gateway, door: Door, words: ApplicationWords) -> None:
        self._gateway = gateway
        self._door = door
        self._words = words

    async def page(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        listing = self._words.parse_list(request.query())
        found = await self._gateway.store.resources(Application, account.id)
        shown = self._words.page_json(account.id, listing, found)
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of applications"))

    async def create(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        given, now = await self._door.params(request), self._gateway.clock.now()
        bare = Application(new_id(now), account.id, now, now)
        return await self._keep(201, *self._words.made(bare, given, now))

    async def fetch(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        return json_answer(200, self._words.json(await self._application(account, request)))

    async def update(self, request: Request) -> Answer:
        account = await self._door.caller(request)
        given, now = await self._door.params(request), self._gateway.clock.now()
        before = await self._application(account, request)
        return await self._keep(200, *self._words.changed(before, given, now))

    async def delete(self, request: Request) -> Answer:
        application = await self._application(await self._door.caller(request), request)
        # First the numbers: in between, one without a handler is better than one whose handler is not there.
        unanswered = await senders.answer_by(
            self._gateway, application.account, lambda by: by.application == application.id, Handling()
        )
        await self._gateway.store.drop_resource(application.account, application.id)
        return Answer(NO_CONTENT, b"", senders.left_unanswered(unanswered))

    async def _keep(self, status: int, application: Application, ignored: Ignored) -> Answer:
        await self._gateway.store.put_resource(application)
        return json_answer(status, self._words.json(application), ignored_parameters(ignored, application.id))

    async def _application(self, account: Account, request: Request) -> Application:
        named = self._words.id_of(request.path_params["sid"])
        found = await self._gateway.store.resource(Application, account.id, named) if named else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found


def one_of(found: Numbers | Applications) -> dict[str, Handler]:
    """What can be done with one of them, which the path names as `sid`."""
    return {"GET": found.fetch, "POST": found.update, "DELETE": found.delete}
