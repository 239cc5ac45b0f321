"""Our own API for numbers over HTTP: which an account has, and who answers the messages that come in to each.

The composition in `app` mounts these routes. What a form means and how numbers look is the dialect's of the same
name; `openapi.json`, beside this file, describes both for clients.
"""

from starlette.routing import BaseRoute, Route

from tidings import phone
from tidings.arranged import Sender
from tidings.dialects.own_numbers import changed, number_json
from tidings.dialects.own_params import parse_nothing
from tidings.errors import Problem
from tidings.model import Account
from tidings.web import senders
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.own import refuse
from tidings.web.wire import Answer, Endpoint, Handler, Request, json_answer


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Numbers(gateway, authenticator)
    paths: dict[str, dict[str, Handler]] = {
        "/v1/numbers": {"GET": api.list},
        "/v1/numbers/{address}": {"GET": api.fetch, "PUT": api.answer},
    }
    return [Route(path, Endpoint(handlers, refuse)) for path, handlers in paths.items()]


class _Numbers:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def list(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        found = await self._gateway.store.senders(account.id)
        return json_answer(200, {"numbers": [number_json(sender) for sender in found]})

    async def fetch(self, request: Request) -> Answer:
        sender = await self._sender(await self._account(request), request)
        parse_nothing(request.query())
        return json_answer(200, number_json(sender))

    async def answer(self, request: Request) -> Answer:
        account = await self._account(request)
        await self._sender(account, request)  # what is not there is not found, whatever is said of it
        form = await request.form()
        # Once more: by the time that all of it has come the number may be another's.
        before = await self._sender(account, request)
        parse_nothing(request.query())
        after = changed(before, account, form, self._gateway.clock.now())
        if missing := await senders.missing_application(self._gateway, before.handling, after):
            reason = "the account has no such application"
            raise Problem(20422, name="application", value=missing, reason=reason)
        await senders.change(self._gateway, after)
        return json_answer(200, number_json(after))

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request)

    async def _sender(self, account: Account, request: Request) -> Sender:
        """The account's number that the path names. Raises Problem 20404."""
        spelled = request.path_params["address"]
        found = await self._gateway.store.sender(phone.e164(spelled) or spelled)
        if found is None or found.account != account.id:
            raise Problem(20404, value=request.path)
        return found
