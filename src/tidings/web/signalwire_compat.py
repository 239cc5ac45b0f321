"""SignalWire's Compatibility API over HTTP: messages and their media, as its client libraries ask for them.

The composition in `app` mounts these routes. What parameters mean and how messages look is
`dialects.signalwire_compat`'s. `routes_to`, `refuse`, `caller` and `params` serve the rest of that API as well.
"""

import re
from typing import Final

from starlette.routing import BaseRoute, Route

from tidings.dialects.signalwire_compat import (
    API_VERSION,
    NAME,
    error_json,
    medium_json,
    message_json,
    parameters,
    parse_create,
    parse_redaction,
)
from tidings.dialects.signalwire_compat_lists import media_page_json, page_json, parse_list, parse_media_list
from tidings.errors import Problem
from tidings.ids import from_project
from tidings.model import Account, Medium, Message, Standing
from tidings.web import orders
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.wire import Answer, Endpoint, Handler, Request, json_answer, refusal_headers

_PREFIXES: Final = {"/api/laml": "(?:/api/laml){1,2}", "": ""}
"""Where the API is, and what that reads as: the documented prefix; the same twice, as clients put their base URL
before the URI of a page, which has it already; and none, which those ask who are told of a bare host."""
_ACCOUNT: Final = "(?P<account>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
"""Without a prefix, `AC…` is Twilio's."""


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Messages(gateway, authenticator)
    one: dict[str, Handler] = {"GET": api.fetch, "POST": api.redact, "DELETE": api.delete}
    return [
        *routes_to("Messages", Endpoint({"GET": api.list, "POST": api.create}, refuse)),
        *routes_to("Messages/{message}", Endpoint(one, refuse)),
        *routes_to("Messages/{message}/Media", Endpoint({"GET": api.media}, refuse)),
        *routes_to("Messages/{message}/Media/{medium}", Endpoint({"GET": api.medium, "DELETE": api.drop}, refuse)),
    ]


def routes_to(path: str, endpoint: Endpoint) -> list[BaseRoute]:
    """The routes to `path` (`Messages/{message}`) below an account, by every prefix, with and without `.json`."""
    below = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+?)", path)
    routes: list[BaseRoute] = []
    for prefix, pattern in _PREFIXES.items():
        route = Route(f"{prefix}/{API_VERSION}/Accounts/{{account}}/{path}", endpoint)
        route.path_regex = re.compile(rf"{pattern}/{API_VERSION}/Accounts/{_ACCOUNT}/{below}(?:\.json)?\Z")
        routes.append(route)
    return routes


def refuse(problem: Problem) -> Answer:
    body = error_json(problem)
    # Whoever may not do something here is told 401, which asks for a header of its own.
    headers = refusal_headers(Problem(20003) if body["status"] == 401 else problem)
    return json_answer(body["status"], body, headers)


async def caller(request: Request, authenticator: Authenticator) -> Account:
    """Whoever asks, where that is the account of the path. Raises Problem as `Authenticator.account`."""
    account = await authenticator.account(request, NAME)
    if account.id != from_project(request.path_params["account"]):
        raise Problem(20003, reason="these credentials are not for the account in the path")
    return account


async def params(request: Request) -> list[tuple[str, str]]:
    """The parameters of the body, a form or a JSON object. Raises Problem as these and `parameters` do."""
    return parameters(await request.json()) if request.is_json else await request.form()


class _Messages:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def create(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        given = await params(request)
        return await orders.create(self._gateway, account, request, given, parse_create(given), message_json)

    async def list(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        return await orders.page(self._gateway, account, parse_list(request.query()), page_json)

    async def fetch(self, request: Request) -> Answer:
        message, standing = await self._message(request)
        return json_answer(200, message_json(message, standing))

    async def redact(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        ignored = parse_redaction(await params(request))
        message_id = _id(request, "message")
        try:
            message, standing = await self._gateway.redact(account.id, message_id)
        except Problem as problem:
            if problem.code == 20009:
                # That number is for what cannot be deleted.
                raise Problem(10000) from None
            raise
        return json_answer(200, message_json(message, standing), ignored_parameters(ignored, message_id))

    async def delete(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        await self._gateway.delete(account.id, _id(request, "message"))
        return Answer(204, b"", [])

    async def media(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        listing = parse_media_list(request.query())
        media = await self._gateway.store.media(message.id)
        headers = ignored_parameters(listing.ignored, "a list")
        return json_answer(200, media_page_json(message, listing, media), headers)

    async def medium(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        medium = await self._medium(request, message)
        return json_answer(200, medium_json(message, medium))

    async def drop(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        await self._gateway.drop_medium(account.id, _id(request, "message"), _id(request, "medium"))
        return Answer(204, b"", [])

    async def _message(self, request: Request) -> tuple[Message, Standing]:
        account = await caller(request, self._authenticator)
        found = await self._gateway.store.message(account.id, _id(request, "message"))
        if found is None:
            raise Problem(20404, value=request.path)
        return found

    async def _medium(self, request: Request, message: Message) -> Medium:
        medium = await self._gateway.store.medium(_id(request, "medium"))
        if medium is None or medium.message_id != message.id:
            raise Problem(20404, value=request.path)
        return medium


def _id(request: Request, name: str) -> str:
    """The id that a part of the path spells. Raises Problem: 20404 where it spells none."""
    found = from_project(request.path_params[name])
    if found is None:
        raise Problem(20404, value=request.path)
    return found
