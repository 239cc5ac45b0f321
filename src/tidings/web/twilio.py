"""Twilio's Messages API over HTTP: messages and their media, and whose they are.

The composition in `app` mounts these routes. What parameters mean is `dialects.twilio_orders`' to say, and how
messages look is `dialects.twilio`'s.
`routes_to`, `refuse`, `stamp` and `caller` serve the rest of that API as well.
"""

from starlette.routing import BaseRoute, Route

from tidings.dialects.media import link
from tidings.dialects.twilio import (
    API_VERSION,
    NAME,
    account_json,
    error_json,
    feedback_json,
    medium_json,
    message_json,
)
from tidings.dialects.twilio_lists import media_page_json, page_json, parse_list, parse_media_list
from tidings.dialects.twilio_orders import Change, parse_create, parse_feedback, parse_update
from tidings.errors import Problem
from tidings.ids import from_sid, random_hex
from tidings.model import Account, Medium, Message, Standing
from tidings.web import orders, twilio_xml
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.orders import ignored_parameters
from tidings.web.wire import (
    NO_CONTENT,
    Answer,
    Endpoint,
    Handler,
    Header,
    Request,
    base_url,
    json_answer,
    refusal_headers,
)


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Messages(gateway, authenticator)
    account = f"/{API_VERSION}/Accounts/{{account}}"
    root = f"{account}/Messages"
    one = f"{root}/{{sid}}"
    medium: dict[str, Handler] = {"GET": api.medium, "DELETE": api.drop}
    return [
        *routes_to(account, "Account", {"GET": api.account}),
        *routes_to(root, "Message", {"POST": api.create, "GET": api.list}),
        *routes_to(one, "Message", {"GET": api.fetch, "POST": api.update, "DELETE": api.delete}),
        *routes_to(f"{one}/Feedback", "Feedback", {"POST": api.feedback}),
        *routes_to(f"{one}/Media", "Media", {"GET": api.media}),
        *routes_to(f"{one}/Media/{{medium}}", "Media", medium, bare={"GET": api.content}),
    ]


def routes_to(
    path: str, noun: str, handlers: dict[str, Handler], *, bare: dict[str, Handler] | None = None
) -> list[BaseRoute]:
    """The routes to a path of the API: `.json`, and XML, in which what is found there is called `noun`.

    `bare`: handlers of their own for the path without a suffix, which otherwise is that of the XML.
    """
    in_json = Route(f"{path}.json", Endpoint(handlers, refuse, stamp))
    return [in_json, *twilio_xml.routes_to(path, noun, handlers, bare or {}, stamp)]


def refuse(problem: Problem) -> Answer:
    return json_answer(problem.http, error_json(problem), refusal_headers(problem))


def stamp(seconds: float, under_way: int) -> list[Header]:
    return [
        (b"twilio-request-id", b"RQ" + random_hex().encode()),
        (b"twilio-concurrent-requests", b"%d" % under_way),
        (b"twilio-request-duration", b"%.3f" % seconds),
    ]


async def caller(request: Request, authenticator: Authenticator, *, test_too: bool = False) -> Account:
    """Whoever asks, where that is the account of the path; a path that no account can have is not found.

    Raises Problem as `Authenticator.account`.
    """
    account_id = from_sid(request.path_params["account"], "AC")
    if account_id is None:
        raise Problem(20404, value=request.path)
    account = await authenticator.account(request, NAME, test_too=test_too)
    if account.id != account_id:
        raise Problem(20003, detail="These credentials are not for the account in the path")
    return account


class _Messages:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def account(self, request: Request) -> Answer:
        """Whose credentials these are: what many ask to see whether a connection is set up well."""
        return json_answer(200, account_json(await caller(request, self._authenticator)))

    async def create(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator, test_too=True)
        params = await request.form()
        return await orders.create(self._gateway, account, request, params, parse_create(params), message_json)

    async def list(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        return await orders.page(self._gateway, account, parse_list(request.query()), page_json)

    async def fetch(self, request: Request) -> Answer:
        message, standing = await self._message(request)
        return json_answer(200, message_json(message, standing))

    async def update(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        change, ignored = parse_update(await request.form())
        act = self._gateway.cancel if change is Change.CANCEL else self._gateway.redact
        message, standing = await act(message.account, message.id)
        return json_answer(200, message_json(message, standing), ignored_parameters(ignored, message.id))

    async def feedback(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        outcome, ignored = parse_feedback(await request.form())
        created_at, updated_at = await self._gateway.feedback(message.account, message.id, outcome)
        answer = feedback_json(message, outcome, created_at, updated_at)
        return json_answer(200, answer, ignored_parameters(ignored, message.id))

    async def delete(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        await self._gateway.delete(message.account, message.id)
        return Answer(NO_CONTENT, b"", [])

    async def media(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        listing = parse_media_list(request.query())
        media = await self._gateway.store.media(message.id)
        headers = ignored_parameters(listing.ignored, "a list")
        return json_answer(200, media_page_json(message, listing, media), headers)

    async def medium(self, request: Request) -> Answer:
        message, medium = await self._own_medium(request)
        return json_answer(200, medium_json(message, medium))

    async def drop(self, request: Request) -> Answer:
        message, medium = await self._own_medium(request)
        await self._gateway.drop_medium(message.account, message.id, medium.id)
        return Answer(NO_CONTENT, b"", [])

    async def content(self, request: Request) -> Answer:
        """Where the content is. Nobody is asked who they are: whoever knows the SID knows that place as well."""
        medium = await self._medium(request)
        named = (from_sid(request.path_params["account"], "AC"), from_sid(request.path_params["sid"], "SM", "MM"))
        if medium.size is None or named != (medium.account, medium.message_id):
            raise Problem(20404, value=request.path)
        location = link(base_url(request, self._gateway.public_url), medium)
        return Answer(307, b"", [(b"location", location.encode("latin-1"))])

    async def _message(self, request: Request) -> tuple[Message, Standing]:
        account = await caller(request, self._authenticator)
        message_id = from_sid(request.path_params["sid"], "SM", "MM")
        found = await self._gateway.store.message(account.id, message_id) if message_id else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found

    async def _own_medium(self, request: Request) -> tuple[Message, Medium]:
        message, _ = await self._message(request)
        medium = await self._medium(request)
        if medium.message_id != message.id:
            raise Problem(20404, value=request.path)
        return message, medium

    async def _medium(self, request: Request) -> Medium:
        """The medium that the path names, whosever it is."""
        medium_id = from_sid(request.path_params["medium"], "ME")
        medium = await self._gateway.store.medium(medium_id) if medium_id else None
        if medium is None:
            raise Problem(20404, value=request.path)
        return medium
