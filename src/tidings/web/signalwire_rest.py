"""SignalWire's REST API for messages over HTTP: create, redact, and the logs.

The composition in `app` mounts these routes; what members mean and how messages look is the dialect's.
Messages cannot be listed or fetched at their own paths (405), as the vendor's API description has it, though one
of its pages hints otherwise: the logs show them.
"""

from typing import Final

from starlette.routing import BaseRoute, Route

from tidings.dialects.media import link
from tidings.dialects.signalwire_rest import LOGS, NAME, message_json, parse_create, parse_redact
from tidings.dialects.signalwire_rest_errors import errors_json
from tidings.dialects.signalwire_rest_logs import log_json, page_json, parse_item, parse_list
from tidings.errors import Problem
from tidings.ids import dashed, from_project, random_hex
from tidings.model import Account, Message
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.wire import Answer, Endpoint, Header, Request, base_url, json_answer, refusal_headers

MESSAGES: Final = "/api/messaging/messages"


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Messages(gateway, authenticator)
    return [
        Route(MESSAGES, Endpoint({"POST": api.create}, refuse, stamp)),
        Route(f"{MESSAGES}/{{id}}", Endpoint({"PATCH": api.redact}, refuse, stamp)),
        Route(LOGS, Endpoint({"GET": api.logs}, refuse, stamp)),
        Route(f"{LOGS}/{{id}}", Endpoint({"GET": api.log}, refuse, stamp)),
    ]


def refuse(problem: Problem) -> Answer:
    status, body = errors_json(problem)
    return json_answer(status, body, refusal_headers(problem))


def stamp(seconds: float, under_way: int) -> list[Header]:
    """The header in which SignalWire's clients look for the name of a request."""
    return [(b"x-request-id", dashed(random_hex()).encode())]


class _Messages:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def create(self, request: Request) -> Answer:
        account = await self._account(request)
        order, ignored = parse_create(await request.json())
        submitted = await self._gateway.submit(account, order)
        message = submitted.message
        made = message_json(message, submitted.standing, await self._links(request, message))
        return json_answer(201, made, ignored_parameters(ignored, message.id))

    async def redact(self, request: Request) -> Answer:
        account = await self._account(request)
        message_id = _message_id(request)
        ignored = parse_redact(await request.json())
        message, standing = await self._gateway.redact(account.id, message_id)
        redacted = message_json(message, standing, await self._links(request, message))
        return json_answer(200, redacted, ignored_parameters(ignored, message.id))

    async def logs(self, request: Request) -> Answer:
        account = await self._account(request)
        listing = parse_list(request.query())
        found = await self._gateway.store.messages(
            account.id, listing.where, listing.page_size + 1, listing.before
        )
        page = page_json(self._base(request), listing, found)
        return json_answer(200, page, ignored_parameters(listing.ignored, "a list of logs"))

    async def log(self, request: Request) -> Answer:
        account = await self._account(request)
        message_id = _message_id(request)
        deleted, ignored = parse_item(request.query())
        found = await self._gateway.store.message(account.id, message_id, deleted=deleted)
        if found is None:
            raise Problem(20404, value=request.path)
        entry = log_json(self._base(request), *found)
        return json_answer(200, entry, ignored_parameters(ignored, message_id))

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request, NAME)

    async def _links(self, request: Request, message: Message) -> list[str]:
        if not message.media:
            return []
        media = await self._gateway.store.media(message.id)
        return [link(self._base(request), medium) for medium in media]

    def _base(self, request: Request) -> str:
        return base_url(request, self._gateway.public_url)


def _message_id(request: Request) -> str:
    """The id in the path; one that no message can have is not found."""
    found = from_project(request.path_params["id"])
    if found is None:
        raise Problem(20404, value=request.path)
    return found
