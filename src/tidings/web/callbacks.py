"""Our own API for callbacks over HTTP: what was told, what was tried, how hosts are doing, and telling again.

The composition in `app` mounts these routes. What parameters mean is `dialects.own_filters`', how things look is
`dialects.own`'s, and `openapi.json`, beside this file, describes both for clients.
"""

import asyncio
from typing import Any, Final

from starlette.routing import BaseRoute, Route

from tidings.callbacks.explain import NotSigned, signed
from tidings.dialects.own import attempt_json, callback_json, callback_key, host_json
from tidings.dialects.own_filters import parse_callbacks, parse_replay, replay_json
from tidings.dialects.own_params import parse_nothing
from tidings.errors import Problem
from tidings.ids import from_any
from tidings.model import Account, Attempt, Replay
from tidings.store.base import CallbackKey
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.own import refuse
from tidings.web.wire import Answer, Endpoint, Handler, Request, json_answer

REPLAYS: Final = 100
"""In their list, the newest."""


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Callbacks(gateway, authenticator)
    paths: dict[str, dict[str, Handler]] = {
        "/v1/callbacks": {"GET": api.list},
        "/v1/callbacks/hosts": {"GET": api.hosts},
        "/v1/callbacks/{id}": {"GET": api.fetch},
        "/v1/callbacks/{id}/replay": {"POST": api.replay_one},
        "/v1/replays": {"GET": api.replays, "POST": api.replay},
        "/v1/replays/{id}": {"GET": api.fetch_replay},
    }
    return [Route(path, Endpoint(handlers, refuse)) for path, handlers in paths.items()]


class _Callbacks:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._store = gateway.store
        self._authenticator = authenticator

    # --- callbacks
    async def list(self, request: Request) -> Answer:
        account = await self._account(request)
        asked = parse_callbacks(request.query())
        found = await self._store.find_callbacks(account.id, asked.where, asked.limit + 1, asked.before)
        shown = [callback_json(callback) for callback in found[: asked.limit]]
        return json_answer(200, {"callbacks": shown, "next": shown[-1]["id"] if len(found) > len(shown) else None})

    async def fetch(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        key = _key(request)
        callback = await self._store.callback(account.id, key)
        if callback is None:
            raise Problem(20404, value=request.path)
        log = [_explained(attempt) for attempt in await self._store.attempts(account.id, key)]
        return json_answer(200, {**callback_json(callback), "attempt_log": log})

    async def hosts(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        return json_answer(200, {"hosts": [host_json(report) for report in await self._gateway.hosts(account.id)]})

    # --- telling again
    async def replay_one(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing([*request.query(), *await request.form()])
        callback = await self._gateway.replay_one(account.id, _key(request))
        return json_answer(202, callback_json(callback))

    async def replay(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        where = parse_replay(await request.form())
        return json_answer(202, await self._progress(await self._gateway.replay(account.id, where)))

    async def replays(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        found = await self._store.replays(account.id, REPLAYS)
        return json_answer(200, {"replays": await asyncio.gather(*map(self._progress, found))})

    async def fetch_replay(self, request: Request) -> Answer:
        account = await self._account(request)
        parse_nothing(request.query())
        replay_id = from_any(request.path_params["id"])
        replay = await self._store.replay(account.id, replay_id) if replay_id else None
        if replay is None:
            raise Problem(20404, value=request.path)
        return json_answer(200, await self._progress(replay))

    async def _progress(self, replay: Replay) -> dict[str, Any]:
        return replay_json(replay, await self._store.replay_states(replay.id))

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request)


def _explained(attempt: Attempt) -> dict[str, Any]:
    """An attempt, and what was signed in it; null where nothing was."""
    try:
        return {**attempt_json(attempt), "signature": signed(attempt)}
    except NotSigned:
        return {**attempt_json(attempt), "signature": None}


def _key(request: Request) -> CallbackKey:
    """The callback that the path names. Raises Problem 20404 where it names none."""
    key = callback_key(request.path_params["id"])
    if key is None:
        raise Problem(20404, value=request.path)
    return key
