"""SignalWire's Compatibility API over HTTP: the numbers of an account, and applications that they can refer to.

The composition in `app` mounts these routes; what parameters mean and how resources look is the dialect's. Numbers
can be taken and given up only where the gateway lets applications claim them. An application that is deleted
leaves the numbers that refer to it without a handler; a header of ours says which.
"""

from starlette.routing import BaseRoute

from tidings.arranged import Application, Handling, Sender
from tidings.dialects.signalwire_compat import Params
from tidings.dialects.signalwire_compat_numbers import (
    APPLICATION_FILTERS,
    NUMBER_FILTERS,
    application_json,
    applications_json,
    changed_application,
    changed_number,
    number_json,
    numbers_json,
    parse_list,
    parse_phone_number,
)
from tidings.errors import Problem
from tidings.ids import dashed, from_project, new_id
from tidings.model import Account
from tidings.phone import SenderKind, sender_kind
from tidings.web import senders
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.signalwire_compat import caller, params, refuse, routes_to
from tidings.web.wire import Answer, Endpoint, Handler, Request, json_answer


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    numbers = _Numbers(gateway, authenticator)
    applications = _Applications(gateway, authenticator)
    number: dict[str, Handler] = {"GET": numbers.fetch, "POST": numbers.update, "DELETE": numbers.delete}
    application: dict[str, Handler] = {
        "GET": applications.fetch,
        "POST": applications.update,
        "DELETE": applications.delete,
    }
    return [
        *routes_to("IncomingPhoneNumbers", Endpoint({"GET": numbers.page, "POST": numbers.create}, refuse)),
        *routes_to("IncomingPhoneNumbers/{number}", Endpoint(number, refuse)),
        *routes_to("Applications", Endpoint({"GET": applications.page, "POST": applications.create}, refuse)),
        *routes_to("Applications/{application}", Endpoint(application, refuse)),
    ]


class _Numbers:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def page(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        listing = parse_list(request.query(), NUMBER_FILTERS)
        found = [
            sender
            for sender in await self._gateway.store.senders(account.id)
            if sender_kind(sender.address) is SenderKind.NUMBER
        ]
        shown = numbers_json(account.id, listing, found, self._media)
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of numbers"))

    async def create(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        given = await params(request)
        address, now = parse_phone_number(given), self._gateway.clock.now()
        bare = Sender(address, account.id, id=new_id(now), created_at=now, claimed=True)
        rest = [(name, value) for name, value in given if name != "PhoneNumber"]
        sender, ignored = await self._changed(bare, rest)
        await senders.take(self._gateway, sender)
        return json_answer(201, number_json(sender, self._media), ignored_parameters(ignored, sender.id))

    async def fetch(self, request: Request) -> Answer:
        return json_answer(200, number_json(await self._number(request), self._media))

    async def update(self, request: Request) -> Answer:
        sender, ignored = await self._changed(await self._number(request), await params(request))
        await self._gateway.put_sender(sender)
        return json_answer(200, number_json(sender, self._media), ignored_parameters(ignored, sender.id))

    async def delete(self, request: Request) -> Answer:
        await senders.give_up(self._gateway, await self._number(request))
        return Answer(204, b"", [])

    @property
    def _media(self) -> bool:
        return self._gateway.carries_media("+")

    async def _changed(self, before: Sender, given: Params) -> tuple[Sender, tuple[str, ...]]:
        """As `changed_number`; raises Problem 21420 where there is no such application, too."""
        after, ignored = changed_number(before, given, self._gateway.clock.now())
        if missing := await senders.missing_application(self._gateway, before.handling, after):
            raise Problem(21420, value=dashed(missing))
        return after, ignored

    async def _number(self, request: Request) -> Sender:
        account = await caller(request, self._authenticator)
        spelled = from_project(request.path_params["number"])
        found = await senders.find(self._gateway, account.id, spelled, SenderKind.NUMBER)
        if found is None:
            raise Problem(20404, value=request.path)
        return found


class _Applications:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def page(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        listing = parse_list(request.query(), APPLICATION_FILTERS)
        found = await self._gateway.store.resources(Application, account.id)
        shown = applications_json(account.id, listing, found)
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of applications"))

    async def create(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        now = self._gateway.clock.now()
        return await self._keep(201, Application(new_id(now), account.id, now, now), await params(request))

    async def fetch(self, request: Request) -> Answer:
        _, application = await self._application(request)
        return json_answer(200, application_json(application))

    async def update(self, request: Request) -> Answer:
        _, application = await self._application(request)
        return await self._keep(200, application, await params(request))

    async def delete(self, request: Request) -> Answer:
        account, application = await self._application(request)
        # First the numbers: in between, one without a handler is better than one whose handler is not there.
        unanswered = await senders.answer_by(
            self._gateway, account.id, lambda by: by.application == application.id, Handling()
        )
        await self._gateway.store.drop_resource(account.id, application.id)
        return Answer(204, b"", senders.left_unanswered(unanswered))

    async def _keep(self, status: int, before: Application, given: Params) -> Answer:
        after, ignored = changed_application(before, given, self._gateway.clock.now())
        await self._gateway.store.put_resource(after)
        return json_answer(status, application_json(after), ignored_parameters(ignored, after.id))

    async def _application(self, request: Request) -> tuple[Account, Application]:
        account = await caller(request, self._authenticator)
        spelled = from_project(request.path_params["application"])
        found = await self._gateway.store.resource(Application, account.id, spelled) if spelled else None
        if found is None:
            raise Problem(20404, value=request.path)
        return account, found
