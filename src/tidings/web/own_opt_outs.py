"""Our own API for opt-outs over HTTP: the list, what is written to it and taken off it, import and export; and the
keywords of a service.

The composition in `app` mounts these routes. What parameters, lines and members mean is the dialect's of the same
name; `openapi.json`, beside this file, describes them for clients.
"""

import asyncio
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.routing import BaseRoute, Route

from tidings import phone
from tidings.arranged import Service
from tidings.dialects.own_opt_outs import (
    MAX_IMPORT,
    NO_NUMBER,
    address,
    csv_header,
    csv_lines,
    cursor,
    keywords_json,
    opt_out_json,
    parse_export,
    parse_import,
    parse_keywords,
    parse_list,
    scope_of,
)
from tidings.dialects.own_params import parse_nothing
from tidings.errors import Problem
from tidings.ids import from_any
from tidings.model import Account, OptOut
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.own import refuse
from tidings.web.wire import NO_CONTENT, Answer, Endpoint, Handler, Header, Request, json_answer

CSV: Final = b"text/csv"
READ_AT_ONCE: Final = 1000
"""Entries of an export: in between, others have their turn."""


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api, keywords = _OptOuts(gateway, authenticator), _Keywords(gateway, authenticator)
    paths: dict[str, dict[str, Handler]] = {
        "/v1/opt-outs": {"GET": api.list},
        "/v1/opt-outs/import": {"POST": api.bring},
        "/v1/opt-outs/export": {"GET": api.export},
        "/v1/opt-outs/{scope}/{recipient}": {"GET": api.fetch, "PUT": api.add, "DELETE": api.lift},
        "/v1/services/{id}/keywords": {"GET": keywords.fetch, "PUT": keywords.replace},
    }
    return [Route(path, Endpoint(handlers, refuse)) for path, handlers in paths.items()]


class _OptOuts:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._store = gateway.store
        self._authenticator = authenticator

    # --- one
    async def fetch(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        return json_answer(200, opt_out_json(await self._entry(account, request)))

    async def add(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing([*request.query(), *await request.form()])
        scope, recipient = scope_of(request.path_params["scope"]), phone.e164(request.path_params["recipient"])
        if scope not in await self._scopes(account):
            raise Problem(20404, value=request.path, reason="the account has no such sender or service")
        if recipient is None:
            raise Problem(20404, value=request.path, reason=f"the recipient is {NO_NUMBER}")
        entry = OptOut(account.id, scope, recipient, self._gateway.clock.now(), "", "api")
        if await self._gateway.opt_outs.add([entry]):
            return json_answer(201, opt_out_json(entry))
        return json_answer(200, opt_out_json(await self._entry(account, request)))

    async def lift(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing([*request.query(), *await request.form()])
        await self._gateway.opt_outs.lift([await self._entry(account, request)])
        return Answer(NO_CONTENT, b"", [])

    # --- many
    async def list(self, request: Request) -> Answer:
        account = await self._account(request)
        asked = parse_list(request.query())
        found = await self._store.opt_outs(account.id, asked.scope, asked.recipient, asked.limit + 1, asked.after)
        shown = found[: asked.limit]
        more = cursor((shown[-1].scope, shown[-1].recipient)) if len(found) > len(shown) else None
        return json_answer(200, {"opt_outs": [opt_out_json(entry) for entry in shown], "next": more})

    async def bring(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        content_type = request.headers.get(b"content-type", CSV).partition(b";")[0].strip().lower()
        if content_type != CSV:
            raise Problem(20001, name="Content-Type", reason=f"it must be {CSV.decode()}")
        content = await request.body(MAX_IMPORT)
        scopes, now = await self._scopes(account), self._gateway.clock.now()
        # Reading so many lines takes longer than other requests should wait.
        entries = await asyncio.to_thread(parse_import, content, account.id, scopes, now)
        added = await self._gateway.opt_outs.add(entries)
        return json_answer(200, {"read": len(entries), "added": len(added)})

    async def export(self, request: Request) -> Answer:
        account = await self._account(request)
        query = request.query()
        asked = parse_export(query)
        content, last, left = bytearray(csv_header()), asked.after, asked.limit
        while left and (
            found := await self._store.opt_outs(account.id, asked.scope, None, min(left, READ_AT_ONCE), last)
        ):
            content += csv_lines(found)
            last = found[-1].scope, found[-1].recipient
            left -= len(found)
        headers: list[Header] = [(b"content-type", CSV + b"; charset=utf-8; header=present")]
        if not left and last and await self._store.opt_outs(account.id, asked.scope, None, 1, last):
            filters = [(name, value) for name, value in query if name != "after"]
            following = urlencode([*filters, ("after", cursor(last))])
            headers.append((b"link", f'<{request.path}?{following}>; rel="next"'.encode()))
        return Answer(200, bytes(content), headers)

    async def _scopes(self, account: Account) -> frozenset[str]:
        senders = await self._store.senders(account.id)
        services = await self._store.resources(Service, account.id)
        return frozenset([*(sender.address for sender in senders), *(service.id for service in services)])

    async def _entry(self, account: Account, request: Request) -> OptOut:
        """The one that the path names. Raises Problem 20404."""
        scope, recipient = scope_of(request.path_params["scope"]), address(request.path_params["recipient"])
        found = await self._store.opt_outs(account.id, scope, recipient, 1)
        if not found:
            raise Problem(20404, value=request.path)
        return found[0]

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request)


class _Keywords:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def fetch(self, request: Request) -> Answer:
        service = await self._service(await self._authenticator.account(request), request)
        parse_nothing(request.query())
        return json_answer(200, keywords_json(service.keywords))

    async def replace(self, request: Request) -> Answer:
        account = await self._authenticator.account(request)
        parse_nothing(request.query())
        body = await request.json()
        async with self._gateway.services.changing:
            service = await self._service(account, request)
            sets = parse_keywords(body)
            now = self._gateway.clock.now()
            await self._gateway.store.put_resource(msgspec.structs.replace(service, keywords=sets, updated_at=now))
            self._gateway.services.forget(service.account)
        return json_answer(200, keywords_json(sets))

    async def _service(self, account: Account, request: Request) -> Service:
        """The account's service that the path names. Raises Problem 20404."""
        service_id = from_any(request.path_params["id"])
        found = await self._gateway.store.resource(Service, account.id, service_id) if service_id else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found
