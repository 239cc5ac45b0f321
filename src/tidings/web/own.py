"""Our own API over HTTP: the whole truth about a message, the feed of everything that happens, and health.

The composition in `app` mounts these routes; `openapi.json`, beside this file, describes them for clients.
"""

import re
from importlib.resources import files
from typing import Final

from starlette.routing import BaseRoute, Route

from tidings.clock import SECOND
from tidings.dialects.own import callback_json, event_json, message_json, receipt_json, segment_json
from tidings.errors import CATALOGUE, Problem
from tidings.ids import from_any
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.model import Account, Message, Segment, Standing
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.wire import Answer, Endpoint, Request, json_answer, refusal_headers

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""Events a page of the feed."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    api = _Api(gateway, authenticator)
    paths = {
        "/v1/messages/{id}": api.message,
        "/v1/messages/{id}/events": api.history,
        "/v1/events": api.feed,
        "/v1/openapi.json": api.openapi,
        "/health/live": api.live,
        "/health/ready": api.ready,
    }
    return [Route(path, Endpoint({"GET": handler}, refuse)) for path, handler in paths.items()]


def refuse(problem: Problem) -> Answer:
    """RFC 9457: `title` is the same for every problem of a code, `detail` says what was wrong this time."""
    body = {
        "type": f"urn:tidings:error:{problem.code}",
        "title": CATALOGUE[problem.code].message,
        "status": problem.http,
        "code": problem.code,
        "detail": str(problem.details.get("detail", problem.message)),
    }
    return json_answer(problem.http, body, refusal_headers(problem), b"application/problem+json")


class _Api:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._store = gateway.store
        self._authenticator = authenticator
        description = files("tidings.web").joinpath("openapi.json").read_bytes()
        self._openapi = Answer(200, description, [(b"content-type", b"application/json")])

    async def message(self, request: Request) -> Answer:
        message, standing = await self._message(request)
        segments = await self._store.segments(message.id)
        body = message_json(message, standing)
        body["segments"] = [segment_json(segment) for segment in segments]
        body["delivery_unknown"] = await self._delivery_unknown(message, standing, segments)
        return json_answer(200, body)

    async def history(self, request: Request) -> Answer:
        message, _ = await self._message(request)
        body = {
            "message_id": message.id,
            "events": [event_json(event) for event in await self._store.events(message.id)],
            "receipts": [receipt_json(receipt) for receipt in await self._store.receipts(message.id)],
            "callbacks": [callback_json(callback) for callback in await self._store.callbacks(message.id)],
        }
        return json_answer(200, body)

    async def feed(self, request: Request) -> Answer:
        account = await self._account(request)
        given = dict(request.query())
        after = given.get("after", "0")
        limit = given.get("limit", str(DEFAULT_LIMIT))
        if not _NUMBER.fullmatch(after):
            raise Problem(20422, name="after", value=after, reason="not a cursor that this feed gave out")
        if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= MAX_LIMIT:
            raise Problem(20422, name="limit", value=limit, reason=f"not a number from 1 to {MAX_LIMIT}")
        found = await self._store.feed(account.id, int(after), int(limit))
        body = {
            "events": [{"cursor": str(item.cursor), **event_json(item.event)} for item in found],
            "next": str(found[-1].cursor) if found else after,
        }
        return json_answer(200, body)

    async def openapi(self, request: Request) -> Answer:
        return self._openapi._replace(headers=self._openapi.headers.copy())

    async def live(self, request: Request) -> Answer:
        return json_answer(200, {"live": True})

    async def ready(self, request: Request) -> Answer:
        readiness = self._gateway.readiness()
        draining = self._gateway.draining
        ready = readiness["store"] and any(readiness["carriers"].values()) and not draining
        status = 200 if ready else 503
        return json_answer(status, {"ready": ready, "draining": draining, **readiness})

    async def _account(self, request: Request) -> Account:
        return await self._authenticator.account(request)

    async def _message(self, request: Request) -> tuple[Message, Standing]:
        account = await self._account(request)
        message_id = from_any(request.path_params["id"])
        found = await self._store.message(account.id, message_id) if message_id else None
        if found is None:
            raise Problem(20404, value=request.path)
        return found

    async def _delivery_unknown(self, message: Message, standing: Standing, segments: list[Segment]) -> str | None:
        """Why nobody can say whether it was delivered; None while it is too early to ask, or when it is known."""
        patience = self._gateway.unknown_after(message.recipient) * SECOND
        if self._gateway.clock.now() - (standing.sent_at or standing.updated_at) < patience:
            return None
        if standing.status is Status.SENDING:
            uncertain = any(segment.state is SegmentState.UNCERTAIN for segment in segments)
            return "uncertain_submission" if uncertain else None
        if standing.status is not Status.SENT:
            return None
        events = await self._store.events(standing.id)
        return "carrier_unknown" if any(event.kind is Kind.UNKNOWN for event in events) else "no_receipt"
