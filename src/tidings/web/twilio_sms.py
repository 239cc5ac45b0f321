"""Twilio's deprecated SMS/Messages over HTTP, where the settings ask for it; otherwise it is gone, as Twilio's is.

The composition in `app` mounts these routes. What parameters mean and how messages look is the dialect's.
"""

from typing import Final

from starlette.routing import BaseRoute

from tidings.dialects.twilio import API_VERSION
from tidings.dialects.twilio_lists import parse_list
from tidings.dialects.twilio_sms import NOUN, message_json, page_json, parse_create
from tidings.errors import Problem
from tidings.ids import from_sid
from tidings.model import Channel
from tidings.web import orders
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.twilio import caller, routes_to
from tidings.web.wire import Answer, Handler, Request, json_answer

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _SmsMessages(gateway, authenticator)
    gone: dict[str, Handler] = dict.fromkeys(_METHODS, api.gone)
    root = f"/{API_VERSION}/Accounts/{{account}}/SMS/Messages"
    return [
        *routes_to(root, NOUN, {"POST": api.create, "GET": api.list} if gateway.sms_messages else gone),
        *routes_to(f"{root}/{{sid}}", NOUN, {"GET": api.fetch} if gateway.sms_messages else gone),
    ]


class _SmsMessages:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def create(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator, test_too=True)
        params = await request.form()
        return await orders.create(self._gateway, account, request, params, parse_create(params), message_json)

    async def list(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        return await orders.page(self._gateway, account, parse_list(request.query()), page_json)

    async def fetch(self, request: Request) -> Answer:
        account = await caller(request, self._authenticator)
        message_id = from_sid(request.path_params["sid"], "SM")
        found = await self._gateway.store.message(account.id, message_id) if message_id else None
        if found is None or found[0].channel is not Channel.SMS:
            raise Problem(20404, value=request.path)
        return json_answer(200, message_json(*found))

    async def gone(self, request: Request) -> Answer:
        await caller(request, self._authenticator, test_too=True)
        raise Problem(20410)
