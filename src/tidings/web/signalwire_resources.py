"""SignalWire's Fabric API over HTTP, as far as it has SWML answer messages: webhooks, scripts, routes to them.

`signalwire_numbers` mounts these routes; what members mean and how resources look is the dialect's. Of the
vendor's API there are no addresses, and no resources of other types. A resource that is deleted leaves the numbers
that are routed to it without a handler; a header of ours says which.
"""

from functools import partial
from typing import Final

from starlette.routing import BaseRoute, Route

from tidings.arranged import Handling, SwmlHandler
from tidings.dialects.signalwire import REST
from tidings.dialects.signalwire_numbers import page_json, parse_list
from tidings.dialects.signalwire_resources import (
    ROOT,
    SCRIPT,
    WEBHOOK,
    Kind,
    changed,
    check_use,
    handling_of,
    kind_of,
    parse_route,
    resource_json,
    route_json,
)
from tidings.dialects.signalwire_rest_errors import Fault, Invalid
from tidings.errors import Problem
from tidings.ids import dashed, from_project, new_id
from tidings.model import Account
from tidings.phone import SenderKind
from tidings.web import senders
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.signalwire_rest import refuse, stamp
from tidings.web.wire import Answer, Endpoint, Handler, Request, base_url, json_answer

_MADE: Final = {"swml_webhook": 201, "swml_script": 200}
"""HTTP status of a create: the vendor's description has them differ."""


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Resources(gateway, authenticator)
    every: tuple[Kind, ...] = (WEBHOOK, SCRIPT)
    paths: dict[str, dict[str, Handler]] = {"": {"GET": partial(api.page, every)}}
    for kind in every:
        one = (kind,)
        paths[f"/{kind.word}s"] = {"GET": partial(api.page, one), "POST": partial(api.create, kind)}
        paths[f"/{kind.word}s/{{id}}"] = {
            "GET": partial(api.fetch, one),
            # The vendor updates webhooks with the one and scripts with the other; both mean the same here.
            "PATCH": partial(api.update, one),
            "PUT": partial(api.update, one),
            "DELETE": partial(api.delete, one),
        }
    paths["/{id}"] = {"GET": partial(api.fetch, every), "DELETE": partial(api.delete, every)}
    paths["/{id}/phone_routes"] = {"POST": api.route}
    return [Route(ROOT + path, Endpoint(handlers, refuse, stamp)) for path, handlers in paths.items()]


class _Resources:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def page(self, kinds: tuple[Kind, ...], request: Request) -> Answer:
        account = await self._account(request)
        listing = parse_list(request.query())
        found = await self._gateway.store.resources(SwmlHandler, account.id)
        wanted = [resource for resource in found if kind_of(resource) in kinds]
        where = base_url(request, self._gateway.public_url) + request.path
        shown = page_json(where, listing, wanted, resource_json)
        return json_answer(200, shown, ignored_parameters(listing.ignored, "a list of resources"))

    async def create(self, kind: Kind, request: Request) -> Answer:
        account = await self._account(request)
        members = await request.json()
        check_use(kind, members)
        now = self._gateway.clock.now()
        bare = SwmlHandler(new_id(now), account.id, now, now)
        resource, ignored = changed(kind, bare, members, now)
        await self._gateway.store.put_resource(resource)
        return json_answer(_MADE[kind.word], resource_json(resource), ignored_parameters(ignored, resource.id))

    async def fetch(self, kinds: tuple[Kind, ...], request: Request) -> Answer:
        return json_answer(200, resource_json(await self._resource(request, kinds)))

    async def update(self, kinds: tuple[Kind, ...], request: Request) -> Answer:
        before = await self._resource(request, kinds)
        after, ignored = changed(kind_of(before), before, await request.json(), self._gateway.clock.now())
        await self._gateway.store.put_resource(after)
        await self._answer(after, handling_of(after))
        return json_answer(200, resource_json(after), ignored_parameters(ignored, after.id))

    async def delete(self, kinds: tuple[Kind, ...], request: Request) -> Answer:
        resource = await self._resource(request, kinds)
        unanswered = await self._answer(resource, Handling())
        await self._gateway.store.drop_resource(resource.account, resource.id)
        return Answer(204, b"", senders.left_unanswered(unanswered))

    async def route(self, request: Request) -> Answer:
        resource = await self._resource(request, (WEBHOOK, SCRIPT))
        number_id, ignored = parse_route(await request.json())
        kinds = (SenderKind.NUMBER, SenderKind.SHORT_CODE)
        sender = await senders.find(self._gateway, resource.account, number_id, *kinds)
        if sender is None:
            raise Invalid(Fault("phone_route_id", "does_not_exist", dashed(number_id)))
        await senders.answer(self._gateway, sender, handling_of(resource))
        return json_answer(200, route_json(sender), ignored_parameters(ignored, resource.id))

    async def _answer(self, resource: SwmlHandler, handling: Handling) -> list[str]:
        """Have the numbers that are routed to the resource answered so."""
        return await senders.answer_by(
            self._gateway, resource.account, lambda by: by.resource == resource.id, handling
        )

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request, REST)

    async def _resource(self, request: Request, kinds: tuple[Kind, ...]) -> SwmlHandler:
        account = await self._account(request)
        spelled = from_project(request.path_params["id"])
        found = await self._gateway.store.resource(SwmlHandler, account.id, spelled) if spelled else None
        if found is None or kind_of(found) not in kinds:
            raise Problem(20404, value=request.path)
        return found
