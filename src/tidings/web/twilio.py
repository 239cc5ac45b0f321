"""Twilio's Messages API over HTTP: create, fetch and list, as its client libraries ask for them.

The composition in `app` mounts these routes. What parameters mean and how messages look is `dialects.twilio`'s.
"""

import logging
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.routing import BaseRoute, Route

from tidings.dialects.twilio import API_VERSION, error_json, message_json, parse_create
from tidings.dialects.twilio_lists import no_media_json, page_json, parse_list
from tidings.errors import Problem
from tidings.ids import from_sid, random_hex
from tidings.model import Account, Message, Standing
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.wire import Answer, Endpoint, Header, Request, json_answer, refusal_headers

MAX_KEY: Final = 255
"""Characters of an idempotency key."""
_SHOWN: Final = 20
"""Parameters without effect that an answer names."""

log = logging.getLogger(__name__)


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Messages(gateway, authenticator)
    root = f"/{API_VERSION}/Accounts/{{account}}/Messages"
    return [
        Route(f"{root}.json", Endpoint({"POST": api.create, "GET": api.list}, refuse, stamp)),
        Route(f"{root}/{{sid}}.json", Endpoint({"GET": api.fetch}, refuse, stamp)),
        Route(f"{root}/{{sid}}/Media.json", Endpoint({"GET": api.media}, refuse, stamp)),
    ]


def refuse(problem: Problem) -> Answer:
    return json_answer(problem.http, error_json(problem), refusal_headers(problem))


def stamp(seconds: float, under_way: int) -> list[Header]:
    return [
        (b"twilio-request-id", b"RQ" + random_hex().encode()),
        (b"twilio-concurrent-requests", b"%d" % under_way),
        (b"twilio-request-duration", b"%.3f" % seconds),
    ]


class _Messages:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def create(self, request: Request) -> Answer:
        account = await self._account(request)
        params = await request.form()
        order, ignored = parse_create(params)
        if key := _idempotency_key(request):
            digest = sha256(msgspec.json.encode(sorted(params))).hexdigest()
            order = msgspec.structs.replace(order, idempotency_key=key, digest=digest)
        submitted = await self._gateway.submit(account, order)
        headers = ignored_parameters(ignored, submitted.message.id)
        if submitted.repeated:
            headers.append((b"idempotent-replayed", b"true"))
        return json_answer(201, message_json(submitted.message, submitted.standing), headers)

    async def list(self, request: Request) -> Answer:
        account = await self._account(request)
        listing = parse_list(request.query())
        found = await self._gateway.store.messages(
            account.id, listing.where, listing.page_size + 1, listing.before
        )
        headers = ignored_parameters(listing.ignored, "a list")
        return json_answer(200, page_json(account.id, listing, found), headers)

    async def fetch(self, request: Request) -> Answer:
        message, standing = await self._message(request)
        return json_answer(200, message_json(message, standing))

    async def media(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        return json_answer(200, no_media_json(message))

    async def _account(self, request: Request) -> Account:
        """Whoever asks, where that is the account of the path; a path that no account can have is not found."""
        account_id = from_sid(request.path_params["account"], "AC")
        if account_id is None:
            raise Problem(20404, value=request.path)
        account = await self._authenticator.account(request.headers.get(b"authorization"))
        if account.id != account_id:
            raise Problem(20003, detail="These credentials are not for the account in the path")
        return account

    async def _message(self, request: Request) -> tuple[Message, Standing]:
        account = await self._account(request)
        message_id = from_sid(request.path_params["sid"], "SM", "MM")
        found = await self._gateway.store.message(account.id, message_id) if message_id else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found


def _idempotency_key(request: Request) -> str | None:
    """`Idempotency-Key`, or the name by which Twilio's own requests carry one."""
    headers = request.headers
    raw = headers.get(b"idempotency-key") or headers.get(b"i-twilio-idempotency-token")
    if not raw:
        return None
    if len(raw) > MAX_KEY:
        raise Problem(20422, name="Idempotency-Key", reason=f"longer than {MAX_KEY} characters")
    return raw.decode("latin-1")


def ignored_parameters(names: tuple[str, ...], what: str) -> list[Header]:
    """Says which parameters had no effect: Twilio would keep silent about them."""
    if not names:
        return []
    # A name is whatever the client wrote: as a header it must be escaped.
    shown = ", ".join(quote(name[:100]) for name in names[:_SHOWN])
    log.info("parameters without effect for %s: %s", what, shown)
    return [(b"tidings-ignored-parameters", shown.encode())]
